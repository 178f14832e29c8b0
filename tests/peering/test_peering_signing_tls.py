"""Signed messages over mutual TLS: what is altered, stripped or sent again is refused, and nothing is done."""

import asyncio
import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from multidict import CIMultiDict

from p2pnode.config.node import NodeConfig, PeerFaceSection
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.errors import Refused, Unreadable
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_START,
    GET_CHARGE_DETAIL_RECORDS,
    AnyOperation,
)
from p2pnode.peering.body_signature import check_body, is_signed, sign_body
from p2pnode.peering.http_signatures import Message, SigningKey, VerifyKey, content_digest, sign, signatures_of
from p2pnode.peering.server import PeerFace
from p2pnode.peering.signed_exchange import LABEL, REQUEST, Signed, check_answer, sign_answer, sign_request
from p2pnode.peering.signing import Exchange, Signatures
from p2pnode.peering.table import PeerTableHolder
from p2pnode.pki import Identity
from p2pnode.pki.keys import load_key
from p2pnode.roaming.records import ReceiptRecord
from tests.peering.peering_kit import (
    JSON,
    NODE,
    Notes,
    Pki,
    Reply,
    face_over,
    hold,
    path_of,
    post,
    tls_client,
    tls_settings,
    trusted,
)
from tests.samples import sample, sample_members

