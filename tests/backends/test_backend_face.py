"""The backend face takes what our backend would send to Hubject, from nobody else, and answers as Hubject would."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from p2pnode.backends.face import BackendFace, passed_on
from p2pnode.config.backend import BackendFaceSection
from p2pnode.config.node import LimitsSection, NodeSection
from p2pnode.oicp.errors import NoAnswer, OicpError, ProtocolError, Unreachable
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_START,
    OPERATIONS,
    PULL_EVSE_DATA,
    AnyOperation,
    Role,
)
from p2pnode.oicp.status import Code
from p2pnode.peering.face import FaceParts
from p2pnode.peering.trust import TrustError
from p2pnode.pki import Identity, Leaf, create_ca, create_identity, issue
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.records import CallOutcome, PageRequest, Verb
from tests.drop_in_stage import OPERATOR, PROVIDER, TOKEN, own_path
from tests.plain_backend import Answer
from tests.samples import sample

NODE = NodeSection(name="node", operators=("DE*XYZ", OPERATOR, "+49*810"), providers=("DE-XYZ", PROVIDER))
ROWS = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]
NOW = datetime.now(UTC)


class World:
    """Everybody else: notes what goes out, and answers with the operation's sample."""

    def __init__(self) -> None:
        self.sent: list[Outgoing[Any]] = []
        self.outcomes: list[CallOutcome] = []

    async def deliver(self, outgoing: Outgoing[Any]) -> bytes:
        self.sent.append(outgoing)
        return sample(outgoing.operation, "answer")


def _face(
    world: World,
    settings: BackendFaceSection | None = None,
    deliver: Callable[[Outgoing[Any]], Awaitable[bytes]] | None = None,
    limits: LimitsSection | None = None,
) -> BackendFace:
    parts = FaceParts(
        receive=passed_on(deliver or world.deliver),
        offered=OPERATIONS,
        on_call=world.outcomes.append,
        limits=limits or LimitsSection(stop_seconds=1),
        grace=5.0,
    )
    return BackendFace(settings or BackendFaceSection(port=0), NODE, parts)


async def _post(
    face: BackendFace, path: str, body: bytes, tls: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
) -> Answer:
    connector = aiohttp.TCPConnector(ssl=tls if tls is not None else True)
    given = {"Content-Type": "application/json", **(headers or {})}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"{face.url}{path}", data=body, headers=given) as response,
    ):
        return Answer(response.status, await response.read(), response.headers["Process-ID"])


@pytest.mark.parametrize("operation", ROWS)
async def test_every_operation_goes_out_with_the_bytes_that_came(operation: AnyOperation) -> None:
    world = World()
    query = "?page=3&size=7" if operation.paged else ""
    async with _face(world) as face:
        answer = await _post(face, own_path(operation) + query, sample(operation))
    assert (answer.status, answer.body) == (200, sample(operation, "answer"))
    (sent,) = world.sent
    assert (sent.operation, sent.body, sent.process_id) == (operation, sample(operation), answer.process_id)
    assert sent.caller_id == (OPERATOR if operation.caller is Role.CPO else PROVIDER)
    assert sent.page == (PageRequest(3, 7) if operation.paged else PageRequest())
    assert bool(sent.records) is bool(operation.records)
    assert sent.to is None
    (outcome,) = world.outcomes
    assert (outcome.verb, outcome.peer, outcome.code) == (Verb.RECEIVE, "backend", "000")


@pytest.mark.parametrize(
    ("in_path", "in_body", "code"),
    [
        ("DE*ABC", "DE*ABC", "000"),
        ("DEABC", "de*abc", "000"),
        ("DE%2AABC", "DE*ABC", "000"),
        ("+49*810", "+49*810", "000"),
        ("%2B49*810", "+49*810", "000"),
        ("DE*XYZ", "DE*ABC", "000"),
        ("DE*QQQ", "DE*ABC", "017"),
        ("DE*ABC", "DE*QQQ", "017"),
        ("+49*811", "+49*811", "017"),
    ],
)
async def test_each_of_our_ids_in_any_spelling_is_ours_and_no_other(in_path: str, in_body: str, code: str) -> None:
    world = World()
    members = json.loads(sample(AUTHORIZE_START)) | {"OperatorID": in_body}
    async with _face(world) as face:
        answer = await _post(face, AUTHORIZE_START.url_path(in_path), json.dumps(members).encode())
    assert (answer.status, answer.code) == (200, code)
    assert len(world.sent) == (1 if code == "000" else 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unreachable("partner", "nobody listens"), "320"),
        (NoAnswer("partner", "no answer within 60 seconds"), "310"),
        (ProtocolError(Code.PARTNER_NOT_FOUND, "no peer is responsible"), "300"),
        (ProtocolError(Code.NO_VALID_CONTRACT, "not allowed"), "210"),
    ],
)
async def test_a_partner_that_cannot_be_asked_is_answered_with_the_hubs_code(error: OicpError, code: str) -> None:
    async def fail(outgoing: Outgoing[Any]) -> bytes:
        del outgoing
        raise error

    async with _face(World(), deliver=fail) as face:
        answer = await _post(face, own_path(AUTHORIZE_REMOTE_START), sample(AUTHORIZE_REMOTE_START))
    assert (answer.status, answer.code, answer.members["Result"]) == (200, code, False)


