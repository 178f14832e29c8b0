"""The state table of sessions."""

from datetime import datetime, timedelta
from itertools import product

import pytest

from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import OWN, SessionRecord, SessionState
from p2pnode.roaming.sessions import (
    EXPIRING,
    TRANSITIONS,
    Event,
    after,
    moved,
    moved_if_possible,
    require_between,
    state_at,
)
from tests.roaming.roaming_messages import EVSE, NOON, SESSION

RESERVED, AUTHORIZED, UNCONFIRMED, CHARGING, ENDED, SETTLED, EXPIRED = SessionState


def session(
    state: SessionState = AUTHORIZED, cpo: str = "cpo", emp: str = OWN, expires_at: datetime | None = None
) -> SessionRecord:
    return SessionRecord(
        key=session_key(SESSION),
        session_id=SESSION,
        state=state,
        cpo=cpo,
        emp=emp,
        operator_id="DE*CPO",
        provider_id="DE-ONE",
        created_at=NOON,
        updated_at=NOON,
        evse_key=evse_key(EVSE),
        evse_id=EVSE,
        expires_at=expires_at,
    )


@pytest.mark.parametrize(
    ("state", "event", "following"),
    [
        (None, Event.RESERVE, RESERVED),
        (None, Event.AUTHORIZE, AUTHORIZED),
        (None, Event.ASK, UNCONFIRMED),
        (RESERVED, Event.RELEASE, ENDED),
        (RESERVED, Event.AUTHORIZE, AUTHORIZED),
        (RESERVED, Event.ASK, UNCONFIRMED),
        (AUTHORIZED, Event.START, CHARGING),
        (AUTHORIZED, Event.ERROR, AUTHORIZED),
        (UNCONFIRMED, Event.CONFIRM, AUTHORIZED),
        (UNCONFIRMED, Event.START, CHARGING),
        (UNCONFIRMED, Event.SETTLE, SETTLED),
        (CHARGING, Event.CONFIRM, CHARGING),
        (CHARGING, Event.END, ENDED),
        (ENDED, Event.STOP, ENDED),
        (ENDED, Event.START, CHARGING),
        (ENDED, Event.SETTLE, SETTLED),
        (EXPIRED, Event.SETTLE, SETTLED),
    ],
)
def test_a_session_moves_as_the_table_says(state: SessionState | None, event: Event, following: SessionState) -> None:
    assert after(state, event) is following


def test_every_pair_that_is_not_in_the_table_is_refused_with_400() -> None:
    for pair in product([None, *SessionState], Event):
        if pair in TRANSITIONS:
            continue
        with pytest.raises(ProtocolError) as refusal:
            after(*pair)
        assert refusal.value.code is Code.SESSION_INVALID


def test_every_state_can_be_reached_and_every_session_can_be_settled() -> None:
    reached: set[SessionState | None] = {None}
    while more := {to for (state, _), to in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == {None, *SessionState}
    assert {state for state, event in TRANSITIONS if event is Event.SETTLE} == {*SessionState} - {SETTLED}


def test_nothing_but_a_repeated_confirmation_happens_to_a_settled_session() -> None:
    assert {event for state, event in TRANSITIONS if state is SETTLED} == {Event.CONFIRM}


def test_a_session_expires_when_its_time_is_up() -> None:
    waiting = session(expires_at=NOON + timedelta(minutes=1))
    assert state_at(waiting, NOON) is AUTHORIZED
    assert state_at(waiting, NOON + timedelta(minutes=1)) is EXPIRED
    with pytest.raises(ProtocolError):
        moved(waiting, Event.START, NOON + timedelta(minutes=2))
    assert moved(waiting, Event.SETTLE, NOON + timedelta(minutes=2)).state is SETTLED


def test_a_session_that_charges_does_not_expire() -> None:
    assert CHARGING not in EXPIRING
    charging = moved(session(expires_at=NOON + timedelta(minutes=1)), Event.START, NOON)
    assert charging.expires_at is None
    assert state_at(charging, NOON + timedelta(days=300)) is CHARGING


def test_what_has_gone_on_in_the_meantime_is_left_alone() -> None:
    settled = session(SETTLED)
    assert moved_if_possible(settled, Event.STOP, NOON) is settled


@pytest.mark.parametrize("found", [None, session(cpo="other"), session(emp="other")])
def test_an_unknown_session_and_one_of_others_get_the_same_refusal(found: SessionRecord | None) -> None:
    with pytest.raises(ProtocolError) as refusal:
        require_between(found, cpo="cpo", emp=OWN)
    assert refusal.value.code is Code.SESSION_INVALID
    assert refusal.value.reason == "no such session between the two parties"
