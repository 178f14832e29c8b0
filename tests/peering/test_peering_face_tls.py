"""A face over mutual TLS: who is let in, who is not, and what a change of table or certificate does."""

import asyncio
import ssl
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from p2pnode.config import PeerEntry, PeerTable
from p2pnode.config.node import LimitsSection
from p2pnode.oicp.operations import AUTHORIZE_START, CHARGING_NOTIFICATION_START, OPERATIONS, AnyOperation
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.trust import TrustError
from p2pnode.pki import Identity, Leaf, create_identity, inspect, issue, renew
from p2pnode.pki.certificates import issue_leaf, to_pem
from p2pnode.pki.keys import load_certificates, load_key
from tests.peering.peering_kit import (
    JSON,
    NOW,
    OTHER,
    Notes,
    Pki,
    Reply,
    face_over,
    hold,
    partner,
    path_of,
    post,
    read_reply,
    session,
    tls_client,
    tls_settings,
    trusted,
)
from tests.samples import sample

PATH = path_of(AUTHORIZE_START)
BODY = sample(AUTHORIZE_START)


async def _is_refused(exchange: Awaitable[Reply]) -> None:
    """The handshake fails: as an alert, or, where that comes late, as the end of the connection."""
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await exchange


@pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.name) for operation in OPERATIONS])
async def test_every_row_reaches_its_handler_over_mutual_tls(operation: AnyOperation, pki: Pki, notes: Notes) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        reply = await post(face.port, path_of(operation), sample(operation), tls=tls_client(pki.node, pki.partner))
    assert (reply.status, reply.body) == (200, sample(operation, "answer"))
    assert notes.received[0].operation is operation


async def test_without_a_certificate_the_answer_is_401_and_017(pki: Pki, notes: Notes) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        for path in (PATH, "/nowhere"):
            reply = await post(face.port, path, BODY, tls=tls_client(pki.node, None))
            assert (reply.status, reply.code, reply.headers["Connection"]) == (401, "017", "close")
        card = await post(face.port, "/.well-known/oicp-node", b"", method="GET", tls=tls_client(pki.node, None))
    assert notes.received == []
    assert card.members["pin"] == pki.node.pin
    assert card.members["certificate"] == pki.node.trust.read_text(encoding="ascii")


async def test_an_unknown_certificate_does_not_get_through_the_handshake(pki: Pki, notes: Notes) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        await _is_refused(post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.stranger)))
        await _is_refused(post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.issued)))
    assert notes.outcomes == []


async def test_both_sides_are_told_why_a_certificate_does_not_get_through_the_handshake(
    pki: Pki, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        for _ in range(3):
            with pytest.raises(ssl.SSLError) as told:
                await post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.stranger))
            assert told.value.reason == "TLSV1_ALERT_UNKNOWN_CA"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("a client certificate is refused: self-signed certificate in certificate chain; if it is")


async def test_whoever_fails_a_handshake_and_stays_is_hung_up_on(pki: Pki, notes: Notes) -> None:
    limits = LimitsSection(handshake_seconds=0.3, stop_seconds=0.2)
    async with face_over(
        await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node), limits=limits
    ) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port, ssl=tls_client(pki.node, pki.stranger))
        with pytest.raises(ssl.SSLError):
            await reader.read()
        writer.close()
        raw, plain = await asyncio.open_connection("127.0.0.1", face.port)
        plain.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(5):
            while await raw.read(100):
                pass
        plain.close()


@pytest.mark.parametrize(("mode", "refused"), [(0o644, True), (0o606, True), (0o640, False), (0o400, False)])
async def test_a_key_that_every_user_can_read_is_not_used(
    pki: Pki, notes: Notes, tmp_path: Path, mode: int, *, refused: bool
) -> None:
    key = tmp_path / "own.key"
    key.write_bytes(pki.node.key_file.read_bytes())
    key.chmod(mode)
    face = face_over(await hold(), notes, settings=tls_settings(replace(pki.node, key_file=key)))
    if refused:
        with pytest.raises(TrustError, match=f"chmod 600 {key}"):
            await face.start()
    else:
        await face.start()
        await face.stop()


async def test_an_expired_certificate_does_not_get_through_the_handshake(pki: Pki, notes: Notes) -> None:
    async with face_over(await hold(trusted(pki.expired)), notes, settings=tls_settings(pki.node)) as face:
        await _is_refused(post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.expired)))
    assert notes.outcomes == []


async def test_a_disabled_peer_does_not_get_through_the_handshake(pki: Pki, notes: Notes) -> None:
    holder = await hold(trusted(pki.partner, enabled=False))
    async with face_over(holder, notes, settings=tls_settings(pki.node)) as face:
        await _is_refused(post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.partner)))