PATH = path_of(AUTHORIZE_START)
BODY = sample(AUTHORIZE_START)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The number of points of P-256."""


def second() -> int:
    return int(datetime.now(UTC).timestamp())


KEYS: dict[str, SigningKey] = {}


@pytest.fixture(scope="module", autouse=True)
def keys(pki: Pki) -> None:
    """Read the keys once, and not in the loop."""
    for identity in (pki.node, pki.partner, pki.stranger):
        KEYS[identity.pin] = SigningKey(load_key(identity.key_file))


def key_of(identity: Identity) -> SigningKey:
    return KEYS[identity.pin]


@dataclass
class Scene:
    """A face whose one peer signs, and what it has taken and kept."""

    face: PeerFace
    pki: Pki
    notes: Notes
    kept: list[ReceiptRecord] = field(default_factory=list[ReceiptRecord])

    async def send(self, headers: dict[str, str], body: bytes = BODY, path: str = PATH) -> Reply:
        """A request of the partner, over TLS, with these header fields."""
        tls = tls_client(self.pki.node, self.pki.partner)
        return await post(self.face.port, path, body, tls=tls, headers=JSON | headers)

    def signed(self, path: str = PATH, body: bytes = BODY, *, created: int | None = None) -> Signed:
        """A request as the partner signs it."""
        digest = content_digest(body)
        return sign_request(key_of(self.pki.partner), path, "process-1", digest, created or second())

    async def is_refused(self, headers: dict[str, str], body: bytes = BODY, path: str = PATH) -> str:
        """Assert that the request is refused with 017 and nothing done; the reason."""
        before = len(self.notes.received)
        reply = await self.send(headers, body, path)
        assert (reply.status, reply.code) == (401, "017")
        assert "signature" not in {name.lower() for name in reply.headers}
        assert len(self.notes.received) == before
        return str(reply.members["StatusCode"]["AdditionalInfo"])


def signatures_over(holder: PeerTableHolder, identity: Identity, kept: list[ReceiptRecord]) -> Signatures:
    def keep(record: ReceiptRecord) -> asyncio.Future[None]:
        kept.append(record)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    config = NodeConfig(node=NODE, peer_face=tls_settings(identity))
    return Signatures(holder, config, keep, lambda: datetime.now(UTC))


@asynccontextmanager
async def scene(pki: Pki, entry: PeerEntry, settings: PeerFaceSection | None = None) -> AsyncGenerator[Scene]:
    holder = await hold(entry)
    kept: list[ReceiptRecord] = []
    notes = Notes()
    shown = settings or tls_settings(pki.node)
    async with (
        signatures_over(holder, pki.node, kept) as signatures,
        face_over(holder, notes, settings=shown, signatures=signatures) as face,
    ):
        yield Scene(face, pki, notes, kept)


def requiring(pki: Pki, **settings: Any) -> PeerEntry:  # noqa: ANN401 - whatever the entry takes
    return trusted(pki.partner, signatures="require", **settings)


def signed_over(key: SigningKey, covered: str, message: Message) -> dict[str, str]:
    given, value = sign(key, LABEL, covered, message, second())
    return {"signature-input": given, "signature": value}


def answer_holds(reply: Reply, request: Signed, key: VerifyKey) -> bool:
    fields = {name.lower(): value for name, value in reply.headers.items()}
    message = Message(fields, status=reply.status, request=request.message)
    check_answer(message, signatures_of(fields)[0], key, request)
    return fields["content-digest"] == content_digest(reply.body)


async def test_a_signed_request_gets_a_signed_answer_and_both_are_kept(pki: Pki) -> None:
    async with scene(pki, requiring(pki)) as here:
        for operation in (AUTHORIZE_START, CHARGE_DETAIL_RECORD):
            body, path = sample(operation), path_of(operation)
            request = here.signed(path, body)
            reply = await here.send(dict(request.message.fields), body, path)
            assert (reply.status, reply.body) == (200, sample(operation, "answer"))
            assert answer_holds(reply, request, key_of(pki.node).public)
        assert [record.operation for record in here.kept] == ["AuthorizeStart", "ChargeDetailRecord"]
        assert here.kept[0].request.endswith(b"\r\n\r\n" + BODY)


async def _answered(pki: Pki, operation: AnyOperation, answer: bytes, body: bytes | None = None) -> list[ReceiptRecord]:
    """What is kept of our request to the partner, once it has answered so."""
    kept: list[ReceiptRecord] = []
    body = sample(operation) if body is None else body
    async with signatures_over(await hold(requiring(pki)), pki.node, kept) as ours:
        exchange = await ours.sign_request(requiring(pki), path_of(operation), "process-1", body)
        assert exchange.signed is not None
        fields = {"content-digest": content_digest(answer), "process-id": "process-1"}
        signed = sign_answer(key_of(pki.partner), exchange.signed, 200, fields, second())
        headers = CIMultiDict(signed.message.fields)
        await ours.check_answer(operation, exchange, http=200, headers=headers, body=answer, code="000")
    return kept


async def test_nobody_keeps_an_acknowledgement_of_a_cdr_from_being_a_receipt(pki: Pki) -> None:
    answer = sample(CHARGE_DETAIL_RECORD, "answer").replace(b"{", b'{"PIN": "0", ', 1)
    assert len(await _answered(pki, CHARGE_DETAIL_RECORD, answer)) == 1


@pytest.mark.parametrize("name", ["PIN", "HashedPIN", r"\u0050IN"])
async def test_of_a_message_with_a_pin_no_receipt_is_kept_and_that_is_told(
    pki: Pki, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    driver = {"Identification": {"QRCodeIdentification": {"EvcoID": "DE-DCB-C12345678-X", "a PIN": "1234"}}}
    body = json.dumps({**sample_members(AUTHORIZE_START), **driver}).replace("a PIN", name).encode()
    assert await _answered(pki, AUTHORIZE_START, sample(AUTHORIZE_START, "answer"), body) == []
    assert "no receipt is kept of AuthorizeStart with partner: it holds a PIN" in caplog.text
    assert "1234" not in caplog.text


@pytest.mark.parametrize("told", ["b2688855-7f00-0002-6d8e-0000000000ff", "another"])
async def test_a_receipt_is_found_by_the_session_that_was_asked_for_whatever_the_answer_calls_it(
    pki: Pki, told: str
) -> None:
    asked = "b2688855-7f00-0002-6d8e-000000000001"
    body = json.dumps({**sample_members(AUTHORIZE_START), "SessionID": asked}).encode()
    answer = json.dumps({**json.loads(sample(AUTHORIZE_START, "answer")), "SessionID": told}).encode()
    kept = {record.session_key for record in await _answered(pki, AUTHORIZE_START, answer, body)}
    assert kept == {session_key(asked), session_key(told)} if told.startswith("b") else kept == {session_key(asked)}


async def test_pulls_are_signed_with_their_query_and_not_kept(pki: Pki) -> None:
    path, body = path_of(GET_CHARGE_DETAIL_RECORDS), sample(GET_CHARGE_DETAIL_RECORDS)
    async with scene(pki, requiring(pki)) as here:
        request = here.signed(f"{path}?page=0&size=20", body)
        fields = dict(request.message.fields)
        await here.is_refused(fields, body, f"{path}?page=1&size=20")
        reply = await here.send(fields, body, f"{path}?page=0&size=20")
        assert reply.status == 200
        assert answer_holds(reply, request, key_of(pki.node).public)
        assert here.kept == []


async def test_a_refusal_of_a_signed_request_is_signed_and_not_kept(pki: Pki) -> None:
    body = BODY.replace(b'"OperatorID"', b'"OperatorIDX"')
    async with scene(pki, requiring(pki)) as here:
        request = here.signed(body=body)
        reply = await here.send(dict(request.message.fields), body)
        assert (reply.status, reply.code) == (400, "022")
        assert answer_holds(reply, request, key_of(pki.node).public)
        assert here.kept == []


async def test_a_request_sent_again_is_refused(pki: Pki) -> None:
    async with scene(pki, requiring(pki)) as here:
        fields = dict(here.signed().message.fields)
        assert (await here.send(fields)).status == 200
        assert "sent before" in await here.is_refused(fields)
        raw = signatures_of(fields)[0].value
        s = ORDER - int.from_bytes(raw[32:], "big")
        twisted = serialized(raw[:32] + s.to_bytes(32, "big"))
        assert "sent before" in await here.is_refused(fields | {"signature": twisted})
        assert len(here.kept) == 1


def serialized(value: bytes) -> str:
    return f"{LABEL}=:{b64encode(value).decode()}:"


Alter = Callable[[dict[str, str]], tuple[dict[str, str], bytes, str]]
ALTERED: dict[str, Alter] = {
    "body": lambda fields: (fields, BODY.replace(b"7568290FFF765F", b"7568290FFF765E"), PATH),
    "body and digest": lambda fields: (
        fields | {"content-digest": content_digest(BODY + b" ")},
        BODY + b" ",
        PATH,
    ),
    "path": lambda fields: (fields, BODY, path_of(AUTHORIZE_START, "DE%2AABC")),
    "query": lambda fields: (fields, BODY, f"{PATH}?page=1"),
    "process id": lambda fields: (fields | {"process-id": "process-2"}, BODY, PATH),
    "moment": lambda fields: (
        fields | {"signature-input": fields["signature-input"].replace("created=1", "created=2")},
        BODY,
        PATH,
    ),
    "what is covered": lambda fields: (
        fields | {"signature-input": fields["signature-input"].replace(' "content-digest"', "")},
        BODY,
        PATH,
    ),
    "signature": lambda fields: (fields | {"signature": serialized(bytes(range(64)))}, BODY, PATH),
    "signature too short": lambda fields: (fields | {"signature": serialized(bytes(63))}, BODY, PATH),
    "signature unreadable": lambda fields: (fields | {"signature": "oicp=:=:"}, BODY, PATH),
    "label": lambda fields: (fields | {"signature": fields["signature"].replace("oicp", "other")}, BODY, PATH),
    "input unreadable": lambda fields: (fields | {"signature-input": "((((((((((" * 100}, BODY, PATH),
    "digest unknown": lambda fields: (fields | {"content-digest": "md5=:AAAA:"}, BODY, PATH),
    "compressed": lambda fields: (fields | {"Content-Encoding": "gzip"}, gzip.compress(BODY), PATH),
}


@pytest.mark.parametrize("level", ["send", "require"])
@pytest.mark.parametrize("name", ALTERED)
async def test_an_altered_request_is_refused_also_where_no_signature_is_required(
    name: str, level: str, pki: Pki
) -> None:
    async with scene(pki, trusted(pki.partner, signatures=level)) as here:
        fields, body, path = ALTERED[name](dict(here.signed().message.fields))
        await here.is_refused(fields, body, path)
        assert (here.notes.received, here.kept) == ([], [])


async def test_a_request_without_its_signature_is_refused_where_one_is_required(pki: Pki) -> None:
    async with scene(pki, requiring(pki)) as here:
        fields = dict(here.signed().message.fields)
        for gone in ("signature", "signature-input"):
            assert await here.is_refused({name: value for name, value in fields.items() if name != gone})
        assert "a signature is required" in await here.is_refused({})
        assert here.kept == []


async def test_a_signature_that_covers_too_little_is_refused(pki: Pki) -> None:
    key = key_of(pki.partner)
    async with scene(pki, requiring(pki)) as here:
        for missing in ('"@method" ', '"@path" ', '"content-digest" '):
            message = here.signed().message
            given, value = sign(key, LABEL, REQUEST.replace(missing, ""), message, second())
            assert "does not cover" in await here.is_refused(
                dict(message.fields) | {"signature-input": given, "signature": value}
            )


async def test_a_signature_that_has_expired_is_refused(pki: Pki) -> None:
    key = key_of(pki.partner)
    async with scene(pki, requiring(pki)) as here:
        message = here.signed().message

        def expiring(at: str) -> dict[str, str]:
            return dict(message.fields) | signed_over(key, f"{REQUEST};expires={at}", message)

        assert "seconds ago by our clock" in await here.is_refused(expiring(str(second() - 2)))
        assert "when it expires" in await here.is_refused(expiring("-1"))
        assert (await here.send(expiring(str(second() + 60)))).status == 200


@pytest.mark.parametrize("distance", [-400, 400])
async def test_a_signature_of_another_time_is_refused(distance: int, pki: Pki) -> None:
    async with scene(pki, requiring(pki)) as here:
        fields = dict(here.signed(created=second() + distance).message.fields)
        assert "by our clock" in await here.is_refused(fields)


async def test_a_signature_by_a_strangers_key_is_refused_where_required_else_none(pki: Pki) -> None:
    signed = sign_request(key_of(pki.stranger), PATH, "process-1", content_digest(BODY), second())
    fields = dict(signed.message.fields)
    async with scene(pki, requiring(pki)) as here:
        assert "is no signing key of partner" in await here.is_refused(fields)
    async with scene(pki, trusted(pki.partner, signatures="send")) as here:
        reply = await here.send(fields)
        assert (reply.status, "signature" in reply.headers) == (200, False)
        assert here.kept == []


async def test_a_stranger_who_names_the_partners_key_is_refused(pki: Pki) -> None:
    request = sign_request(key_of(pki.stranger), PATH, "process-1", content_digest(BODY), second())
    fields = dict(request.message.fields)
    fields["signature-input"] = fields["signature-input"].replace(pki.stranger.pin, pki.partner.pin)
    async with scene(pki, trusted(pki.partner, signatures="send")) as here:
        await here.is_refused(fields)


async def test_the_next_key_is_good_beside_the_current_one(pki: Pki) -> None:
    following = key_of(pki.stranger)
    entry = requiring(pki, signing_keys=(b64encode(following.public.spki).decode(),))
    async with scene(pki, entry) as here:
        for key in (key_of(pki.partner), following):
            request = sign_request(key, PATH, "process-1", content_digest(BODY), second())
            assert (await here.send(dict(request.message.fields))).status == 200


async def test_a_peer_that_knows_nothing_of_signatures_is_not_disturbed(pki: Pki) -> None:
    for level in ("off", "send"):
        async with scene(pki, trusted(pki.partner, signatures=level)) as here:
            reply = await here.send({})
            assert (reply.status, reply.body) == (200, sample(AUTHORIZE_START, "answer"))
            assert not {"signature", "signature-input", "content-digest"} & {name.lower() for name in reply.headers}


async def test_where_signatures_are_off_none_is_looked_at(pki: Pki) -> None:
    async with scene(pki, trusted(pki.partner)) as here:
        assert (await here.send({"signature-input": "((((", "signature": "x"})).status == 200
        assert here.kept == []


async def test_a_caller_known_by_its_message_only_has_to_sign_it_too(pki: Pki) -> None:
    body, path = sample(CHARGING_NOTIFICATION_START), path_of(CHARGING_NOTIFICATION_START)
    async with scene(pki, requiring(pki), PeerFaceSection(port=0, tls="off")) as here:
        reply = await post(here.face.port, path, body)
        assert (reply.status, reply.code) == (401, "017")
        request = here.signed(path, body)
        reply = await post(here.face.port, path, body, headers=JSON | dict(request.message.fields))
        assert reply.status == 200
        assert answer_holds(reply, request, key_of(pki.node).public)
    assert len(here.notes.received) == 1


async def test_a_prefix_that_a_proxy_takes_off_belongs_to_the_signed_path(pki: Pki) -> None:
    identity = tls_settings(pki.node)
    holder = await hold(requiring(pki))
    settings = identity.model_copy(update={"proxy_prefix": "/roaming"})
    config = NodeConfig(node=NODE, peer_face=settings)
    notes = Notes()
    async with (
        Signatures(holder, config, _nowhere, lambda: datetime.now(UTC)) as signatures,
        face_over(holder, notes, settings=settings, signatures=signatures) as face,
    ):
        here = Scene(face, pki, notes)
        assert (await here.send(dict(here.signed(f"/roaming{PATH}").message.fields))).status == 200
        await here.is_refused(dict(here.signed(PATH).message.fields))


def _nowhere(record: ReceiptRecord) -> asyncio.Future[None]:
    """A store that fails: nothing may depend on it."""
    del record
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(OSError("no disk"))
    return failed


async def client_side(pki: Pki, level: str) -> tuple[Signatures, Exchange, SigningKey]:
    """What checks the answers of the node, the request it was sent, and the node's key."""
    entry = PeerEntry(name="node", certificate=pki.node.trust, signatures=level)  # type: ignore[arg-type]  # one of the three, as parametrized
    signatures = signatures_over(await hold(entry), pki.partner, [])
    await signatures.reload()
    return signatures, await signatures.sign_request(entry, PATH, "process-1", BODY), key_of(pki.node)


