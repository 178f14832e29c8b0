"""SessionIDs that the node mints."""

from uuid import UUID

from p2pnode.oicp.identifiers import Standard, parse_session
from p2pnode.roaming.session_ids import session_ids
from tests.clock import Clock
from tests.roaming.roaming_messages import NOON


def test_session_ids_are_uuids_of_version_7_that_the_specification_accepts() -> None:
    session_id = session_ids(Clock(NOON))()
    assert (UUID(session_id).version, UUID(session_id).variant) == (7, "specified in RFC 4122")
    assert parse_session(session_id).standard is Standard.OICP
    assert UUID(session_id).int >> 80 == int(NOON.timestamp() * 1000)


def test_session_ids_ascend_also_when_the_clock_stands_still_or_steps_back() -> None:
    clock = Clock(NOON)
    mint = session_ids(clock)
    ids: list[str] = []
    for step in (0, 0.001, 0, -5, 0, 10):
        clock.advance(seconds=step)
        ids += [mint() for _ in range(200)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_a_full_millisecond_runs_over_into_the_next() -> None:
    mint = session_ids(Clock(NOON), lambda bits: (1 << bits) - 1)
    ids = [mint() for _ in range(1000)]
    assert ids == sorted(set(ids))


def test_the_next_session_id_cannot_be_guessed() -> None:
    one, two = session_ids(Clock(NOON)), session_ids(Clock(NOON))
    assert {one() for _ in range(100)}.isdisjoint({two() for _ in range(100)})
