"""Relaying: two parties that know only a relay roam with each other through it, and nothing goes in circles."""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

import pytest

from p2pnode.oicp import operations as ops
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords
from p2pnode.oicp.codec import encode, replace_members
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.notifications import ChargingNotificationStart
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import SessionState
from tests.roaming.roaming_messages import (
    EVCO,
    EVSE,
    NOON,
    SESSION,
    START,
    STOP,
    UID,
    decoded,
    denied,
    make,
    plug_and_charge,
    remote,
    rfid,
)
from tests.roaming.roaming_world import PATIENT, Call, Party, World, refused

REMOTE_START = AuthorizeRemoteStart(session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE, identification=remote(EVCO))
REMOTE_STOP = AuthorizeRemoteStop(session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE)
RESERVE = AuthorizeRemoteReservationStart(
    session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE, identification=remote(EVCO)
)
GIVE_BACK = AuthorizeRemoteReservationStop(session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE)


def told(**members: object) -> ChargingNotificationStart:
    values: dict[str, object] = {
        "type": "Start",
        "session_id": SESSION,
        "evse_id": EVSE,
        "operator_id": "DE*CPO",
        "charging_start": NOON,
        **members,
    }
    return make(ChargingNotificationStart, **values)


def cdr(**members: object) -> bytes:
    values: dict[str, object] = {
        "session_id": SESSION,
        "evse_id": EVSE,
        "identification": rfid(),
        "charging_start": NOON,
        "charging_end": NOON,
        "session_start": NOON,
        "session_end": NOON,
        "consumed_energy": Decimal("11.5"),
        **members,
    }
    return replace_members(encode(make(ChargeDetailRecord, **values)), {"Extra": [1, Decimal("1.50")]})


async def test_a_card_charges_through_a_relay_and_every_message_arrives_as_it_was_sent(world: World) -> None:
    cpo, relay, emp = await world.star()
    for operation, message in (
        (ops.AUTHORIZE_START, encode(START)),
        (ops.CHARGING_NOTIFICATION_START, encode(told())),
        (ops.AUTHORIZE_STOP, encode(STOP)),
        (ops.CHARGE_DETAIL_RECORD, cdr()),
    ):
        await cpo.send_raw(operation, message)
        first, second = (call for call in world.wire.calls if call.operation is operation)
        assert [(call.source, call.target) for call in (first, second)] == [("cpo", "relay"), ("relay", "emp")]
        assert second.body == first.body == message
        assert second.caller_id == "DE*CPO"
    await emp.roaming.settle()
    assert emp.emp.cdrs == [cdr()]
    found = await relay.session()
    assert (found.cpo, found.emp, found.state) == ("cpo", "emp", SessionState.SETTLED)
    assert (found.operator_id, found.provider_id) == ("DE*CPO", "DE-ONE")
    assert (await emp.session()).cpo == (await cpo.session()).emp == "relay"
    wanted = make(GetChargeDetailRecords, provider_id="DE-ONE", from_=NOON, to=NOON.replace(year=2027))
    page = decoded(await emp.send_raw(ops.GET_CHARGE_DETAIL_RECORDS, wanted))
    assert [record["SessionID"] for record in page["content"]] == [SESSION]


async def test_an_app_starts_stops_and_reserves_through_a_relay(world: World) -> None:
    cpo, relay, emp = await world.star()
    for operation, message in (
        (ops.AUTHORIZE_REMOTE_RESERVATION_START, RESERVE),
        (ops.AUTHORIZE_REMOTE_START, REMOTE_START),
        (ops.AUTHORIZE_REMOTE_STOP, REMOTE_STOP),
    ):
        assert (await emp.send(operation, message)).result
        assert world.path(operation) == [("emp", "relay"), ("relay", "cpo")]
        assert cpo.cpo.asked[-1] == message
    assert (await relay.session()).state is SessionState.AUTHORIZED
    refusal = await refused(emp.send(ops.AUTHORIZE_REMOTE_RESERVATION_STOP, GIVE_BACK))
    assert refusal.code == Code.SESSION_INVALID


async def test_a_reservation_is_given_back_through_a_relay(world: World) -> None:
    _, relay, emp = await world.star()
    await emp.send(ops.AUTHORIZE_REMOTE_RESERVATION_START, RESERVE)
    assert (await relay.session()).state is SessionState.RESERVED
    assert (await emp.send(ops.AUTHORIZE_REMOTE_RESERVATION_STOP, GIVE_BACK)).result
    assert (await relay.session()).state is SessionState.ENDED


