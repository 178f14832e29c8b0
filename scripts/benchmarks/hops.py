"""Two parties: a CPO's backend, its node, over mutual TLS an EMP's node, and the EMP's backend."""

import http.client
import json
import socket
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.figures import Failure
from benchmarks.load import Job
from benchmarks.processes import Server, free_port, module
from benchmarks.requests import SessionIds, Template, authorize_start
from benchmarks.scene import AUTHORIZED, HOST, NODE_IDS, TIMEOUT, UID, Answer, checked, exchange
from p2pnode.config.files import write_toml
from p2pnode.config.load import NODE_FILE, save_peer
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.operations import AUTHORIZE_START, BASE_PATH, Role
from p2pnode.pki import Identity, Leaf, create_identity

OPERATOR, PROVIDER = NODE_IDS[Role.CPO], NODE_IDS[Role.EMP]
YES = {"AuthorizationStatus": "Authorized", "ProviderID": PROVIDER, "StatusCode": {"Code": "000"}, "Result": True}
PATH = BASE_PATH + AUTHORIZE_START.url_path(OPERATOR)


@dataclass(frozen=True, slots=True)
class Hops:
    """The directories of both nodes, and the ports of everybody."""

    directory: Path
    backend_face: int
    emp_peer_face: int
    emp_backend: int

    def nodes(self) -> tuple[Server, Server]:
        """The node of the EMP and that of the CPO, run by their command with the defaults of their configuration."""
        return self._node("emp-node"), self._node("cpo-node")

    def backend(self) -> Server:
        """The EMP's backend, which says yes to everybody."""
        answer = self.directory / "answer.json"
        answer.write_text(json.dumps(YES), encoding="utf-8")
        command = [*module("benchmarks.echo"), f"--port={self.emp_backend}", f"--answer={answer}"]
        return Server("backend", command, self.directory / "backend.log", lambda: self._post(self.emp_backend, b"{}"))

    def authorize(self, uid: str = UID) -> Answer:
        """The answer to one AuthorizeStart of the CPO's backend. Raises OSError, or Failure where it is not yes."""
        ids = SessionIds()
        body = Template.of(authorize_start(OPERATOR, uid)).filled(ids.next(), ids.next())
        answer = checked(self._post(self.backend_face, body))
        if AUTHORIZED.encode() not in answer.body:
            raise Failure(f"not authorized: {answer.body.decode(errors='replace')}")
        return answer

    def job(self, connections: int, seconds: float, watched: Sequence[Server]) -> Job:
        """AuthorizeStart of the CPO's backend on so many connections. Times are in seconds."""
        return Job(
            host=HOST,
            port=self.backend_face,
            certificate="",
            key="",
            trust="",
            path=PATH,
            body=authorize_start(OPERATOR, UID).decode(),
            expected=AUTHORIZED,
            echoes_session=True,
            connections=connections,
            seconds=seconds,
            watched=tuple(server.pid for server in watched),
        )

    def _node(self, name: str) -> Server:
        command = [*module("p2pnode"), "run", str(self.directory / name)]
        listens = partial(reached, self.emp_peer_face)
        answers: Callable[[], object] = self.authorize if name == "cpo-node" else listens
        return Server(name, command, self.directory / f"{name}.log", answers)

    def _post(self, port: int, body: bytes) -> Answer:
        return exchange(http.client.HTTPConnection(HOST, port, timeout=TIMEOUT), PATH, body)


def reached(port: int) -> None:
    """Raise OSError where nobody listens at the port."""
    socket.create_connection((HOST, port)).close()


@contextmanager
def hops() -> Generator[Hops]:
    """Both parties, in a directory that goes with them."""
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        made = Hops(directory, free_port(), free_port(), free_port())
        cpo, emp = (create_identity(directory / node / "pki", Leaf(node), now) for node in ("cpo-node", "emp-node"))
        ports = {"cpo-node": free_port(), "emp-node": made.emp_peer_face}
        shared = {"admin_face": {"port": 0}}
        cpo_settings = {
            "node": {"name": "cpo-node", "operators": [OPERATOR]},
            "peer_face": {"port": ports["cpo-node"]},
            "backend_face": {"port": made.backend_face},
        }
        emp_settings = {
            "node": {"name": "emp-node", "providers": [PROVIDER]},
            "peer_face": {"port": ports["emp-node"]},
            "backend_face": {"enabled": False},
            "emp": {"backend": "http", "url": f"http://{HOST}:{made.emp_backend}{BASE_PATH}"},
        }
        write_toml(directory / "cpo-node" / NODE_FILE, cpo_settings | shared)
        write_toml(directory / "emp-node" / NODE_FILE, emp_settings | shared)
        save_peer(directory / "cpo-node", peer("emp-node", ports["emp-node"], emp, providers=(PROVIDER,)))
        save_peer(directory / "emp-node", peer("cpo-node", ports["cpo-node"], cpo, operators=(OPERATOR,)))
        yield made


def peer(name: str, port: int, identity: Identity, **ids: tuple[str, ...]) -> PeerEntry:
    """How others know a node: by its certificate."""
    url = f"https://{HOST}:{port}{BASE_PATH}"
    return PeerEntry.model_validate({"name": name, "url": url, "certificate": identity.trust, **ids})
