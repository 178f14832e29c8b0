"""A stranger may ask to be a peer, and no more than ask."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from p2pnode.config import PeerEntry, load_peers, save_peer
from p2pnode.config.node import NodeConfig, PeerFaceSection
from p2pnode.observe.logs import NodeLog
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.operations import AUTHORIZE_START, OPERATIONS
from p2pnode.peering.admission import PENDING_FILE, Admission, NotAccepted
from p2pnode.peering.card import CARD_PATH, PAIRING_PATH, CardError, node_card, read_card
from p2pnode.peering.discovery import require_issued
from p2pnode.peering.meeting import NotMet, ask, meet
from p2pnode.peering.pairing import REQUEST_LIMIT, make_request
from p2pnode.peering.parts import NodeParts
from p2pnode.peering.pending import MOST, MOST_OF_ONE, PER_MINUTE, PER_MINUTE_OF_ONE, Pending, Source
from p2pnode.peering.server import PeerFace
from p2pnode.peering.signing import read_key
from p2pnode.peering.table import PeerTableHolder
from p2pnode.pki import Identity, Leaf, create_identity, issue, load_key, prepare_key
from tests.peering.peering_kit import (
    NODE,
    NOW,
    Notes,
    Pki,
    Reply,
    face_over,
    hold,
    path_of,
    post,
    tls_client,
    tls_settings,
)
from tests.samples import sample


@dataclass
class House:
    """A node that strangers ask, its directory, and its clock."""

    face: PeerFace
    admission: Admission
    holder: PeerTableHolder
    directory: Path
    told: list[Pending]
    now: datetime

    async def asked(self, identity: Identity, **changes: Any) -> Reply:  # noqa: ANN401 - members of a card
        """The answer to a well-made request of this identity."""
        return await self.posted(await self.request(identity, **changes))

    async def request(self, identity: Identity, **changes: Any) -> Mapping[str, str]:  # noqa: ANN401 - members of a card
        """A well-made request of this identity, its card changed before it is signed."""
        pin = str((self.face.card or {})["pin"])
        key = await asyncio.to_thread(load_key, identity.key_file)
        return make_request(await card_of(identity) | changes, pin, self.now, key)

    async def posted(self, body: Mapping[str, str] | bytes) -> Reply:
        """The answer to any request."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await post(self.face.port, PAIRING_PATH, content, tls=self.tls)

    async def accept(self, key: str, name: str) -> PeerEntry:
        """Accept whoever is pending with this key as it is shown now."""
        shown = self.admission.pending.get(key)
        assert shown is not None
        return await self.admission.accept(key, name, shown.digest)

    tls: Any = None


async def card_of(identity: Identity) -> dict[str, Any]:
    config = NodeConfig.model_validate(
        {
            "node": {"name": "stranger", "operators": ["DE*NEW"]},
            "peer_face": {"certificate": identity.certificate_file, "key": identity.key_file},
        }
    )
    return dict(await asyncio.to_thread(node_card, config, OPERATIONS))


def next_of(identity: Identity, pin: str) -> dict[str, str]:
    """The members of a card by which its key says that another follows it."""
    signature = read_key(identity.key_file).sign(f"p2pnode next key 1\n{pin}".encode())
    return {"next_pin": pin, "next_signature": base64.b64encode(signature).decode()}


@pytest.fixture
async def house(pki: Pki, notes: Notes, tmp_path: Path) -> AsyncIterator[House]:
    holder, told = await hold(), list[Pending]()
    settings = tls_settings(pki.node)
    config = NodeConfig(node=NODE, peer_face=settings)
    made: list[House] = []

    async def reload() -> None:
        await holder.replace(await asyncio.to_thread(load_peers, tmp_path))

    parts = NodeParts(config, tmp_path, holder, NodeLog(config.log, "node").logger, lambda: made[0].now)
    admission = Admission(parts, reload, told.append, lambda: pki.node.pin)
    face = face_over(holder, notes, settings=settings)
    face.pairing = admission
    async with face:
        tls = await asyncio.to_thread(tls_client, pki.node, None)
        made.append(House(face, admission, holder, tmp_path, told, datetime.now().astimezone(), tls))
        yield made[0]


def entered(house: House) -> tuple[PeerEntry, ...]:
    return load_peers(house.directory).peers


