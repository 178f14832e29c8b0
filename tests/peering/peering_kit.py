"""What the tests of this directory share: a party with an identity, a face that notes what it received, raw HTTP."""

import asyncio
import json
import ssl
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from p2pnode.config import PeerEntry, PeerTable
from p2pnode.config.node import LimitsSection, NodeConfig, NodeSection, PeerFaceSection
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import BASE_PATH, OPERATIONS, AnyOperation, Role
from p2pnode.peering.face import FaceParts
from p2pnode.peering.server import PeerFace
from p2pnode.peering.signing import Signatures
from p2pnode.peering.table import PeerTableHolder
from p2pnode.pki import Authority, Identity
from p2pnode.roaming.ports import Received
from p2pnode.roaming.records import CallOutcome
from tests.samples import sample

NOW = datetime.now(UTC)
OPERATOR = "DE*ABC"
PROVIDER = "DE-DCB"
NODE = NodeSection(name="node", operators=("DE*OWN",), providers=("DE-OWN",))


@dataclass(frozen=True)
class Pki:
    """Identities made once for all tests."""

    node: Identity
    partner: Identity
    stranger: Identity
    expired: Identity
    ca: Authority
    issued: Identity


def own_id(operation: AnyOperation) -> str:
    """The caller's id in the samples."""
    return OPERATOR if operation.caller is Role.CPO else PROVIDER


def path_of(operation: AnyOperation, identifier: str | None = None, path: str | None = None) -> str:
    """The whole path of an operation for a caller."""
    return BASE_PATH + operation.url_path(identifier or own_id(operation), path)


def partner(**settings: Any) -> PeerEntry:  # noqa: ANN401 - whatever the entry takes
    """The peer that speaks for the ids in the samples."""
    members: dict[str, Any] = {
        "name": "partner",
        "operators": (OPERATOR,),
        "providers": (PROVIDER,),
        "pull_authentication_data": True,
    }
    return PeerEntry(**(members | settings))


OTHER = PeerEntry(name="other", operators=("DE*XYZ",), providers=("DE-XYZ",))


@dataclass
class Notes:
    """What a face received and told."""

    received: list[Received[Any]] = field(default_factory=list[Received[Any]])
    outcomes: list[CallOutcome] = field(default_factory=list[CallOutcome])
    probes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def answer(self, received: Received[Any]) -> OicpModel | bytes:
        """The sample answer of the operation, as bytes."""
        self.received.append(received)
        return sample(received.operation, "answer")


Receive = Callable[[Received[Any]], Any]


async def hold(*peers: PeerEntry) -> PeerTableHolder:
    """A table of these peers."""
    return await asyncio.to_thread(PeerTableHolder, PeerTable(peers))


def face_over(  # noqa: PLR0913 - each is what one test or another varies
    holder: PeerTableHolder,
    notes: Notes,
    *,
    settings: PeerFaceSection | None = None,
    receive: Receive | None = None,
    offered: Collection[AnyOperation] = OPERATIONS,
    limits: LimitsSection | None = None,
    signatures: Signatures | None = None,
) -> PeerFace:
    """A peer face on a free port, plain HTTP where nothing else is said."""
    parts = FaceParts(
        receive=receive or notes.answer,
        offered=offered,
        on_call=notes.outcomes.append,
        on_probe=lambda peer, address: notes.probes.append((peer, address)),
        limits=limits or LimitsSection(stop_seconds=0.2, body_seconds=5),
        signatures=signatures,
    )
    config = NodeConfig(node=NODE, peer_face=settings or PeerFaceSection(port=0, tls="off"))
    return PeerFace(config, holder, parts)


def tls_settings(identity: Identity) -> PeerFaceSection:
    """A face that shows this identity."""
    return PeerFaceSection(port=0, certificate=identity.certificate_file, key=identity.key_file)


def tls_client(server: Identity, own: Identity | None) -> ssl.SSLContext:
    """A client that trusts the server and shows its own certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(server.trust)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if own is not None:
        context.load_cert_chain(own.certificate_file, own.key_file)
    return context


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def members(self) -> dict[str, Any]:
        """The members of the JSON body."""
        members: dict[str, Any] = json.loads(self.body)
        return members

    @property
    def code(self) -> str:
        """The OICP status code."""
        code: str = self.members["StatusCode"]["Code"]
        return code


JSON = {"Content-Type": "application/json"}


async def post(  # noqa: PLR0913 - each is what one test or another varies
    port: int,
    path: str,
    body: bytes | dict[str, Any],
    *,
    tls: ssl.SSLContext | None = None,
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> Reply:
    """One request on a connection of its own, written and read by hand."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Host": "localhost", "Content-Length": str(len(content)), **(JSON if headers is None else headers)}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return await exchange(port, [head.encode() + b"\r\n" + content], tls=tls)


async def exchange(port: int, pieces: Iterable[bytes], *, tls: ssl.SSLContext | None = None) -> Reply:
    """Write the pieces and read one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await read_reply(reader)
    finally:
        writer.close()


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """One answer from a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["Content-Length"]))
    return Reply(int(head[0].split()[1]), headers, body)


def session(context: ssl.SSLContext | None = None) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
    """A client that keeps its connection."""
    connector = aiohttp.TCPConnector(ssl=context if context is not None else True, limit=1)
    return aiohttp.ClientSession(connector=connector)


def trusted(identity: Identity, **settings: Any) -> PeerEntry:  # noqa: ANN401 - whatever the entry takes
    """The partner's entry with the certificate it is known by."""
    return partner(certificate=identity.trust, **settings)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something that has no event of its own is so; TimeoutError where it does not come about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens at the other end of a socket
            await asyncio.sleep(0.002)


def no_path() -> Path:
    """A file that is not there."""
    return Path("/nonexistent/file.pem")