async def test_another_peer_may_not_give_the_partners_id(pki: Pki, notes: Notes) -> None:
    other = OTHER.model_copy(update={"certificate": pki.stranger.trust})
    holder = await hold(trusted(pki.partner), other)
    async with face_over(holder, notes, settings=tls_settings(pki.node)) as face:
        tls = tls_client(pki.node, pki.stranger)
        replies = [
            await post(face.port, PATH, BODY, tls=tls),
            await post(face.port, path_of(AUTHORIZE_START, "DE*XYZ"), BODY, tls=tls),
            await post(face.port, path_of(CHARGING_NOTIFICATION_START), sample(CHARGING_NOTIFICATION_START), tls=tls),
        ]
    assert [(reply.status, reply.code) for reply in replies] == [(200, "017")] * 3
    assert notes.received == []
    assert {outcome.peer for outcome in notes.outcomes} == {"other"}


async def test_a_notification_without_an_id_is_its_connections(pki: Pki, notes: Notes) -> None:
    body = sample(CHARGING_NOTIFICATION_START).replace(b'"OperatorID"', b'"Unknown"')
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        tls = tls_client(pki.node, pki.partner)
        assert (await post(face.port, path_of(CHARGING_NOTIFICATION_START), body, tls=tls)).code == "000"
    assert (notes.received[0].peer.name, notes.received[0].caller_id) == ("partner", "")


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 200),
        ({"tls_name": "ISSUED.example"}, 200),
        ({"tls_name": "elsewhere.example"}, 401),
        ({"operators": ("DE*OTHER",), "providers": ()}, 401),
        ({"operators": ("DE*OTHER",), "providers": (), "tls_name": "DE*ABC"}, 200),
    ],
)
async def test_a_certificate_of_the_peers_ca_has_to_name_the_peer(
    settings: dict[str, object], status: int, pki: Pki, notes: Notes
) -> None:
    holder = await hold(partner(ca=pki.ca.certificate_file, **settings))
    async with face_over(holder, notes, settings=tls_settings(pki.node)) as face:
        reply = await post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.issued))
    assert reply.status == status


@pytest.fixture
def own(tmp_path: Path) -> Identity:
    """An identity that only one test has, in `tmp_path`."""
    return create_identity(tmp_path, Leaf("own", ("DE*ABC",)), NOW)


@pytest.fixture
def forged(own: Identity, pki: Pki, tmp_path: Path) -> Identity:
    """A certificate in the partner's name, issued by `own`."""
    authority = replace(
        pki.ca,
        certificate=load_certificates(own.trust)[0],
        key=load_key(own.key_file),
        certificate_file=own.trust,
    )
    return issue(authority, tmp_path / "forged", Leaf("issued.example", ("DE*ABC",)), NOW)


async def test_a_certificate_issued_by_another_peer_is_not_the_peers(
    pki: Pki, notes: Notes, own: Identity, forged: Identity
) -> None:
    """The identity certificate of one peer passes the handshake with whatever it signed, and that is all."""
    other = OTHER.model_copy(update={"certificate": own.trust})
    holder = await hold(partner(ca=pki.ca.certificate_file), other)
    async with face_over(holder, notes, settings=tls_settings(pki.node)) as face:
        reply = await post(face.port, PATH, BODY, tls=tls_client(pki.node, forged))
    assert (reply.status, reply.code) == (401, "017")


async def test_a_renewed_certificate_is_known_without_a_change(
    pki: Pki, notes: Notes, own: Identity, tmp_path: Path
) -> None:
    async with face_over(await hold(trusted(own)), notes, settings=tls_settings(pki.node)) as face:
        assert (await post(face.port, PATH, BODY, tls=tls_client(pki.node, own))).status == 200
        await asyncio.to_thread(renew, tmp_path, NOW)
        assert (await post(face.port, PATH, BODY, tls=tls_client(pki.node, own))).status == 200


def _ending(own: Identity, node: Identity, file: Path) -> ssl.SSLContext:
    """A client with a certificate of `own`, made in `file`, that ends within two seconds."""
    key, issuer = load_key(own.key_file), load_certificates(own.trust)[0]
    began = datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=2)
    file.write_bytes(to_pem(issue_leaf(Leaf("own", days=1), key.public_key(), issuer, key, began), issuer))
    tls = tls_client(node, own)
    tls.load_cert_chain(file, own.key_file)
    return tls


async def test_a_certificate_that_ends_ends_its_open_connection_too(
    pki: Pki, notes: Notes, own: Identity, tmp_path: Path
) -> None:
    tls = await asyncio.to_thread(_ending, own, pki.node, tmp_path / "short.pem")
    async with face_over(await hold(trusted(own)), notes, settings=tls_settings(pki.node)) as face, session(tls) as one:
        statuses: list[int] = []
        for wait in (0.0, 2.1):
            await asyncio.sleep(wait)
            url = f"https://127.0.0.1:{face.port}{PATH}"
            async with one.post(url, data=BODY, headers=JSON) as reply:
                statuses.append(reply.status)
    assert statuses == [200, 401]


