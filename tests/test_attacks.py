"""Who is not who they say, or wants what is another's: refused with a code, nothing stored, one line in the audit."""

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from p2pnode.observe.audit import verify
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    BASE_PATH,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_START,
    GET_CHARGE_DETAIL_RECORDS,
    PULL_EVSE_DATA,
    PUSH_AUTHENTICATION_DATA,
    PUSH_EVSE_DATA,
    PUSH_EVSE_STATUS,
    AnyOperation,
)
from p2pnode.peering.http_signatures import SigningKey, content_digest
from p2pnode.peering.signed_exchange import sign_request
from p2pnode.pki.keys import load_key
from tests.hostile_target import (
    BUSY,
    FOREIGN_EVCO_ID,
    HELD,
    REMOTE,
    RESERVED,
    SECRETS,
    STARTED,
    Target,
    hostile_target,
    of_session,
    remote,
    start,
    succeeds,
    tells_nothing,
)
from tests.peering.peering_kit import JSON, Reply, path_of, read_reply, until
from tests.samples import sample, sample_members

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRESH = "b2688855-7f00-0002-6d8e-0000000000aa"
HANDSHAKE = "handshake"
"""In place of a code: TLS lets nobody through."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    """One node for all of these tests."""
    async with hostile_target(tmp_path_factory.mktemp("attacked")) as found:
        yield found


@dataclass(frozen=True)
class Attack:
    """What is tried, the OICP code it is refused with, and the peer in whose name the line of the audit log is."""

    name: str
    attempt: Callable[[Target], Awaitable[Reply | None]]
    code: str
    peer: str = ""
    http: int = 200


def _as(identity: str) -> Callable[[Target], Awaitable[Reply | None]]:
    """An AuthorizeStart of the partner by somebody with this certificate."""
    return lambda target: target.stranger(identity).post(path_of(AUTHORIZE_START), start(FRESH))


async def _with_a_forged_header(target: Target) -> Reply:
    """No certificate, and the partner's in the headers that proxies use."""
    pem = target.identities["partner"].certificate_file.read_text(encoding="ascii")
    names = ("X-Client-Cert", "X-SSL-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert")
    headers = JSON | dict.fromkeys(names, quote(pem)) | {"X-Forwarded-For": "127.0.0.1"}
    return await target.stranger("none").post(path_of(AUTHORIZE_START), start(FRESH), headers=headers)


async def _over(target: Target, version: str) -> Reply:
    """The partner, by a version of TLS that is not safe any more."""
    context = target.stranger("partner").tls
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1}[version]
    context.set_ciphers("ALL:@SECLEVEL=0")
    reader, writer = await asyncio.open_connection("127.0.0.1", target.partner.port, ssl=context)
    writer.close()
    return await read_reply(reader)


def _hub_stops(target: Target) -> Awaitable[Reply]:
    """A remote stop of the partner's session, under the partner's id, by a hub."""
    stop = of_session(AUTHORIZE_REMOTE_STOP, REMOTE, EvseID=BUSY)
    return target.stranger("hub").post(path_of(AUTHORIZE_REMOTE_STOP), stop)


async def _in_clear(target: Target) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.partner.port)
    body = json.dumps(start(FRESH)).encode()
    head = f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 15)
    writer.close()
    if b"HTTP/" not in answer:
        raise ConnectionError("no HTTP came back")


def _partner(
    operation: AnyOperation, body: dict[str, Any] | bytes, path: str | None = None
) -> Callable[[Target], Awaitable[Reply | None]]:
    """A message of the partner."""
    return lambda target: target.partner.post(path or path_of(operation), body)


def _with(operation: AnyOperation, **members: object) -> dict[str, Any]:
    return {**sample_members(operation), **members}


def _push_of_foreign_evse() -> bytes:
    return sample(PUSH_EVSE_DATA).replace(b"DE*ABC*E", b"DE*XYZ*E")


def _push_of_foreign_contract() -> dict[str, Any]:
    record = {"Identification": {"PlugAndChargeIdentification": {"EvcoID": FOREIGN_EVCO_ID}}}
    data = {"ProviderID": "DE-DCB", "AuthenticationDataRecord": [record]}
    return {"ActionType": "insert", "ProviderAuthenticationData": data}


def _signed(
    harm: Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]],
) -> Callable[[Target], Awaitable[Reply]]:
    """A request that the signing peer has signed, and somebody has had in hands."""

    async def attempt(target: Target) -> Reply:
        headers, body, path = _request_of_signer(target, FRESH)
        headers, body = harm(headers, body)
        return await target.stranger("signer").post(path, body, headers=JSON | headers)

    return attempt


