"""Calling peers over TLS: nothing is sent to anyone but the peer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from p2pnode.config import PeerEntry
from p2pnode.oicp.errors import Unreachable
from p2pnode.oicp.operations import AUTHORIZE_START, OPERATIONS, AnyOperation
from p2pnode.peering.client import PeerClient
from p2pnode.pki import Identity, Leaf, create_identity, renew
from tests.peering.peering_kit import NOW, Notes, Pki, face_over, hold, no_path, own_id, partner, tls_settings, trusted
from tests.samples import sample

ROWS = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]


@asynccontextmanager
async def client(identity: Identity, notes: Notes) -> AsyncGenerator[PeerClient]:
    own = PeerClient(notes.outcomes.append, certificate=identity.certificate_file, key=identity.key_file)
    async with own as made:
        yield made


async def ask(caller: PeerClient, peer: PeerEntry, operation: AnyOperation = AUTHORIZE_START) -> int:
    answer = await caller.call(
        peer, operation, sample(operation), caller_id=own_id(operation), process_id="p", deadline=5.0
    )
    return answer.http


def server_at(port: int, host: str = "127.0.0.1", **settings: object) -> PeerEntry:
    return partner(name="server", url=f"https://{host}:{port}/api/oicp", **settings)


@pytest.mark.parametrize("operation", ROWS)
async def test_every_row_is_sent_over_mutual_tls(operation: AnyOperation, pki: Pki, notes: Notes) -> None:
    async with (
        face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face,
        client(pki.partner, Notes()) as caller,
    ):
        assert await ask(caller, server_at(face.port, certificate=pki.node.trust), operation) == 200
    assert notes.received[0].operation is operation


@pytest.mark.parametrize("known_by", ["certificate", "pins", "both", "next pin"])
async def test_a_peer_is_known_by_its_certificate_or_its_pins(known_by: str, pki: Pki, notes: Notes) -> None:
    choices: dict[str, dict[str, Any]] = {
        "certificate": {"certificate": pki.node.trust},
        "pins": {"pins": (pki.node.pin,)},
        "both": {"certificate": pki.node.trust, "pins": (pki.node.pin,)},
        "next pin": {"pins": (pki.stranger.pin, pki.node.pin)},
    }
    settings = choices[known_by]
    async with (
        face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face,
        client(pki.partner, Notes()) as caller,
    ):
        assert await ask(caller, server_at(face.port, **settings)) == 200


@pytest.mark.parametrize("known_by", ["certificate", "pins"])
async def test_nothing_is_sent_to_a_server_with_another_key(known_by: str, pki: Pki, notes: Notes) -> None:
    choices: dict[str, dict[str, Any]] = {
        "certificate": {"certificate": pki.stranger.trust},
        "pins": {"pins": (pki.stranger.pin,)},
    }
    settings = choices[known_by]
    told = Notes()
    async with (
        face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face,
        client(pki.partner, told) as caller,
    ):
        for _ in range(2):
            with pytest.raises(Unreachable, match=r"server: "):
                await ask(caller, server_at(face.port, **settings))
    assert notes.outcomes == []
    assert [(outcome.http, outcome.code) for outcome in told.outcomes] == [(0, "320")] * 2


@pytest.mark.parametrize("known_by", ["certificate", "pins"])
async def test_nothing_is_sent_to_a_server_whose_certificate_has_expired(known_by: str, pki: Pki, notes: Notes) -> None:
    choices: dict[str, dict[str, Any]] = {
        "certificate": {"certificate": pki.expired.trust},
        "pins": {"pins": (pki.expired.pin,)},
    }
    settings = choices[known_by]
    async with (
        face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.expired)) as face,
        client(pki.partner, Notes()) as caller,
    ):
        with pytest.raises(Unreachable, match=r"not trusted here: .*expired|not valid now"):
            await ask(caller, server_at(face.port, **settings))
    assert notes.outcomes == []


@pytest.mark.parametrize(
    ("host", "tls_name", "reached"),
    [
        ("127.0.0.1", None, True),
        ("localhost", None, False),
        ("localhost", "issued.example", True),
        ("127.0.0.1", "elsewhere.example", False),
    ],
)
async def test_a_peer_known_by_its_ca_has_to_have_the_name(
    host: str, tls_name: str | None, pki: Pki, notes: Notes, *, reached: bool
) -> None:
    peer_settings = {"ca": pki.ca.certificate_file, "tls_name": tls_name}
    async with (
        face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.issued)) as face,
        client(pki.partner, Notes()) as caller,
    ):
        if reached:
            assert await ask(caller, server_at(face.port, host, **peer_settings)) == 200
        else:
            with pytest.raises(Unreachable, match=r"is not trusted here: .*mismatch"):
                await ask(caller, server_at(face.port, host, **peer_settings))


async def test_a_peer_that_does_not_take_our_certificate_is_told_apart_in_the_reason(pki: Pki, notes: Notes) -> None:
    async with (
        face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face,
        client(pki.stranger, Notes()) as caller,
    ):
        for _ in range(3):
            with pytest.raises(
                Unreachable, match=r"does not accept our certificate, which it has to know: .*unknown ca"
            ):
                await ask(caller, server_at(face.port, certificate=pki.node.trust))
    assert notes.outcomes == []


async def test_a_server_that_speaks_no_tls_is_unreachable(pki: Pki, notes: Notes) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes) as face, client(pki.partner, Notes()) as caller:
        with pytest.raises(Unreachable, match="perhaps it is a port for plain HTTP"):
            await ask(caller, server_at(face.port, certificate=pki.node.trust))


async def test_certificate_files_that_cannot_be_read_make_a_peer_unreachable(pki: Pki, notes: Notes) -> None:
    async with client(pki.partner, notes) as caller:
        with pytest.raises(Unreachable, match="cannot be read"):
            await ask(caller, server_at(1, certificate=no_path()))
    async with PeerClient(notes.outcomes.append, certificate=no_path(), key=no_path()) as caller:
        with pytest.raises(Unreachable, match="does not exist"):
            await ask(caller, server_at(1, certificate=pki.node.trust))


@pytest.fixture
def own(tmp_path: Path) -> Identity:
    return create_identity(tmp_path, Leaf("own", ("DE*ABC",)), NOW)


async def test_our_renewed_certificate_is_shown_after_a_reload(
    pki: Pki, notes: Notes, own: Identity, tmp_path: Path
) -> None:
    async with (
        face_over(await hold(trusted(own)), notes, settings=tls_settings(pki.node)) as face,
        client(own, Notes()) as caller,
    ):
        peer = server_at(face.port, certificate=pki.node.trust)
        assert await ask(caller, peer) == 200
        await asyncio.to_thread(renew, tmp_path, NOW)
        await caller.reload()
        assert await ask(caller, peer) == 200


async def test_what_is_prepared_is_not_connected_and_not_made_again_by_the_first_call(
    pki: Pki, notes: Notes, tmp_path: Path
) -> None:
    copy = tmp_path / "peer.pem"
    copy.write_bytes(pki.node.trust.read_bytes())
    async with (
        face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face,
        client(pki.partner, Notes()) as caller,
    ):
        unreadable = server_at(face.port, certificate=no_path()).model_copy(update={"name": "unreadable"})
        peer = server_at(face.port, certificate=copy)
        await caller.prepare([unreadable, peer])
        assert not notes.outcomes
        copy.unlink()
        assert await ask(caller, peer) == 200
        await caller.reload()
        with pytest.raises(Unreachable, match="cannot be read"):
            await ask(caller, peer)
