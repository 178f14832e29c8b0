"""Which peer a person means by a name or an id."""

import pytest

from p2pnode.config import PeerEntry, PeerTable
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.operations import Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.naming import find_peer

TABLE = PeerTable(
    peers=(
        PeerEntry(name="tyrol", operators=("AT*TYR",), tls="off"),
        PeerEntry(name="asleep", operators=("DE*ZZZ",), tls="off", enabled=False),
    )
)


@pytest.mark.parametrize("to", ["tyrol", "AT*TYR", "ATTYR"])
def test_a_peer_is_found_by_its_name_and_by_its_id_in_any_form(to: str) -> None:
    assert find_peer(TABLE, Role.CPO, to) == "tyrol"


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("nobody", "no peer is called 'nobody' or has this id as CPO"),
        ("asleep", "asleep is switched off: enabled = false in the peer table"),
    ],
)
def test_a_peer_that_is_not_there_is_told_from_one_that_is_switched_off(to: str, told: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        find_peer(TABLE, Role.CPO, to)
    assert (refused.value.code, refused.value.reason) == (Code.PARTNER_NOT_FOUND, told)