async def test_the_first_yes_of_all_emps_wins_and_a_relay_tells_no_one_where_a_peer_cannot_be_reached(
    world: World,
) -> None:
    cpo, relay, emp = await world.star()
    other = await world.party("other", providers=("DE-TWO",))
    other.knows(relay, hub=True)
    relay.knows(other)
    emp.emp.start = lambda _: denied()
    answer = await cpo.send(ops.AUTHORIZE_START, START)
    assert (answer.authorized, answer.provider_id) == (True, "DE-TWO")
    assert (await relay.session()).emp == "other"

    world.wire.down = {"emp", "other"}
    again = START.model_copy(update={"session_id": None})
    refusal = await refused(cpo.send(ops.AUTHORIZE_START, again))
    assert refusal.code == Code.SERVICE_NOT_AVAILABLE
    assert "emp" not in refusal.reason
    assert "connection" not in refusal.reason


async def test_a_start_without_session_id_that_is_sent_again_keeps_its_session_at_a_relay(world: World) -> None:
    _, relay, emp = await world.star()
    start = START.model_copy(update={"session_id": None, "cpo_partner_session_id": "cpo-1"})
    call = Call("cpo", "relay", ops.AUTHORIZE_START, encode(start), "DE*CPO", None)
    answers = [decoded((await relay.answer(call, f"process {number}"))[1]) for number in range(2)]
    assert answers[0]["SessionID"] == answers[1]["SessionID"]
    assert len(emp.emp.starts) == 1


async def test_what_an_emp_does_not_take_now_a_relay_keeps_and_brings_later(world: World) -> None:
    cpo, relay, emp = await world.star()
    await cpo.send(ops.AUTHORIZE_START, START)
    world.wire.down = {"emp"}
    assert (await cpo.send(ops.CHARGING_NOTIFICATION_START, told())).result
    answer = await cpo.send(ops.CHARGE_DETAIL_RECORD, cdr())
    assert answer.result
    assert answer.status_code.additional_info == "stored, and not forwarded yet"
    world.wire.down = set()
    relay.restart()
    await relay.deliver_pending()
    await emp.roaming.settle()
    assert [message.session_id for message in emp.emp.notifications] == [SESSION]
    assert emp.emp.cdrs == [cdr()]


@pytest.mark.parametrize("away", [True, False])
async def test_a_notification_that_is_sent_again_goes_on_from_a_relay_once(world: World, *, away: bool) -> None:
    cpo, relay, emp = await world.star()
    await cpo.send(ops.AUTHORIZE_START, START)
    progress = told().wire() | {"Type": "Progress", "EventOccurred": NOON}
    world.wire.down = {"emp"} if away else set()
    for operation, body in (
        (ops.CHARGING_NOTIFICATION_START, encode(told())),
        (ops.CHARGING_NOTIFICATION_PROGRESS, encode(progress)),
    ):
        call = Call("cpo", "relay", operation, body, "DE*CPO", None)
        answers = [await relay.answer(call, f"process {number}") for number in range(3)]
        assert decoded(answers[0][1])["Result"] is True
        assert answers[1:] == answers[:1] * 2
    world.wire.down = set()
    await relay.deliver_pending()
    await emp.roaming.settle()
    assert [message.type for message in emp.emp.notifications] == ["Start", "Progress"]
    sent = [operation for operation in ops.OPERATIONS if operation.path == ops.NOTIFICATION_PATH]
    times = 2 if away else 1
    assert [len(world.wire.to("emp", operation)) for operation in sent[:2]] == [times, 1]


async def test_a_session_of_other_parties_is_nobody_elses_at_a_relay(world: World) -> None:
    cpo, relay, _ = await world.star()
    stranger = await world.party("stranger", operators=("DE*STR",), providers=("DE-STR",))
    stranger.knows(relay, hub=True)
    relay.knows(stranger)
    stranger.emp.start = lambda _: denied()
    await cpo.send(ops.AUTHORIZE_START, START)
    for operation, message, caller in (
        (ops.AUTHORIZE_STOP, encode(STOP), "DE*STR"),
        (ops.CHARGING_NOTIFICATION_START, encode(told()), "DE*STR"),
        (ops.CHARGE_DETAIL_RECORD, cdr(), "DE*STR"),
        (ops.AUTHORIZE_REMOTE_STOP, encode(REMOTE_STOP), "DE-STR"),
    ):
        _, answer = await relay.answer(Call("stranger", "relay", operation, message, caller, None), "process")
        assert decoded(answer)["StatusCode"]["Code"] == Code.SESSION_INVALID, operation