async def test_who_asks_is_pending_without_any_effect_until_accepted(house: House, pki: Pki, notes: Notes) -> None:
    assert (await house.asked(pki.stranger)).members == {"state": "pending"}
    assert (await house.asked(pki.stranger)).status == 202
    (one,) = house.admission.pending.all()
    assert (one.name, one.pin, one.operators) == ("stranger", pki.stranger.pin, ("DE*NEW",))
    assert [pending.key for pending in house.told] == [one.key]
    assert house.holder.current().peers == ()
    with pytest.raises((OSError, EOFError)):
        await post(
            house.face.port,
            path_of(AUTHORIZE_START),
            b"{}",
            tls=await asyncio.to_thread(tls_client, pki.node, pki.stranger),
        )
    await house.accept(one.key, "newcomer")
    assert house.admission.pending.all() == ()
    tls = await asyncio.to_thread(tls_client, pki.node, pki.stranger)
    body = sample(AUTHORIZE_START).replace(b"DE*ABC", b"DE*NEW")
    assert (await post(house.face.port, path_of(AUTHORIZE_START, "DE*NEW"), body, tls=tls)).status == 200
    assert [received.peer.name for received in notes.received] == ["newcomer"]
    assert (await house.asked(pki.stranger)).members == {"state": "accepted"}


async def test_a_request_counts_only_with_its_own_key_for_this_node_and_now(house: House, pki: Pki) -> None:
    key, other = [await asyncio.to_thread(load_key, one.key_file) for one in (pki.stranger, pki.partner)]
    card, others = await card_of(pki.stranger), await card_of(pki.partner)
    later = timedelta(minutes=6)

    def good(at: datetime) -> dict[str, str]:
        return dict(make_request(card, pki.node.pin, at, key))

    bad: dict[str, tuple[int, Callable[[datetime], Mapping[str, str] | bytes]]] = {
        "another's card": (401, lambda at: make_request(others, pki.node.pin, at, key)),
        "another's key": (401, lambda at: make_request(card, pki.node.pin, at, other)),
        "altered": (401, lambda at: {**good(at), "request": good(at)["request"].replace("DE*NEW", "DE*BAD")}),
        "for another node": (400, lambda at: make_request(card, pki.partner.pin, at, key)),
        "too old": (400, lambda at: good(at - later)),
        "of the future": (400, lambda at: good(at + later)),
        "no object": (400, lambda _: b"[]"),
        "not JSON": (400, lambda _: b"\xff{"),
        "no signature": (400, lambda at: {"request": good(at)["request"]}),
        "not Base64": (400, lambda at: {**good(at), "signature": "%%"}),
        "no card": (400, lambda at: {**good(at), "request": "{}"}),
        "a surrogate": (400, lambda _: b'{"request":"\\ud800","signature":"QUFB"}'),
        "too large": (413, lambda _: b" " * (REQUEST_LIMIT + 1)),
    }
    for what, (status, make) in bad.items():
        house.now += timedelta(minutes=1, seconds=1)
        assert (what, (await house.posted(make(house.now))).status) == (what, status)
    assert house.admission.pending.all() == ()
    house.now += timedelta(minutes=2)
    assert (await house.posted(good(house.now))).status == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "\x1b[2J"},
        {"operators": ["DE*NEW\n"]},
        {"operators": ["DE*NEW"] * 65},
        {"url": "https://x.example/\x1b"},
        {"url": "file:///etc/passwd"},
        {"certificate": "x" * 40000},
        {"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {"pin": "sha256:" + "0" * 64},
    ],
)
async def test_a_card_that_would_be_trouble_is_refused(house: House, pki: Pki, changes: dict[str, Any]) -> None:
    assert (await house.asked(pki.stranger, **changes)).status == 400
    assert house.admission.pending.all() == ()


async def test_strangers_cannot_fill_memory_or_keep_the_node_busy(house: House) -> None:
    statuses = [(await house.posted(b"{}")).status for _ in range(PER_MINUTE_OF_ONE + 3)]
    assert statuses == [400] * PER_MINUTE_OF_ONE + [429] * 3
    house.now += timedelta(minutes=2)
    pending = house.admission.pending
    one = Pending.model_validate({"key": "k", "source": "request", "name": "n", "at": house.now})
    for number in range(MOST * 2):
        house.now += timedelta(seconds=2)
        pending.ask(one.model_copy(update={"key": str(number), "address": str(number), "at": house.now}))
    assert len(pending.all()) == MOST
    for number in range(5000):
        pending.admit(str(number))
    assert pending.addresses <= 256
    house.now += timedelta(days=8)
    assert pending.all() == ()


