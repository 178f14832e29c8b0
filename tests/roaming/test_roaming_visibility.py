"""Beginnings of EvseIDs, in any spelling."""

import pytest

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp.identifiers import evse_key
from p2pnode.roaming.visibility import has_prefix, is_priced_for, is_visible


@pytest.mark.parametrize(
    ("prefix", "evse_id", "begins"),
    [
        ("DE*GEF", "DE*GEF*E123*1", True),
        ("DEGEF", "DE*GEF*E123*1", True),
        ("de*gef*", "DEGEFE1231", True),
        ("DE*GEF*E", "DEGEFE1231", True),
        ("DEGEFE", "DE*GEF*E1", True),
        ("DE*GEF*E12", "DE*GEF*E1*23", True),
        ("DEGEFE12", "DE*GEF*E123", True),
        ("DE*GEF*E13", "DE*GEF*E123", False),
        ("DE*GE", "DE*GEF*E1", True),
        ("DE*GEG", "DE*GEF*E1", False),
        ("+49*810", "+49*810*000*438", True),
        ("49*810", "+49*810*000*438", True),
        ("+49*810*000", "+49*810*000*438", True),
        ("+49*81", "+49*810*000*438", True),
        ("+4*981", "+49*810*000*438", False),
        ("CH*SWISSCHARGE", "CH*SWISSCHARGE*E1", True),
        ("ch*swisscharge*", "CH*SWISSCHARGE*E1", True),
        ("FR", "DE*GEF*E1", False),
    ],
)
def test_a_prefix_selects_the_evses_that_begin_with_it(prefix: str, evse_id: str, *, begins: bool) -> None:
    peer = PeerEntry(name="peer", visible=(prefix,), evse_prefixes=(prefix,))
    assert is_visible(peer, evse_key(evse_id)) is begins
    assert has_prefix(peer, evse_key(evse_id)) is begins
    assert (PeerTable([peer]).by_evse_prefix(evse_key(evse_id)) is peer) is begins


def test_without_prefixes_everything_is_visible_and_nothing_belongs_to_the_peer() -> None:
    peer = PeerEntry(name="peer")
    assert is_visible(peer, "DE*GEF*E1")
    assert not has_prefix(peer, "DE*GEF*E1")


def test_a_prefix_of_separators_alone_is_none() -> None:
    peer = PeerEntry(name="peer", evse_prefixes=("*",))
    assert not has_prefix(peer, "DE*GEF*E1")
    assert PeerTable([peer]).by_evse_prefix("DE*GEF*E1") is None


def test_an_empty_list_shows_nothing() -> None:
    assert not is_visible(PeerEntry(name="peer", visible=()), "DE*GEF*E1")


def test_the_longest_prefix_of_an_enabled_peer_counts() -> None:
    short = PeerEntry(name="short", evse_prefixes=("DE*GEF", "FR*GEF"))
    long = PeerEntry(name="long", evse_prefixes=("DEGEFE12",))
    off = PeerEntry(name="off", evse_prefixes=("DE*GEF*E123",), enabled=False)
    table = PeerTable([short, off, long])
    assert [table.by_evse_prefix(key) for key in ("DE*GEF*E123", "DE*GEF*E13", "DE*GE")] == [long, short, None]


@pytest.mark.parametrize(("provider", "shown"), [("*", True), ("DE-ONE", True), ("DE-SUB", True), ("DE-TWO", False)])
def test_prices_are_shown_to_whom_they_are_for(provider: str, *, shown: bool) -> None:
    peer = PeerEntry(name="peer", providers=("DE*ONE",), sub_providers=("DESUB",))
    assert is_priced_for(peer, provider) is shown
    assert is_priced_for(PeerEntry(name="hub", hub=True), provider)