def _request_of_signer(target: Target, session_id: str) -> tuple[dict[str, str], bytes, str]:
    body = json.dumps({**start(session_id), "OperatorID": "DE*SIG", "EvseID": "DE*SIG*E1"}).encode()
    path = BASE_PATH + AUTHORIZE_START.url_path("DE*SIG")
    key = SigningKey(load_key(target.identities["signer"].key_file))
    signed = sign_request(
        key, path, f"process-{session_id[-2:]}", content_digest(body), int(datetime.now(UTC).timestamp())
    )
    return dict(signed.message.fields), body, path


async def _replayed(target: Target) -> Reply:
    """A signed request, taken the first time, again."""
    headers, body, path = _request_of_signer(target, STARTED[:-2] + "f0")
    caller = target.stranger("signer")
    first = await caller.post(path, body, headers=JSON | headers)
    assert (first.status, first.code) == (200, "000")
    return await caller.post(path, body, headers=JSON | headers)


ATTACKS = (
    Attack("no certificate", _as("none"), "017", http=401),
    Attack("a stranger's own certificate", _as("unknown CA"), HANDSHAKE),
    Attack("the right CA and the wrong name", _as("no peer"), "017", http=401),
    Attack("the right name and the wrong CA", _as("unknown CA"), HANDSHAKE),
    Attack("an expired certificate", _as("expired"), HANDSHAKE),
    Attack("a certificate that is not valid yet", _as("not yet valid"), HANDSHAKE),
    Attack("a certificate for servers", _as("for servers only"), HANDSHAKE),
    Attack("a certificate in a header", _with_a_forged_header, "017", http=401),
    Attack("TLS 1.0", lambda target: _over(target, "1.0"), HANDSHAKE),
    Attack("TLS 1.1", lambda target: _over(target, "1.1"), HANDSHAKE),
    Attack("HTTP in clear", _in_clear, HANDSHAKE),
    Attack(
        "another's id in the path",
        _partner(AUTHORIZE_START, start(FRESH), path_of(AUTHORIZE_START, "DE*XYZ")),
        "017",
        "partner",
    ),
    Attack("another's id in the body", _partner(AUTHORIZE_START, start(FRESH, OperatorID="DE*XYZ")), "017", "partner"),
    Attack("our own id in the body", _partner(AUTHORIZE_START, start(FRESH, OperatorID="DE*OWN")), "017", "partner"),
    Attack("another's EvseID in a push", _partner(PUSH_EVSE_DATA, _push_of_foreign_evse()), "018", "partner"),
    Attack(
        "another's EvseID in a push of status",
        _partner(PUSH_EVSE_STATUS, sample(PUSH_EVSE_STATUS).replace(b"DE*ABC*E", b"DE*XYZ*E")),
        "018",
        "partner",
    ),
    Attack(
        "another's EvcoID in a push", _partner(PUSH_AUTHENTICATION_DATA, _push_of_foreign_contract()), "019", "partner"
    ),
    Attack(
        "another's session stopped from afar",
        _partner(AUTHORIZE_REMOTE_STOP, of_session(AUTHORIZE_REMOTE_STOP, RESERVED, EvseID=HELD)),
        "400",
        "partner",
    ),
    Attack(
        "another's session stopped", _partner(AUTHORIZE_STOP, of_session(AUTHORIZE_STOP, RESERVED)), "400", "partner"
    ),
    Attack(
        "another's session taken up from afar",
        _partner(AUTHORIZE_REMOTE_START, remote(BUSY, RESERVED)),
        "400",
        "partner",
    ),
    Attack(
        "a CDR for another's session",
        _partner(CHARGE_DETAIL_RECORD, of_session(CHARGE_DETAIL_RECORD, RESERVED)),
        "400",
        "partner",
    ),
    Attack(
        "a CDR as another operator",
        _partner(
            CHARGE_DETAIL_RECORD, of_session(CHARGE_DETAIL_RECORD, STARTED), path_of(CHARGE_DETAIL_RECORD, "DE*XYZ")
        ),
        "017",
        "partner",
    ),
    Attack(
        "another hub's operator in a CDR",
        _partner(CHARGE_DETAIL_RECORD, of_session(CHARGE_DETAIL_RECORD, STARTED, HubOperatorID="DE*XYZ")),
        "017",
        "partner",
    ),
    Attack("a hub that stops what a direct peer began", _hub_stops, "017", "hub"),
    Attack(
        "a notification as another operator",
        _partner(CHARGING_NOTIFICATION_START, of_session(CHARGING_NOTIFICATION_START, STARTED, OperatorID="DE*XYZ")),
        "017",
        "partner",
    ),
    Attack(
        "a notification about another's session",
        _partner(CHARGING_NOTIFICATION_START, of_session(CHARGING_NOTIFICATION_START, RESERVED)),
        "400",
        "partner",
    ),
    Attack(
        "a pull as another provider",
        _partner(PULL_EVSE_DATA, _with(PULL_EVSE_DATA, ProviderID="DE-XYZ")),
        "017",
        "partner",
    ),
    Attack(
        "the CDRs of another provider",
        _partner(GET_CHARGE_DETAIL_RECORDS, _with(GET_CHARGE_DETAIL_RECORDS, ProviderID="DE-XYZ")),
        "017",
        "partner",
    ),
    Attack("a signature stripped", _signed(lambda _headers, body: ({}, body)), "017", "signer", 401),
    Attack(
        "a signed body altered",
        _signed(lambda headers, body: (headers, body.replace(b"DE*SIG*E1", b"DE*SIG*E2"))),
        "017",
        "signer",
        401,
    ),
    Attack(
        "a signed body altered with its digest",
        _signed(
            lambda headers, body: (
                headers | {"content-digest": content_digest(body.replace(b"DE*SIG*E1", b"DE*SIG*E2"))},
                body.replace(b"DE*SIG*E1", b"DE*SIG*E2"),
            )
        ),
        "017",
        "signer",
        401,
    ),
    Attack(
        "a signed header altered",
        _signed(lambda headers, body: (headers | {"process-id": "another"}, body)),
        "017",
        "signer",
        401,
    ),
    Attack("a signed request replayed", _replayed, "017", "signer", 401),
)