async def test_an_outcome_that_comes_just_after_the_limit_is_told() -> None:
    world = World()

    async def late(outgoing: Outgoing[Any]) -> bytes:
        await asyncio.sleep(0.05)
        return await world.deliver(outgoing)

    async with _face(world, deliver=late, limits=LimitsSection(stop_seconds=1, answer_seconds=0.01)) as face:
        answer = await _post(face, own_path(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert answer.code == "000"


@pytest.mark.parametrize("shown", [None, "Bearer a-wrong-token-of-some-length", TOKEN, f"Basic {TOKEN}", "Bearer \xff"])
async def test_without_the_token_nobody_is_our_party(shown: str | None) -> None:
    world = World()
    headers = {"Authorization": shown} if shown else {}
    async with _face(world, BackendFaceSection(port=0, token=TOKEN)) as face:
        answer = await _post(face, own_path(AUTHORIZE_START), sample(AUTHORIZE_START), headers=headers)
        assert (answer.status, answer.code, world.sent) == (401, "017", [])
        answer = await _post(
            face, own_path(AUTHORIZE_START), sample(AUTHORIZE_START), headers={"Authorization": f"Bearer {TOKEN}"}
        )
    assert (answer.status, answer.code) == (200, "000")


async def test_a_page_in_a_browser_is_not_our_party() -> None:
    world = World()
    async with _face(world) as face:
        path, body = own_path(AUTHORIZE_REMOTE_START), sample(AUTHORIZE_REMOTE_START)
        answer = await _post(face, path, body, headers={"Origin": "https://elsewhere.example"})
    assert (answer.status, answer.code, world.sent) == (401, "017", [])


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    root = tmp_path_factory.mktemp("pki")
    ca = create_ca(root / "ca", "test CA", NOW)
    hosts = ("127.0.0.1",)
    return {
        "node": issue(ca, root / "node", Leaf("node", hosts=hosts), NOW),
        "csms": issue(ca, root / "csms", Leaf("csms", hosts=hosts), NOW),
        "stranger": create_identity(root / "stranger", Leaf("stranger", hosts=hosts), NOW),
    }


def _section(identity: Identity, ca: Path | None) -> BackendFaceSection:
    return BackendFaceSection(port=0, certificate=identity.certificate_file, key=identity.key_file, client_ca=ca)


def _client(server: Identity, own: Identity | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(server.trust))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if own is not None:
        context.load_cert_chain(own.certificate_file, own.key_file)
    return context


async def test_where_certificates_are_asked_for_only_one_of_the_ca_is_our_party(pki: dict[str, Identity]) -> None:
    world = World()
    path, body = own_path(PULL_EVSE_DATA), sample(PULL_EVSE_DATA)
    async with _face(world, _section(pki["node"], pki["node"].trust)) as face:
        assert face.url.startswith("https://127.0.0.1:")
        bare = await _post(face, path, body, _client(pki["node"]))
        assert (bare.status, bare.code) == (401, "017")
        with pytest.raises(aiohttp.ClientError):
            await _post(face, path, body, _client(pki["node"], pki["stranger"]))
        assert world.sent == []
        answer = await _post(face, path, body, _client(pki["node"], pki["csms"]))
    assert (answer.status, len(world.sent)) == (200, 1)


async def test_a_changed_certificate_is_shown_after_a_reload(pki: dict[str, Identity], tmp_path: Path) -> None:
    certificate, key = tmp_path / "face.pem", tmp_path / "face.key"

    def put(identity: Identity) -> None:
        certificate.write_bytes(identity.certificate_file.read_bytes())
        key.touch(0o600)
        key.write_bytes(identity.key_file.read_bytes())

    put(pki["node"])
    path, body = own_path(AUTHORIZE_START), sample(AUTHORIZE_START)
    async with _face(World(), BackendFaceSection(port=0, certificate=certificate, key=key)) as face:
        put(pki["stranger"])
        assert (await _post(face, path, body, _client(pki["node"]))).status == 200
        await face.reload()
        assert (await _post(face, path, body, _client(pki["stranger"]))).status == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await _post(face, path, body, _client(pki["node"]))


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(
    pki: dict[str, Identity], tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(TrustError, match=r"ca\.pem"):
        await _face(World(), _section(pki["node"], tmp_path / "ca.pem")).start()