async def test_one_network_does_not_close_pairing_to_others(house: House) -> None:
    pending = house.admission.pending
    one = Pending.model_validate({"key": "k", "source": "request", "name": "n", "at": house.now})

    def ask(number: int, address: str) -> None:
        house.now += timedelta(seconds=2)
        pending.ask(one.model_copy(update={"key": f"k{number}", "address": address, "at": house.now}))

    for number in range(MOST_OF_ONE):
        ask(number, f"2001:db8::{number}")
    with pytest.raises(ProtocolError, match="Too many are waiting"):
        ask(MOST, "2001:db8::ffff")
    for number in range(MOST_OF_ONE, MOST + 1):
        ask(number, f"192.0.2.{number}")
    kept = {pending.key for pending in pending.all()}
    assert (len(kept), "k0" in kept, "k1" in kept, f"k{MOST}" in kept) == (MOST, False, True, True)
    for number in range(PER_MINUTE_OF_ONE):
        pending.admit(f"2001:db8:1::{number}")
    with pytest.raises(ProtocolError, match="ask again in a minute"):
        pending.admit("2001:db8:1::ffff")
    for number in range(PER_MINUTE * 2):
        pending.admit(f"198.51.100.{number}")  # what proves nothing is counted where it comes from only


async def test_proven_requests_are_counted_wherever_they_come_from(house: House) -> None:
    one = Pending.model_validate({"key": "k", "source": "request", "name": "n", "at": house.now})
    for _ in range(PER_MINUTE):
        house.admission.pending.ask(one)
    with pytest.raises(ProtocolError, match="ask again in a minute"):
        house.admission.pending.ask(one)


async def test_a_stranger_does_not_take_the_place_of_a_peer_or_the_ids_of_the_node(house: House, pki: Pki) -> None:
    known = PeerEntry(name="stranger", operators=("DE*OLD",), pins=(pki.partner.pin,), send=("AuthorizeStart",))
    await asyncio.to_thread(save_peer, house.directory, known)
    await house.asked(pki.stranger)
    with pytest.raises(NotAccepted, match="has another key"):
        await house.accept(pki.stranger.pin, "stranger")
    with pytest.raises(NotAccepted, match="name"):
        await house.accept(pki.stranger.pin, "../../etc/x")
    await house.asked(pki.stranger, operators=["de*own"])
    with pytest.raises(NotAccepted, match=r"de\*own, which is an id of this node"):
        await house.accept(pki.stranger.pin, "newcomer")
    await house.asked(pki.stranger, operators=["DE*OLD"])
    with pytest.raises(NotAccepted, match="both claim"):
        await house.accept(pki.stranger.pin, "newcomer")
    await house.admission.reject(pki.stranger.pin)
    assert house.admission.pending.all() == ()
    assert await asyncio.to_thread(entered, house) == (known,)


async def test_a_card_does_not_take_the_key_of_another_along(house: House, pki: Pki) -> None:
    own, others = [await asyncio.to_thread(identity.trust.read_text) for identity in (pki.stranger, pki.partner)]
    refused = await house.asked(pki.stranger, certificate=own + others)
    assert (refused.status, house.admission.pending.all()) == (400, ())
    known = PeerEntry(name="partner", certificate=pki.partner.trust)
    await asyncio.to_thread(save_peer, house.directory, known)
    follows = await asyncio.to_thread(next_of, pki.stranger, pki.partner.pin)
    assert (await house.asked(pki.stranger, certificate=own + others, **follows)).status == 202
    with pytest.raises(NotAccepted, match="is that of peer 'partner'"):
        await house.accept(pki.stranger.pin, "stranger")
    assert await asyncio.to_thread(entered, house) == (known,)


async def test_a_next_key_proves_nothing_so_nobody_takes_a_peers_entry_with_it(house: House, pki: Pki) -> None:
    known = PeerEntry(name="stranger", operators=("DE*OLD",), pins=(pki.partner.pin,))
    await asyncio.to_thread(save_peer, house.directory, known)
    assert (
        await house.asked(pki.stranger, **await asyncio.to_thread(next_of, pki.stranger, pki.partner.pin))
    ).status == 202
    with pytest.raises(NotAccepted, match="has another key"):
        await house.accept(pki.stranger.pin, "stranger")
    assert await asyncio.to_thread(entered, house) == (known,)