async def _new_lines(target: Target, known: int) -> list[dict[str, Any]]:
    """What has come to the audit log, once something has."""
    await until(lambda: len(target.audited()) > known)
    await asyncio.sleep(0.05)  # a second line would come now
    return target.audited()[known:]


@pytest.mark.parametrize("attack", [pytest.param(attack, id=attack.name) for attack in ATTACKS])
async def test_an_attack_is_refused_changes_nothing_and_leaves_one_line(attack: Attack, target: Target) -> None:
    known, before = len(target.audited()), target.rows()
    if attack.code == HANDSHAKE:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await attack.attempt(target)
    else:
        reply = await attack.attempt(target)
        assert reply is not None
        assert (reply.status, reply.code) == (attack.http, attack.code), reply.body
        tells_nothing(reply)
    (line,) = await _new_lines(target, known)
    if attack.code == HANDSHAKE:
        assert (line["event"], bool(line["reason"])) == ("handshake_refused", True)
    else:
        told = {name: line[name] for name in ("event", "peer", "http", "code", "address")}
        expected = {"event": "refused", "peer": attack.peer, "http": attack.http, "code": attack.code}
        assert told == expected | {"address": "127.0.0.1"}
    if attack.attempt is not _replayed:
        assert target.rows() == before


async def test_what_was_audited_holds_and_names_nobody(target: Target) -> None:
    path = target.process.directory / "audit.jsonl"
    assert verify(path).fault is None
    text = path.read_text(encoding="utf-8")
    assert not any(secret in text for secret in SECRETS)


async def test_a_peer_that_is_taken_out_of_the_table_is_refused_on_its_open_connection(target: Target) -> None:
    entry = target.process.directory / "peers.d" / "partner.toml"
    async with target.partner.conversation() as connection:
        reply = await connection.post(path_of(AUTHORIZE_START), start(STARTED))
        assert (reply.status, reply.code) == (200, "000")
        known, before, kept = len(target.audited()), target.rows(), entry.read_bytes()
        entry.unlink()
        try:
            os.kill(target.process.pid, signal.SIGHUP)
            await _until_told(target, known, "peers")
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                reply = await connection.post(path_of(AUTHORIZE_START), start(FRESH))
                assert (reply.status, reply.code) == (401, "017")
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await connection.post(path_of(AUTHORIZE_START), start(FRESH))
            events = [(line["event"], line.get("removed")) for line in target.audited()[known:]]
            assert events[0] == ("peers", ["partner"])
            after = target.rows()
            assert after | {"delivery": []} == before | {"delivery": []}
            new = set(after["delivery"]) - set(before["delivery"])
            assert {(name, what) for name, what, *_ in new} <= {("hub", PULL_EVSE_DATA.name)}  # asked instead
        finally:
            entry.write_bytes(kept)
            again = len(target.audited())
            os.kill(target.process.pid, signal.SIGHUP)
            await _until_told(target, again, "peers")


async def test_after_all_of_this_the_node_serves(target: Target) -> None:
    await succeeds(target.partner, AUTHORIZE_START, start(STARTED))


async def _until_told(target: Target, known: int, event: str) -> None:
    await until(lambda: event in {line["event"] for line in target.audited()[known:]})