async def checked(signatures: Signatures, exchange: Exchange, answer: Message, body: bytes, code: str = "000") -> None:
    await signatures.check_answer(
        AUTHORIZE_START, exchange, http=answer.status, headers=CIMultiDict(answer.fields), body=body, code=code
    )


@pytest.mark.parametrize("level", ["send", "require"])
async def test_an_answer_that_was_altered_or_belongs_to_another_request_is_not_read(level: str, pki: Pki) -> None:
    signatures, exchange, key = await client_side(pki, level)
    assert exchange.signed is not None
    body = sample(AUTHORIZE_START, "answer")
    fields = {"content-digest": content_digest(body), "process-id": "process-1"}
    good = sign_answer(key, exchange.signed, 200, fields, second()).message
    await checked(signatures, exchange, good, body)
    other = sign_request(key_of(pki.partner), PATH, "process-1", content_digest(BODY), second())
    bad = (
        (good, body + b" "),
        (good._replace(status=201), body),
        (good._replace(fields={**good.fields, "content-digest": content_digest(b"{}")}), b"{}"),
        (good._replace(fields={**good.fields, "process-id": "process-2"}), body),
        (sign_answer(key, other, 200, fields, second()).message, body),
        (sign_answer(key_of(pki.node), exchange.signed, 200, fields, second()).message, body + b" "),
    )
    for answer, told in bad:
        with pytest.raises(Unreadable):
            await checked(signatures, exchange, answer, told)