async def test_a_next_key_is_taken_only_where_the_current_one_has_signed_it(house: House, pki: Pki) -> None:
    by_other = await asyncio.to_thread(next_of, pki.partner, pki.issued.pin)
    for unsigned in ({"next_pin": pki.issued.pin}, by_other):
        assert (await house.asked(pki.stranger, **unsigned)).status == 400
    made = await asyncio.to_thread(create_identity, house.directory / "pki", Leaf("stranger", ("DE*NEW",)), house.now)
    following = await asyncio.to_thread(prepare_key, house.directory / "pki", house.now)
    card = await card_of(made)
    assert read_card(card).entry("stranger", None).pins == (made.pin, following)
    with pytest.raises(CardError, match="not signed by the one it has"):
        read_card(card | {"next_signature": "A" * 86 + "=="})


async def test_what_nobody_confirms_changes_no_peer(house: House, pki: Pki) -> None:
    known = PeerEntry(name="stranger", operators=("DE*OLD",), pins=(pki.stranger.pin,))
    await asyncio.to_thread(save_peer, house.directory, known)
    with pytest.raises(NotAccepted, match="there is a peer 'stranger' already"):
        await house.admission.enter(read_card(await card_of(pki.stranger)), "stranger", None)
    assert await asyncio.to_thread(entered, house) == (known,)


async def test_what_is_entered_is_the_card_that_was_shown(house: House, pki: Pki) -> None:
    await house.asked(pki.stranger)
    (shown,) = house.admission.pending.all()
    assert Pending.model_validate_json(shown.model_dump_json()).digest == shown.digest
    await house.asked(pki.stranger, operators=["DE*NEW", "DE*BIG"])
    with pytest.raises(NotAccepted, match="not the one that was shown"):
        await house.admission.accept(shown.key, "newcomer", shown.digest)
    await house.asked(pki.stranger)
    await house.admission.accept(shown.key, "newcomer", shown.digest)
    assert [entry.operators for entry in await asyncio.to_thread(entered, house)] == [("DE*NEW",)]


async def test_a_node_with_a_certificate_of_a_ca_is_known_through_its_renewals(
    house: House, pki: Pki, tmp_path: Path
) -> None:
    keys = tmp_path / "pki"
    issued = await asyncio.to_thread(issue, pki.ca, keys, Leaf("new", ("DE*NEW",)), house.now)
    await house.asked(issued)
    await house.accept(issued.pin, "newcomer")
    again = await asyncio.to_thread(issue, pki.ca, keys, Leaf("new", ("DE*NEW",)), house.now)
    body = sample(AUTHORIZE_START).replace(b"DE*ABC", b"DE*NEW")
    tls = await asyncio.to_thread(tls_client, pki.node, again)
    assert (await post(house.face.port, path_of(AUTHORIZE_START, "DE*NEW"), body, tls=tls)).status == 200
    other = await asyncio.to_thread(tls_client, pki.node, pki.issued)
    assert (await post(house.face.port, path_of(AUTHORIZE_START, "DE*NEW"), body, tls=other)).status == 401


async def test_a_peer_that_is_met_again_keeps_what_was_agreed_with_it(house: House, pki: Pki) -> None:
    known = PeerEntry(name="stranger", operators=("DE*OLD",), pins=(pki.stranger.pin,), send=("AuthorizeStart",))
    await asyncio.to_thread(save_peer, house.directory, known)
    await house.asked(pki.stranger)
    await house.accept(pki.stranger.pin, "stranger")
    (renewed,) = await asyncio.to_thread(entered, house)
    assert (renewed.operators, renewed.send) == (("DE*NEW",), ("AuthorizeStart",))


async def test_who_is_pending_survives_a_restart_in_a_file_for_its_owner(house: House, pki: Pki) -> None:
    await house.asked(pki.stranger)
    file = house.directory / PENDING_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    before = house.admission.pending.all()
    house.admission.pending.discard([pki.stranger.pin])
    await house.admission.load()
    assert house.admission.pending.all() == before
    await asyncio.to_thread(file.write_bytes, b"{broken")
    await house.admission.load()


