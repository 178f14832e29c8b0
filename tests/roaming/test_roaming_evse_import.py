"""What an import of EVSEs tells of the peers."""

import pytest

from p2pnode.roaming.evse_import import ImportReport


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        ([], False),
        (["rhine: 018 not of this operator: FR*XYZ*E1*1"], True),
        (["alpine: no answer yet; rhine: 017 Unauthorized Access."], True),
        (["rhine: 021 System error."], False),
        (["rhine: it is away, and gets it when it is back"], False),
        (["rhine: nobody can be reached at 127.0.0.1:7000: Connection refused"], False),
    ],
)
def test_a_peer_that_said_no_is_told_from_one_that_gets_it_later(told: list[str], refused: bool) -> None:  # noqa: FBT001 - a case
    assert ImportReport(not_delivered=told).refused_by_peers is refused
