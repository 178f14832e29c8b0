"""The doctor finds what is wrong on the way to a peer, and changes nothing there."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from p2pnode.config import PeerEntry, PeerTable
from p2pnode.config.node import NodeConfig, NodeSection, PeerFaceSection
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START, AUTHORIZE_START, OPERATIONS, AnyOperation
from p2pnode.peering.doctor import Patient, examine
from p2pnode.peering.finding import Finding
from p2pnode.peering.trust import PeerTrust
from p2pnode.pki import Identity
from tests.peering.peering_kit import Notes, Pki, face_over, hold, tls_settings, trusted


def patient(own: Identity, entry: PeerEntry, **changes: object) -> Patient:
    """The partner as it examines the node; the face of the tests plays the node."""
    face = PeerFaceSection(certificate=own.certificate_file, key=own.key_file)
    node = NodeSection(name="partner", operators=("DE*ABC",), providers=("DE-DCB",))
    members = {"now": datetime.now(UTC), **changes}
    return Patient(
        entry,
        PeerTrust(PeerTable([entry])),
        NodeConfig(node=node, peer_face=face),
        **members,  # type: ignore[arg-type]  # one of several kinds
    )


def entry_at(port: int, known: Identity, **settings: object) -> PeerEntry:
    members = {
        "name": "node",
        "url": f"https://127.0.0.1:{port}/api/oicp",
        "operators": ["DE*OWN"],
        "providers": ["DE-OWN"],
        "certificate": known.trust,
    }
    return PeerEntry.model_validate(members | settings)


async def found(examined: Patient) -> Mapping[str, Finding]:
    return {finding.what: finding async for finding in examine(examined)}


def failures(findings: Mapping[str, Finding]) -> list[str]:
    assert all(finding.remedy for finding in findings.values() if not finding.is_well)
    return [what for what, finding in findings.items() if not finding.is_well]


async def examined(  # noqa: PLR0913 - each is what one test or another varies
    pki: Pki,
    notes: Notes,
    *,
    them: PeerEntry | None = None,
    known: Identity | None = None,
    own: Identity | None = None,
    offered: tuple[AnyOperation, ...] = OPERATIONS,
    now: timedelta = timedelta(),
    **settings: object,
) -> Mapping[str, Finding]:
    holder = await hold(them or trusted(pki.partner))
    async with face_over(holder, notes, settings=tls_settings(pki.node), offered=offered) as face:
        entry = entry_at(face.port, known or pki.node, **settings)
        return await found(await asyncio.to_thread(patient, own or pki.partner, entry, now=datetime.now(UTC) + now))


async def test_a_peer_that_is_well_has_no_failure_and_got_no_message(pki: Pki, notes: Notes) -> None:
    findings = await examined(pki, notes)
    assert failures(findings) == []
    steps = ("name", "TCP", "TLS", "chain", "pin", "validity", "its ids", "clock", "latency", "card", "our ids")
    assert set(findings) == {*steps, *(row.name for row in OPERATIONS if row.name != "PullAuthenticationData")}
    assert findings["TLS"].told == "TLSv1.3"
    assert (notes.received, notes.outcomes) == ([], [])
    assert notes.probes == [("partner", "127.0.0.1")] * len(OPERATIONS)


async def test_only_what_the_card_promises_is_probed(pki: Pki, notes: Notes) -> None:
    findings = await examined(pki, notes, offered=(AUTHORIZE_START, AUTHORIZE_REMOTE_START))
    assert {"AuthorizeStart", "AuthorizeRemoteStart"} <= findings.keys()
    assert "ChargeDetailRecord" not in findings


async def test_another_key_than_the_peers_fails_at_the_pin(pki: Pki, notes: Notes) -> None:
    failed = failures(await examined(pki, notes, known=pki.stranger))
    assert failed == ["chain", "pin", "its ids", "HTTP"]


async def test_a_key_that_the_peer_does_not_know_fails_at_http(pki: Pki, notes: Notes) -> None:
    assert failures(await examined(pki, notes, own=pki.stranger)) == ["HTTP"]


async def test_an_id_that_the_peer_does_not_take_is_named(pki: Pki, notes: Notes) -> None:
    findings = await examined(pki, notes, them=trusted(pki.partner, operators=("DE*XYZ",)))
    assert "refuses our id DE*ABC" in findings["AuthorizeStart"].told
    assert findings["AuthorizeRemoteStart"].is_well


async def test_ids_that_its_card_does_not_name_are_told(pki: Pki, notes: Notes) -> None:
    findings = await examined(pki, notes, operators=["DE*ELS"])
    assert failures(findings) == ["card"]
    assert "DE*ELS" in findings["card"].told


async def test_a_peer_that_takes_any_id_from_us_is_told(pki: Pki, notes: Notes) -> None:
    assert failures(await examined(pki, notes, them=trusted(pki.partner, hub=True))) == ["our ids"]


async def test_clocks_apart_and_a_certificate_that_has_ended_are_told(pki: Pki, notes: Notes) -> None:
    assert failures(await examined(pki, notes, now=timedelta(minutes=10))) == ["clock"]
    assert failures(await examined(pki, notes, now=timedelta(days=398))) == ["validity", "clock"]


async def test_by_a_pin_alone_it_can_be_called_but_not_call(pki: Pki, notes: Notes) -> None:
    assert failures(await examined(pki, notes, certificate=None, pins=[pki.node.pin])) == ["chain"]


@pytest.mark.parametrize(
    ("settings", "failed"),
    [
        ({"url": "https://no-such-host.invalid/api/oicp"}, "name"),
        ({"url": "https://127.0.0.1:1/api/oicp"}, "TCP"),
        ({"url": None}, "entry"),
        ({"enabled": False}, "entry"),
    ],
)
async def test_what_comes_first_on_the_way_fails_first(pki: Pki, settings: dict[str, object], failed: str) -> None:
    entry = entry_at(1, pki.node, **settings)
    assert failures(await found(await asyncio.to_thread(patient, pki.partner, entry)))[-1] == failed


async def test_a_port_for_plain_http_fails_at_tls(pki: Pki, notes: Notes) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes) as face:
        entry = entry_at(face.port, pki.node)
        assert failures(await found(await asyncio.to_thread(patient, pki.partner, entry))) == ["TLS", "HTTP"]


async def _answering(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HTTP server that writes its answer in two pieces."""
    with suppress(asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2 if head.startswith(b"POST") else 0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(body[5:])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"StatusCode": {"Code": "017"}}', "refuses our id"),
        (b"[" * 60000, "HTTP 200, code -"),
        (b"[" * 70000, "its answer is too long"),
    ],
    ids=["in pieces", "nested without end", "too long"],
)
async def test_an_answer_is_read_to_its_end_and_never_ends_the_examination(body: bytes, told: str, pki: Pki) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answering(body, reader, writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/oicp"
        entry = entry_at(1, pki.node, url=url, tls="off", certificate=None)
        examined_peer = await asyncio.to_thread(patient, pki.partner, entry)
        told_of = [finding.told for finding in (await found(examined_peer)).values()]
    assert any(told in text for text in told_of), told_of