async def test_a_node_is_met_and_asked_over_the_network(house: House, pki: Pki) -> None:
    met = await meet(f"127.0.0.1:{house.face.port}")
    assert (met.card.pin, met.url) == (pki.node.pin, f"https://127.0.0.1:{house.face.port}/api/oicp")
    assert await ask(met, await house.request(pki.stranger)) == "pending"
    with pytest.raises(NotMet, match="HTTP 400"):
        await ask(met, {"request": "{}", "signature": ""})
    for wrong in ("http://127.0.0.1:1", "https://", "127.0.0.1:0", "https://127.0.0.1:1"):
        with pytest.raises(NotMet):
            await meet(wrong)


async def test_a_card_of_another_key_than_the_connections_is_not_met(house: House, pki: Pki) -> None:
    house.face.card = await card_of(pki.stranger)
    with pytest.raises(NotMet, match="its card names another"):
        await meet(f"127.0.0.1:{house.face.port}")
    reply = await post(house.face.port, CARD_PATH, b"", method="GET", tls=house.tls)
    assert reply.status == 200


async def test_where_pairing_is_switched_off_there_is_nothing_at_its_path(house: House, pki: Pki) -> None:
    house.face.pairing = None
    assert (await house.asked(pki.stranger)).status == 401


def test_a_node_behind_all_addresses_names_only_a_url_it_was_told() -> None:
    for url in (None, "https://node.example/api/oicp"):
        face = PeerFaceSection(host="0.0.0.0", tls="off", insecure=True, url=url)  # noqa: S104 - not listened at
        assert node_card(NodeConfig(node=NODE, peer_face=face), []).get("url") == url


@pytest.mark.parametrize("changes", [{"key": "k\x1b[2J"}, {"url": "https://10.0.0.9:7000/\x1b]0;owned\x07"}])
def test_nothing_of_a_discovered_node_moves_the_terminal(changes: dict[str, str]) -> None:
    known = {
        "key": "k",
        "source": "discovery",
        "name": "n",
        "url": "https://10.0.0.9:7000/api",
        "at": datetime.now(UTC),
    }
    assert Pending.model_validate(known).key == "k"
    with pytest.raises(ValidationError, match="should match pattern"):
        Pending.model_validate(known | changes)


@pytest.mark.parametrize(
    ("named", "claimed", "is_taken"),
    [
        ("DE*ABC", {"operators": ("DE*ABC",)}, True),
        ("DE*ABC", {"operators": ("DEABC",)}, True),
        ("DE-ABC", {"providers": ("DE-ABC",)}, True),
        ("DE*ABC", {"providers": ("DE*ABC",)}, False),
        ("DE*ABC", {"providers": ("DE-ABC",)}, False),
        ("DE-ABC", {"operators": ("DE-ABC",)}, False),
        ("DEABC", {"operators": ("DEABC",)}, False),
        ("DE*ABC", {"operators": ("DE*ABC", "DE*ABD")}, False),
    ],
)
async def test_the_ids_of_an_unasked_peer_stand_in_its_certificate_in_the_role_it_claims(
    pki: Pki, tmp_path: Path, named: str, claimed: dict[str, tuple[str, ...]], *, is_taken: bool
) -> None:
    made = await asyncio.to_thread(issue, pki.ca, tmp_path / "pki", Leaf("de-abd", (named,)), NOW)
    card = read_card(await card_of(made) | {"operators": ()} | claimed)
    announced = Pending(key="it", source=Source.DISCOVERY, name="it", pin=made.pin[:23], at=NOW)
    with nullcontext() if is_taken else pytest.raises(NotAccepted, match="does not name"):
        require_issued(card, announced, [pki.ca.certificate], NOW)


async def test_a_peer_met_again_is_entered_only_as_the_table_can_be_read(house: House, pki: Pki) -> None:
    known = PeerEntry(
        name="stranger", url="http://127.0.0.1:9/api/oicp", tls="off", operators=("DE*OLD",), pins=(pki.stranger.pin,)
    )
    await asyncio.to_thread(save_peer, house.directory, known)
    await house.asked(pki.stranger)
    (shown,) = house.admission.pending.all()
    with pytest.raises(NotAccepted, match="an https url goes with tls"):
        await house.admission.accept(shown.key, "stranger", shown.digest, "https://127.0.0.1:9/api/oicp")
    assert await asyncio.to_thread(entered, house) == (known,)
