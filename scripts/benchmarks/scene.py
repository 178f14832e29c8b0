"""What is measured: a node whose one peer is the load generator's side, a bare echo server, and requests to both."""

import http.client
import ssl
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from uuid import uuid4

from benchmarks.figures import Failure
from benchmarks.load import Job
from benchmarks.processes import Server, free_port, module
from benchmarks.requests import SessionIds, Template, authorize_start
from p2pnode.config.files import write_toml
from p2pnode.config.load import NODE_FILE, save_peer
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.operations import AUTHORIZE_START, BASE_PATH, AnyOperation, Role
from p2pnode.peering.http_signatures import content_digest
from p2pnode.peering.signed_exchange import sign_request
from p2pnode.peering.signing import read_key
from p2pnode.pki import Identity, Leaf, create_identity

Level = Literal["off", "send", "require"]
HOST = "127.0.0.1"
PEER_IDS = {Role.CPO: "DE*LOA", Role.EMP: "DE-LOA"}
NODE_IDS = {Role.CPO: "DE*NOD", Role.EMP: "DE-NOD"}
UID = "1234ABCD"
AUTHORIZED = '"AuthorizationStatus":"Authorized"'
TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request, and how long it took from the first byte sent to the last received, in seconds."""

    status: int
    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A directory with a node that is not started yet, the identities of both sides, and free ports."""

    directory: Path
    node_identity: Identity
    peer_identity: Identity
    peer_port: int
    backend_port: int
    echo_port: int
    signatures: Level

    def node(self) -> Server:
        """The node, run by its command with the defaults of its configuration."""
        command = [*module("p2pnode"), "run", str(self.directory / "node")]
        return Server("node", command, self.directory / "node.log", self.authorize)

    def echo(self, answer: bytes) -> Server:
        """A bare aiohttp server with the node's certificate and TLS settings, that answers all with `answer`."""
        file = self.directory / "answer.json"
        file.write_bytes(answer)
        files = {
            "certificate": self.node_identity.certificate_file,
            "key": self.node_identity.key_file,
            "trust": self.peer_identity.trust,
            "answer": file,
        }
        command = [*module("benchmarks.echo"), f"--port={self.echo_port}"]
        command += [f"--{name}={path}" for name, path in files.items()]
        return Server("echo", command, self.directory / "echo.log", lambda: self.call_echo(b"{}"))

    def authorize(self) -> bytes:
        """The node's answer to one AuthorizeStart. Raises OSError where nobody answers, Failure where it is not yes."""
        ids = SessionIds()
        body = Template.of(authorize_start(PEER_IDS[Role.CPO], UID)).filled(ids.next(), ids.next())
        answer = checked(self.call(AUTHORIZE_START, body))
        if AUTHORIZED.encode() not in answer.body:
            raise Failure(f"not authorized: {answer.body.decode(errors='replace')}")
        return answer.body

    def call(self, operation: AnyOperation, body: bytes, query: str = "") -> Answer:
        """One request of the peer to the node, over a connection of its own. Raises OSError."""
        return self._post(self.peer_port, operation, body, query)

    def call_echo(self, body: bytes) -> Answer:
        """The same request to the echo server. Raises OSError, or Failure where the answer is none."""
        return checked(self._post(self.echo_port, AUTHORIZE_START, body))

    def _post(self, port: int, operation: AnyOperation, body: bytes, query: str = "") -> Answer:
        path = path_to(operation, query)
        return exchange(self.connection(port), path, body, self._signed(path, body) if self.signatures != "off" else {})

    def connection(self, port: int) -> http.client.HTTPSConnection:
        """A connection of the peer to the node or the echo server, not made yet."""
        context = ssl.create_default_context(cafile=str(self.node_identity.trust))
        context.load_cert_chain(self.peer_identity.certificate_file, self.peer_identity.key_file)
        return http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT, context=context)

    def _signed(self, path: str, body: bytes) -> Mapping[str, str]:
        """The header fields of the peer's signature."""
        key = read_key(self.peer_identity.key_file)
        return sign_request(key, path, str(uuid4()), content_digest(body), int(time.time())).message.fields

    def publish(self, operation: AnyOperation, body: bytes) -> Answer:
        """One request of the node's own backend to the node. Raises OSError."""
        connection = http.client.HTTPConnection(HOST, self.backend_port, timeout=TIMEOUT)
        return exchange(connection, BASE_PATH + operation.url_path(NODE_IDS[operation.caller]), body)

    def job(self, server: Server, connections: int, seconds: float, pause: float = 0.0) -> Job:
        """AuthorizeStart to the node or the echo server, on so many connections. Times are in seconds."""
        is_node = server.name == "node"
        return Job(
            host=HOST,
            port=self.peer_port if is_node else self.echo_port,
            certificate=str(self.peer_identity.certificate_file),
            key=str(self.peer_identity.key_file),
            trust=str(self.node_identity.trust),
            path=BASE_PATH + AUTHORIZE_START.url_path(PEER_IDS[Role.CPO]),
            body=authorize_start(PEER_IDS[Role.CPO], UID).decode(),
            expected=AUTHORIZED,
            echoes_session=is_node,
            connections=connections,
            seconds=seconds,
            pause=pause,
            signing_key=str(self.peer_identity.key_file) if is_node and self.signatures != "off" else "",
            watched=(server.pid,),
        )