async def test_an_unsigned_yes_is_not_believed_where_signatures_are_required_but_an_unsigned_no_is(pki: Pki) -> None:
    unsigned = Message({}, status=200)
    signatures, exchange, _ = await client_side(pki, "require")
    with pytest.raises(Unreadable, match="not signed"):
        await checked(signatures, exchange, unsigned, b"{}")
    with pytest.raises(Refused) as refused:
        await checked(signatures, exchange, unsigned, b"{}", "102")
    assert refused.value.peer_code == "102"
    signatures, exchange, _ = await client_side(pki, "send")
    await checked(signatures, exchange, unsigned, b"{}")


async def test_a_peer_of_the_wwcp_dialect_signs_in_its_bodies(pki: Pki) -> None:
    key, ours = key_of(pki.partner), key_of(pki.node).public
    async with scene(pki, requiring(pki, dialect="wwcp")) as here:
        reply = await here.send({}, sign_body(key, BODY))
        assert reply.status == 200
        assert list(reply.members)[-1] == "signature"
        assert check_body([ours], reply.body)
        assert not is_signed(here.notes.received[0].body)
        altered = sign_body(key, BODY).replace(b"7568290FFF765F", b"7568290FFF765E")
        for body in (BODY, altered, sign_body(key_of(pki.stranger), BODY)):
            reply = await here.send({}, body)
            assert (reply.code, len(here.notes.received)) == ("017", 1)
        assert here.kept == []


def test_a_body_signature_is_ecdsa_in_der_over_the_compact_text(pki: Pki) -> None:
    key = load_key(pki.partner.key_file)
    signed = sign_body(SigningKey(key), b'{ "a" : 1.50,\n "b": ["x y", {}] }')
    text, _, rest = signed.rpartition(b',"signature":"')
    assert text == b'{"a":1.50,"b":["x y",{}]'
    key.public_key().verify(b64decode(rest.removesuffix(b'"}')), text + b"}", ec.ECDSA(hashes.SHA256()))


async def test_the_card_shows_the_signing_key(pki: Pki) -> None:
    async with scene(pki, requiring(pki)) as here:
        assert here.face.card is not None
        assert VerifyKey.of(b64decode(str(here.face.card["signing_key"]))).pin == pki.node.pin
