"""The stage of the drop-in tests: a CPO's backend, its node, an EMP's node, and the EMP's backend, on real sockets."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p2pnode.config import NodeConfig, PeerEntry, PeerTable
from p2pnode.node import Node
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.pki import Authority, Identity, Leaf, create_ca, issue
from tests.plain_backend import Answer, PlainBackend
from tests.samples import SAMPLES

OPERATOR = "DE*ABC"
PROVIDER = "DE-DCB"
SESSION = "b2688855-7f00-0002-6d8e-48d883f6abb6"
OTHER_SESSION = "c3688855-7f00-0002-6d8e-48d883f6abb7"
THIRD_SESSION = "d4688855-7f00-0002-6d8e-48d883f6abb8"
TOKEN = "a-token-of-some-length"


def sample(operation: AnyOperation, *changes: tuple[str, str]) -> bytes:
    """The sample request of an operation, indented as it stands in its file, with parts of its text replaced."""
    text = SAMPLES[f"{operation.name}.request"].decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def own_path(operation: AnyOperation) -> str:
    """The path at which a backend calls the hub, below the base."""
    return operation.url_path(OPERATOR if operation.caller is Role.CPO else PROVIDER)


@dataclass(frozen=True)
class Security:
    """The certificates of everybody, from one CA; none of them in a lab without TLS."""

    ca: Authority | None = None
    identities: Mapping[str, Identity] | None = None

    @classmethod
    def made(cls, root: Path) -> "Security":
        """Certificates for both nodes and both backends."""
        now = datetime.now(UTC)
        ca = create_ca(root / "ca", "test CA", now)
        names = ("cpo-node", "emp-node", "cpo", "emp")
        hosts = ("127.0.0.1",)
        return cls(ca, {name: issue(ca, root / name, Leaf(name, (name,), hosts), now) for name in names})

    def files_of(self, name: str) -> dict[str, str]:
        """The settings that name somebody's certificate."""
        if self.identities is None:
            return {}
        identity = self.identities[name]
        return {"certificate": str(identity.certificate_file), "key": str(identity.key_file)}

    def trust(self, name: str) -> dict[str, str]:
        """The setting that names the CA."""
        return {} if self.ca is None else {name: str(self.ca.certificate_file)}

    def context(self, name: str, purpose: ssl.Purpose) -> ssl.SSLContext | None:
        """The TLS of a backend: its own certificate, and the CA for the other side, which has to show one."""
        if self.ca is None or self.identities is None:
            return None
        context = ssl.create_default_context(purpose, cafile=str(self.ca.certificate_file))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.identities[name].certificate_file, self.identities[name].key_file)
        return context

    def backend(self, name: str) -> PlainBackend:
        """A party's backend."""
        return PlainBackend(
            client_tls=self.context(name, ssl.Purpose.SERVER_AUTH),
            server_tls=self.context(name, ssl.Purpose.CLIENT_AUTH),
        )

    def settings(self, root: Path, name: str, node: Mapping[str, Any], **sections: Mapping[str, Any]) -> NodeConfig:
        """The configuration of a node on free ports."""
        tls = "off" if self.ca is None else "on"
        face = {"port": 0, **self.files_of(name), **self.trust("client_ca")}
        return NodeConfig.model_validate(
            {
                "node": {"name": name, **node},
                "peer_face": {"port": 0, "tls": tls, **self.files_of(name)},
                "backend_face": face,
                "store": {"path": str(root / f"{name}.db")},
                "log": {"level": "error"},
                **sections,
            }
        )

    def http(self, name: str, backend: PlainBackend, **more: object) -> dict[str, Any]:
        """The section of an own system at this backend."""
        return {"backend": "http", "url": backend.url, **self.files_of(name), **self.trust("ca"), **more}

    def peer(self, node: Node, **ids: tuple[str, ...]) -> PeerEntry:
        """How others know a running node."""
        return PeerEntry.model_validate(
            {
                "name": node.config.node.name,
                "url": node.peer_url,
                "tls": node.config.peer_face.tls,
                "pull_authentication_data": True,
                **({} if self.ca is None else {"tls_name": node.config.node.name}),
                **self.trust("ca"),
                **ids,
            }
        )


@dataclass
class Stage:
    """Both parties, connected."""

    cpo: PlainBackend
    emp: PlainBackend
    cpo_node: Node
    emp_node: Node

    async def send(self, operation: AnyOperation, body: bytes, query: str = "") -> Answer:
        """Send a message from the backend whose role it is, as to Hubject."""
        backend = self.cpo if operation.caller is Role.CPO else self.emp
        return await backend.call(own_path(operation) + query, body)


@asynccontextmanager
async def stage(root: Path, security: Security | None = None, **settings: object) -> AsyncGenerator[Stage]:
    """A running stage. `settings` go into the sections of both own systems."""
    by = security or Security()
    async with by.backend("cpo") as cpo, by.backend("emp") as emp:
        own_cpo, own_emp = by.http("cpo-node", cpo, **settings), by.http("emp-node", emp, **settings)
        cpo_config = by.settings(root, "cpo-node", {"operators": [OPERATOR]}, cpo=own_cpo)
        emp_config = by.settings(root, "emp-node", {"providers": [PROVIDER]}, emp=own_emp)
        async with Node(cpo_config, PeerTable()) as cpo_node, Node(emp_config, PeerTable()) as emp_node:
            await cpo_node.peers.replace(PeerTable([by.peer(emp_node, providers=(PROVIDER,))]))
            await emp_node.peers.replace(PeerTable([by.peer(cpo_node, operators=(OPERATOR,))]))
            cpo.hub, emp.hub = cpo_node.faces()["backend"], emp_node.faces()["backend"]
            yield Stage(cpo, emp, cpo_node, emp_node)