def checked(answer: Answer) -> Answer:
    """The answer, if it has status 200. Raises Failure otherwise."""
    if answer.status != http.client.OK:
        raise Failure(f"HTTP {answer.status}: {answer.body[:1500].decode(errors='replace')}")
    return answer


def acknowledged(answer: Answer) -> Answer:
    """The answer, if it is a positive acknowledgement. Raises Failure otherwise."""
    if b'"Result":true' not in checked(answer).body:
        raise Failure(f"not acknowledged: {answer.body[:1500].decode(errors='replace')}")
    return answer


def exchange(
    connection: http.client.HTTPConnection, path: str, body: bytes, fields: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """One request on a connection, which is made for it and closed then. Raises OSError."""
    try:
        connection.connect()
        return ask(connection, path, body, fields)
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection, path: str, body: bytes, fields: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """One request on a connection that is there; `fields` are further header fields. Raises OSError."""
    try:
        begun = time.perf_counter()
        connection.request("POST", path, body, {"Content-Type": "application/json", **fields})
        answer = connection.getresponse()
        text = answer.read()
        return Answer(answer.status, text, time.perf_counter() - begun)
    except http.client.HTTPException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def path_to(operation: AnyOperation, query: str = "") -> str:
    """The path at which the peer calls an operation of the node."""
    return BASE_PATH + operation.url_path(PEER_IDS[operation.caller]) + query


@contextmanager
def scene(*roles: Role, signatures: Level = "off") -> Generator[Scene]:
    """A new scene whose node plays these roles, in a directory that goes with it.

    `signatures` is what the node's entry of its peer says.
    """
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        made = Scene(
            directory,
            create_identity(directory / "node" / "pki", Leaf("node"), now),
            create_identity(directory / "peer", Leaf("load"), now),
            free_port(),
            free_port(),
            free_port(),
            signatures,
        )
        _configure(made, directory / "node", roles)
        yield made


def _configure(made: Scene, node: Path, roles: tuple[Role, ...]) -> None:
    ids = {Role.CPO: "operators", Role.EMP: "providers"}
    document = {
        "node": {"name": "node", **{ids[role]: [NODE_IDS[role]] for role in roles}},
        "peer_face": {"port": made.peer_port},
        "backend_face": {"port": made.backend_port},
        "admin_face": {"port": 0},
        "emp": {"virtual": {"drivers": [{"uid": UID}]}},
    }
    write_toml(node / NODE_FILE, document)
    peer = PeerEntry(
        name="load",
        operators=(PEER_IDS[Role.CPO],),
        providers=(PEER_IDS[Role.EMP],),
        certificate=made.peer_identity.trust,
        pins=(made.peer_identity.pin,),
        signatures=made.signatures,
    )
    save_peer(node, peer)