async def test_a_peer_holds_no_more_connections_than_are_allowed_to_one(
    pki: Pki, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    other = trusted(pki.stranger, name="other", operators=("DE*XYZ",), providers=("DE-XYZ",))
    peers = await hold(trusted(pki.partner), other)
    limits = LimitsSection(connections=10, connections_of_one_peer=2, stop_seconds=1)
    async with face_over(peers, notes, settings=tls_settings(pki.node), limits=limits) as face:

        async def held(identity: Identity) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", face.port, ssl=tls_client(pki.node, identity))

        open_ones = [await held(pki.partner) for _ in range(2)]
        reader, writer = await held(pki.partner)
        assert await reader.read() == b""
        assert "partner holds 2 open" in caplog.text
        open_ones += [await held(pki.stranger), (reader, writer)]
        reply = await post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.stranger))
        for _, one in open_ones:
            one.close()
    assert (reply.status, reply.code) == (200, "017")


async def test_a_removed_peers_open_connection_is_refused_and_ended(pki: Pki, notes: Notes) -> None:
    holder = await hold(trusted(pki.partner))
    async with (
        face_over(holder, notes, settings=tls_settings(pki.node)) as face,
        session(tls_client(pki.node, pki.partner)) as client,
    ):
        url = f"https://127.0.0.1:{face.port}{PATH}"
        async with client.post(url, data=BODY, headers=JSON) as answer:
            assert answer.status == 200
        await _put(holder, OTHER)
        async with client.post(url, data=BODY, headers=JSON) as answer:
            assert answer.status == 401
            assert (await answer.json())["StatusCode"]["Code"] == "017"
        await _is_refused(post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.partner)))
    assert len(notes.received) == 1


async def test_a_changed_table_leaves_other_connections_open(pki: Pki, notes: Notes) -> None:
    holder = await hold(trusted(pki.partner))
    async with face_over(holder, notes, settings=tls_settings(pki.node)) as face:
        tls = tls_client(pki.node, pki.partner)
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port, ssl=tls)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
        for number in range(3):
            writer.write(head + BODY)
            assert (await read_reply(reader)).status == 200
            await _put(holder, trusted(pki.partner), PeerEntry(name=f"n{number}"))
        writer.close()


async def test_an_added_peer_gets_through_the_next_handshake(pki: Pki, notes: Notes) -> None:
    holder = await hold(OTHER)
    async with face_over(holder, notes, settings=tls_settings(pki.node)) as face:
        tls = tls_client(pki.node, pki.partner)
        await _is_refused(post(face.port, PATH, BODY, tls=tls))
        await _put(holder, OTHER, trusted(pki.partner))
        assert (await post(face.port, PATH, BODY, tls=tls)).status == 200


async def test_our_own_certificate_is_renewed_without_a_restart(
    pki: Pki, notes: Notes, own: Identity, tmp_path: Path
) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(own)) as face:
        before = await _shown(face.port, pki, own)
        await asyncio.to_thread(renew, tmp_path, NOW)
        await face.reload()
        after = await _shown(face.port, pki, own)
    assert before[0] != after[0]
    assert before[1] == after[1] == own.pin


async def _shown(port: int, pki: Pki, server: Identity) -> tuple[str, str]:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls_client(server, pki.partner))
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    (info,) = inspect(der)
    return info.serial, info.pin


async def test_a_certificate_that_cannot_be_read_changes_nothing(
    pki: Pki, notes: Notes, own: Identity, tmp_path: Path
) -> None:
    holder = await hold(trusted(pki.partner))
    async with face_over(holder, notes, settings=tls_settings(own)) as face:
        await asyncio.to_thread(own.certificate_file.write_bytes, b"nothing")
        with pytest.raises(TrustError, match=r"node\.pem"):
            await face.reload()
        with pytest.raises(TrustError, match=r"peer 'x'.*cannot be read"):
            await _put(holder, PeerEntry(name="x", certificate=tmp_path / "missing.pem"))
        assert (await post(face.port, PATH, BODY, tls=tls_client(own, pki.partner))).status == 200
    assert [peer.name for peer in holder.current().peers] == ["partner"]


async def test_a_session_is_not_resumed(pki: Pki, notes: Notes) -> None:
    """A resumed session would bring back a certificate that has expired or lost its trust since."""
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            tls = tls_client(pki.node, pki.partner)
            tls.maximum_version = tls.minimum_version = version
            reader, writer = await asyncio.open_connection("127.0.0.1", face.port, ssl=tls)
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
            writer.write(head + BODY)
            await read_reply(reader)
            resumable = writer.get_extra_info("ssl_object").session
            assert resumable is None or not resumable.has_ticket
            writer.close()


async def test_old_tls_is_not_spoken(pki: Pki, notes: Notes) -> None:
    tls = tls_client(pki.node, pki.partner)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        tls.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        await _is_refused(post(face.port, PATH, BODY, tls=tls))


async def test_a_handshake_that_never_ends_is_given_up(pki: Pki, notes: Notes) -> None:
    face = face_over(await hold(), notes, settings=tls_settings(pki.node))
    face.parts = replace(face.parts, limits=face.parts.limits.model_copy(update={"handshake_seconds": 0.05}))
    async with face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def _put(holder: PeerTableHolder, *peers: PeerEntry) -> None:
    await holder.replace(PeerTable(peers))