async def test_a_session_begun_by_published_authentication_data_is_known_to_a_relay_and_to_the_emp(
    world: World,
) -> None:
    cpo, relay, emp = await world.star()
    data = {
        "ProviderID": "DE-ONE",
        "AuthenticationDataRecord": [{"Identification": {"RFIDMifareFamilyIdentification": {"UID": UID}}}],
    }
    await emp.send_raw(
        ops.PUSH_AUTHENTICATION_DATA, encode({"ActionType": "fullLoad", "ProviderAuthenticationData": data})
    )
    assert world.path(ops.PUSH_AUTHENTICATION_DATA) == [("emp", "relay"), ("relay", "cpo")]
    assert (await cpo.send(ops.AUTHORIZE_START, START)).authorized
    assert world.path(ops.AUTHORIZE_START) == []
    assert (await cpo.send(ops.CHARGING_NOTIFICATION_START, told(identification=rfid()))).result
    assert (await cpo.send(ops.CHARGE_DETAIL_RECORD, cdr())).result
    await emp.roaming.settle()
    assert emp.emp.cdrs == [cdr()]
    assert ((await relay.session()).cpo, (await relay.session()).emp) == ("cpo", "emp")


async def test_a_relay_decides_by_published_authentication_data_for_a_cpo_that_has_none(world: World) -> None:
    cpo, relay, emp = await world.star()
    relay.knows(cpo, send=("AuthorizeRemoteStart",))
    data = {
        "ProviderID": "DE-ONE",
        "AuthenticationDataRecord": [{"Identification": {"PlugAndChargeIdentification": {"EvcoID": EVCO}}}],
    }
    await emp.send_raw(
        ops.PUSH_AUTHENTICATION_DATA, encode({"ActionType": "fullLoad", "ProviderAuthenticationData": data})
    )
    answer = await cpo.send(ops.AUTHORIZE_START, START.model_copy(update={"identification": plug_and_charge()}))
    assert (answer.authorized, answer.provider_id) == (True, "DE-ONE")
    assert world.path(ops.AUTHORIZE_START) == [("cpo", "relay")]


async def _two_relays(world: World) -> tuple[Party, Party, Party, Party]:
    """A CPO at one relay and an EMP at another; each relay is the other's hub."""
    cpo = await world.party("cpo", operators=("DE*CPO",), limits=PATIENT)
    emp = await world.party("emp", providers=("DE-ONE",), limits=PATIENT)
    west = await world.party("west", limits=PATIENT, relay=True)
    east = await world.party("east", limits=PATIENT, relay=True)
    cpo.knows(west, hub=True)
    emp.knows(east, hub=True)
    west.knows(cpo)
    east.knows(emp)
    west.knows(east, hub=True)
    east.knows(west, hub=True)
    return cpo, west, east, emp


async def test_two_relays_that_are_each_others_hub_connect_their_parties_and_never_loop(world: World) -> None:
    cpo, _, _, emp = await _two_relays(world)
    assert (await cpo.send(ops.AUTHORIZE_START, START)).authorized
    way = [("cpo", "west"), ("west", "east"), ("east", "emp")]
    assert world.path(ops.AUTHORIZE_START) == way
    assert (await cpo.send(ops.CHARGE_DETAIL_RECORD, cdr())).result
    assert world.path(ops.CHARGE_DETAIL_RECORD) == way
    world.wire.calls.clear()
    emp.emp.start = lambda _: denied()
    unknown: list[tuple[AnyOperation, Any, Party]] = [
        (ops.AUTHORIZE_START, START.model_copy(update={"session_id": None}), cpo),
        (ops.AUTHORIZE_REMOTE_START, REMOTE_START.model_copy(update={"evse_id": "FR*XYZ*E1"}), emp),
    ]
    for operation, message, sender in unknown:
        world.wire.calls.clear()
        await refused_or_answered(sender.send(operation, message))
        assert len(world.wire.calls) == len(set(world.path(operation))) <= 3


async def refused_or_answered(sending: Awaitable[Any]) -> None:
    """Wait for a message that nobody says yes to."""
    try:
        answer = await sending
    except ProtocolError:
        return
    assert not answer.result


