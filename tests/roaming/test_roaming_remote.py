"""AuthorizeRemoteStart and AuthorizeRemoteStop."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.codec import encode
from p2pnode.oicp.errors import NoAnswer, Unreachable
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.notifications import ChargingNotificationStart
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START, AUTHORIZE_REMOTE_STOP, CHARGING_NOTIFICATION_START
from p2pnode.oicp.status import Code
from p2pnode.roaming.published_records import EvseOwner, EvseRecord
from p2pnode.roaming.records import OWN, SessionRecord, SessionState
from p2pnode.store.store import SqlStore
from tests.roaming.roaming_messages import EVSE, NOON, SESSION, make, remote
from tests.roaming.roaming_world import LIMITS, Call, Party, World, refused


def start(**members: object) -> AuthorizeRemoteStart:
    values = {"provider_id": "DE-ONE", "evse_id": EVSE, "identification": remote(), **members}
    return make(AuthorizeRemoteStart, **values)


def stop(**members: object) -> AuthorizeRemoteStop:
    values = {"provider_id": "DE-ONE", "evse_id": EVSE, "session_id": SESSION, **members}
    return make(AuthorizeRemoteStop, **values)


def evse(owner: str, evse_id: str, operator_id: str = "DE*CPO", *, compatible: bool = True) -> EvseRecord:
    return EvseRecord(
        owner, evse_key(evse_id), evse_id, operator_id, operator_id, "", b"{}", is_hubject_compatible=compatible
    )


async def publish(party: Party, *records: EvseRecord) -> None:
    await party.store.publish(lambda publication: publication.put_evses(records, party.clock()))


async def session_of(party: Party, session_id: str = SESSION) -> SessionRecord | None:
    return await party.store.session(session_key(session_id))


async def test_an_accepted_start_is_a_session_on_both_sides(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    answer = await emp.send(AUTHORIZE_REMOTE_START, start(emp_partner_session_id="theirs"))
    assert answer.result
    assert answer.session_id is not None
    here, there = await session_of(emp, answer.session_id), await session_of(cpo, answer.session_id)
    assert here is not None
    assert there is not None
    assert (here.cpo, here.emp, here.state) == ("cpo", OWN, SessionState.AUTHORIZED)
    assert (there.cpo, there.emp, there.state) == (OWN, "emp", SessionState.AUTHORIZED)
    assert there.operator_id == here.operator_id == "DE*CPO"
    assert cpo.cpo.asked[0].session_id == answer.session_id


async def test_a_notification_may_overtake_the_answer(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair

    async def tell() -> None:
        message = ChargingNotificationStart(
            type="Start", session_id=SESSION, evse_id=EVSE, operator_id="DE*CPO", charging_start=cpo.clock()
        )
        assert (await cpo.send(CHARGING_NOTIFICATION_START, message)).result

    cpo.cpo.before_answer = tell
    assert (await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))).result
    for party in pair:
        session = await session_of(party)
        assert session is not None
        assert session.state is SessionState.CHARGING


async def test_a_refused_start_leaves_no_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.cpo.refusal = Code.NO_EV_CONNECTED
    answer = await emp.send(AUTHORIZE_REMOTE_START, start())
    assert (answer.result, answer.status_code.code) == (False, "510")
    assert not await emp.store.sessions()
    assert not await cpo.store.sessions()


@pytest.mark.parametrize("code", [Code.SYSTEM_ERROR, Code.PARTNER_DID_NOT_RESPOND])
async def test_a_failure_that_tells_nothing_keeps_the_session_on_both_sides(
    pair: tuple[Party, Party], code: Code
) -> None:
    cpo, emp = pair
    cpo.cpo.refusal = code
    answer = await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))
    assert (answer.result, answer.status_code.code) == (False, code)
    for party in pair:
        session = await session_of(party)
        assert session is not None
        assert session.state is SessionState.UNCONFIRMED
    begun = make(ChargingNotificationStart, type="Start", session_id=SESSION, evse_id=EVSE, charging_start=cpo.clock())
    assert (await cpo.send(CHARGING_NOTIFICATION_START, begun)).result


@pytest.mark.parametrize(("code", "kept"), [("021", True), ("310", True), ("602", False), ("320", False)])
async def test_a_failure_told_with_an_http_error_is_weighed_by_its_code(
    pair: tuple[Party, Party], code: str, *, kept: bool
) -> None:
    cpo, emp = pair
    told = encode({"Result": False, "StatusCode": {"Code": code}})

    async def answer(_call: Call, _process_id: str) -> tuple[int, bytes]:
        return 500, told

    cpo.answering = answer
    error = await refused(emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION)))
    assert error.code.value == code
    assert (await session_of(emp) is not None) is kept


async def test_an_unreachable_cpo_is_320_and_leaves_no_session(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    emp.wire.down = {"cpo"}
    assert (await refused(emp.send(AUTHORIZE_REMOTE_START, start()))).code is Code.SERVICE_NOT_AVAILABLE
    assert not await emp.store.sessions()


async def test_a_start_whose_answer_is_lost_stays_unconfirmed_until_it_is_confirmed(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.wire.lost_answers = {"cpo"}
    assert (await refused(emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION)))).code == "310"
    session = await session_of(emp)
    assert session is not None
    assert session.state is SessionState.UNCONFIRMED
    message = ChargingNotificationStart(
        type="Start", session_id=SESSION, evse_id=EVSE, operator_id="DE*CPO", charging_start=cpo.clock()
    )
    assert (await cpo.send(CHARGING_NOTIFICATION_START, message)).result
    session = await session_of(emp)
    assert session is not None
    assert session.state is SessionState.CHARGING


async def test_a_start_whose_answer_is_lost_is_stopped_where_that_is_wanted(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",))
    emp = await world.party("emp", providers=("DE-ONE",), limits=replace(LIMITS, remote_start_on_timeout="stop"))
    cpo.knows(emp)
    emp.knows(cpo)
    world.wire.lost_answers = {"cpo"}
    await refused(emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION)))
    await emp.roaming.settle()
    assert [call.operation for call in world.wire.to("cpo")] == [AUTHORIZE_REMOTE_START, AUTHORIZE_REMOTE_STOP]
    assert type(cpo.cpo.asked[-1]) is AuthorizeRemoteStop


async def test_a_start_can_be_asked_again_when_its_answer_was_lost(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.wire.lost_answers = {"cpo"}
    await refused(emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION)))
    emp.wire.lost_answers = set()
    assert (await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))).result
    assert len(cpo.cpo.asked) == 1
    assert len(emp.wire.to("cpo")) == 2


async def test_a_start_that_succeeded_is_not_asked_again(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))
    assert (await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))).result
    assert len(emp.wire.to("cpo")) == 1


@pytest.mark.parametrize(
    "other", [{"evse_id": "DE*CPO*E1*2"}, {"identification": remote("DE-ONE-C99999999-X")}], ids=["EVSE", "driver"]
)
async def test_a_different_start_of_the_same_session_is_refused(
    pair: tuple[Party, Party], other: dict[str, object]
) -> None:
    cpo, emp = pair
    await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))
    second = start(session_id=SESSION, **other)
    assert (await refused(emp.send(AUTHORIZE_REMOTE_START, second))).code is Code.SESSION_INVALID
    call = Call("emp", "cpo", AUTHORIZE_REMOTE_START, encode(second), "DE-ONE", None)
    assert b'"400"' in (await cpo.answer(call, "process"))[1]
    assert len(cpo.cpo.asked) == 1


async def test_without_session_id_a_foreign_start_gets_one(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    call = Call("emp", "cpo", AUTHORIZE_REMOTE_START, encode(start()), "DE-ONE", None)
    await cpo.answer(call, "process")
    (session,) = await cpo.store.sessions()
    assert cpo.cpo.asked[0].session_id == session.session_id


async def test_our_own_backend_that_cannot_be_reached_leaves_no_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    for failure, kept in ((Unreachable("backend", "refused"), 0), (NoAnswer("backend", "too late"), 1)):

        async def fail(failure: Exception = failure) -> None:
            raise failure

        cpo.cpo.before_answer = fail
        answer = await emp.send(AUTHORIZE_REMOTE_START, start())
        assert not answer.result
        assert "backend" not in str(answer)
        assert len(await cpo.store.sessions()) == kept


async def test_an_evse_that_is_not_ours_is_603(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    foreign = Call("emp", "cpo", AUTHORIZE_REMOTE_START, encode(start(evse_id="DE*XYZ*E1")), "DE-ONE", None)
    assert b'"603"' in (await cpo.answer(foreign, "process"))[1]
    await publish(cpo, evse(OWN, "DE*CPO*E2"))
    unpublished = Call("emp", "cpo", AUTHORIZE_REMOTE_START, encode(start()), "DE-ONE", None)
    assert b'"603"' in (await cpo.answer(unpublished, "process"))[1]
    assert not cpo.cpo.asked


async def test_an_evse_the_peer_may_not_see_is_603(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await publish(cpo, evse(OWN, EVSE))
    cpo.knows(emp, visible=("DE*CPO*E2",))
    assert (await emp.send(AUTHORIZE_REMOTE_START, start())).status_code.code == "603"


async def test_603_and_604_are_answered_from_our_copy_of_the_cpos_data(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await publish(emp, evse("cpo", EVSE), evse("cpo", "DE*CPO*E3", compatible=False))
    unknown = await refused(emp.send(AUTHORIZE_REMOTE_START, start(evse_id="DE*CPO*E2")))
    incompatible = await refused(emp.send(AUTHORIZE_REMOTE_START, start(evse_id="DE*CPO*E3")))
    assert (unknown.code, incompatible.code) == (Code.UNKNOWN_EVSE_ID, Code.EVSE_NOT_HUBJECT_COMPATIBLE)
    assert not emp.wire.calls
    assert (await emp.send(AUTHORIZE_REMOTE_START, start())).result
    assert cpo.cpo.asked


class FirstData(SqlStore):
    """A store to which an operator publishes for the first time just when it has told that nobody has."""

    first: EvseRecord

    async def evse_owners(self, evse_key: str) -> Sequence[EvseOwner]:
        found = await super().evse_owners(evse_key)
        await self.publish(lambda publication: publication.put_evses([self.first], NOON))
        return found


@pytest.mark.parametrize(("at", "owner"), [(0, OWN), (1, "cpo")], ids=["at the CPO", "at the EMP"])
async def test_a_start_while_the_first_data_comes_is_never_603(
    at: int, owner: str, pair: tuple[Party, Party], tmp_path: Path
) -> None:
    party = pair[at]
    async with FirstData.open(tmp_path / "other.db", now=party.clock) as store:
        assert isinstance(store, FirstData)
        store.first = evse(owner, EVSE)
        party.store = store
        party.restart()
        assert (await pair[1].send(AUTHORIZE_REMOTE_START, start())).result
        assert [found.owner for found in await store.evse_owners(evse_key(EVSE))] == [owner]


async def test_who_published_an_evse_gets_the_start_whatever_its_id_says(world: World) -> None:
    _, emp = await world.pair()
    other = await world.party("other", operators=("DE*XYZ",))
    emp.knows(other)
    other.knows(emp)
    await publish(emp, evse("other", EVSE, "DE*XYZ"))
    await publish(other, evse(OWN, EVSE, "DE*XYZ"))
    assert (await emp.send(AUTHORIZE_REMOTE_START, start())).result
    assert len(other.cpo.asked) == 1


async def test_an_evse_of_nobody_is_300_and_a_forbidden_one_210(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    nobody = await refused(emp.send(AUTHORIZE_REMOTE_START, start(evse_id="DE*XYZ*E1")))
    emp.knows(cpo, send=("PullEvseData",))
    forbidden = await refused(emp.send(AUTHORIZE_REMOTE_START, start()))
    assert (nobody.code, forbidden.code) == (Code.PARTNER_NOT_FOUND, Code.NO_VALID_CONTRACT)


async def test_a_session_id_the_cpo_insists_on_is_followed(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    own = "11111111-2222-3333-4444-555555555555"

    cpo.foreign = encode(acknowledge(session_id=own))
    answer = await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))
    assert answer.session_id == own
    assert await session_of(emp) is None
    followed = await session_of(emp, own)
    assert followed is not None
    assert followed.state is SessionState.AUTHORIZED


async def test_a_stop_goes_to_the_cpo_of_the_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))
    assert (await emp.send(AUTHORIZE_REMOTE_STOP, stop())).result
    assert type(cpo.cpo.asked[-1]) is AuthorizeRemoteStop
    for party in pair:
        history = [event.operation for event in await party.store.history(session_key(SESSION))]
        assert history == ["AuthorizeRemoteStart", "AuthorizeRemoteStop"]


async def test_a_stop_that_fits_no_session_is_refused(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    assert (await refused(emp.send(AUTHORIZE_REMOTE_STOP, stop()))).code is Code.SESSION_INVALID
    await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))
    elsewhere = Call("emp", "cpo", AUTHORIZE_REMOTE_STOP, encode(stop(evse_id="DE*CPO*E2")), "DE-ONE", None)
    assert b'"400"' in (await cpo.answer(elsewhere, "process"))[1]
    assert len(cpo.cpo.asked) == 1


async def test_only_the_emp_of_a_session_stops_it(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", providers=("DE-TWO",))
    two.knows(cpo)
    cpo.knows(two)
    await emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))
    theirs = Call("two", "cpo", AUTHORIZE_REMOTE_STOP, encode(stop(provider_id="DE-TWO")), "DE-TWO", None)
    assert b'"400"' in (await cpo.answer(theirs, "process"))[1]


async def test_our_own_driver_starts_at_our_own_charge_point(world: World) -> None:
    both = await world.party("both", operators=("DE*CPO",), providers=("DE-ONE",))
    assert (await both.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION))).result
    session = await session_of(both)
    assert session is not None
    assert (session.cpo, session.emp, session.state) == (OWN, OWN, SessionState.AUTHORIZED)


async def test_two_equal_starts_at_once_are_one_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    answers = await asyncio.gather(*(emp.send(AUTHORIZE_REMOTE_START, start(session_id=SESSION)) for _ in range(2)))
    assert all(answer.result for answer in answers)
    assert len(await cpo.store.sessions()) == len(await emp.store.sessions()) == 1