async def test_of_three_relays_that_are_each_others_hubs_none_passes_on_to_the_third(world: World) -> None:
    cpo, west, east, emp = await _two_relays(world)
    north = await world.party("north", limits=PATIENT, relay=True)
    for relay in (west, east):
        relay.knows(north, hub=True)
    north.knows(west, east, hub=True)
    emp.emp.start = lambda _: denied()
    await refused_or_answered(cpo.send(ops.AUTHORIZE_START, START))
    way = [("cpo", "west"), ("east", "emp"), ("west", "east"), ("west", "north")]
    assert sorted(world.path(ops.AUTHORIZE_START)) == way


async def test_what_is_published_at_one_of_two_relays_reaches_the_parties_of_the_other_once(world: World) -> None:
    cpo, _, _, _ = await _two_relays(world)
    block = {"OperatorID": "DE*CPO", "EvseStatusRecord": [{"EvseID": EVSE, "EvseStatus": "Available"}]}
    await cpo.send_raw(ops.PUSH_EVSE_STATUS, encode({"ActionType": "fullLoad", "OperatorEvseStatus": block}))
    assert world.path(ops.PUSH_EVSE_STATUS) == [("cpo", "west"), ("west", "east"), ("east", "emp")]


async def test_a_message_that_comes_round_to_a_relay_is_refused(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",), limits=PATIENT)
    names = ("north", "south", "west")
    ring = [await world.party(name, limits=PATIENT, relay=True) for name in names]
    cpo.knows(ring[0], hub=True)
    ring[0].knows(cpo)
    for number, party in enumerate(ring):
        before, after = ring[number - 1], ring[(number + 1) % 3]
        party.knows(after, providers=(f"DE-{after.name[:3].upper()}",))
        party.knows(before, operators=(f"DE*{before.name[:3].upper()}",), url=None)
    refusal = await asyncio.wait_for(refused(cpo.send(ops.AUTHORIZE_START, START)), 5)
    assert refusal.code in {Code.PARTNER_NOT_FOUND, Code.NO_POSITIVE_AUTHENTICATION}
    assert world.path(ops.AUTHORIZE_START) == [
        ("cpo", "north"),
        ("north", "south"),
        ("south", "west"),
        ("west", "north"),
    ]


async def test_a_peer_may_give_all_its_messages_one_process_id(world: World) -> None:
    cpo, relay, emp = await world.star()
    waiting = asyncio.Event()
    kept = emp.answering

    async def slow(call: Call, process_id: str) -> tuple[int, bytes]:
        await waiting.wait()
        return await kept(call, process_id)

    emp.answering = slow
    bodies = [encode(START.model_copy(update={"session_id": f"{SESSION[:-1]}{digit}"})) for digit in "12"]
    calls = [Call("cpo", "relay", ops.AUTHORIZE_START, body, "DE*CPO", None) for body in (*bodies, bodies[0])]
    asked = [asyncio.create_task(relay.answer(call, "always the same")) for call in calls]
    again = decoded((await asyncio.wait_for(asked.pop(), 5))[1])
    assert again["StatusCode"]["Code"] == Code.PARTNER_NOT_FOUND
    waiting.set()
    assert [decoded(body)["AuthorizationStatus"] for _, body in await asyncio.gather(*asked)] == ["Authorized"] * 2
    assert len(cpo.wire.to("emp", ops.AUTHORIZE_START)) == 2


@pytest.mark.parametrize("operation", [ops.AUTHORIZE_START, ops.AUTHORIZE_REMOTE_START])
async def test_without_relay_a_peer_gets_no_further_than_this_node(world: World, operation: AnyOperation) -> None:
    cpo, relay, emp = await world.star()
    relay.relay = False
    relay.restart()
    sender, message = (cpo, START) if operation is ops.AUTHORIZE_START else (emp, REMOTE_START)
    await refused_or_answered(sender.send(operation, message))
    assert len(world.wire.calls) == 1


async def test_a_relay_refuses_a_cdr_that_names_another_peer_as_hub_operator(world: World) -> None:
    cpo, relay, _ = await world.star()
    relay.knows(await world.party("other", operators=("DE*OTH",)))
    await cpo.send(ops.AUTHORIZE_START, START)
    call = Call("cpo", "relay", ops.CHARGE_DETAIL_RECORD, cdr(hub_operator_id="DE*OTH"), "DE*CPO", None)
    _, answer = await relay.answer(call, "process")
    assert decoded(answer)["StatusCode"]["Code"] == Code.UNAUTHORIZED_ACCESS
    assert await relay.store.cdr(session_key(SESSION)) is None
