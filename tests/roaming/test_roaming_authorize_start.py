"""AuthorizeStart: who lets a driver start."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from p2pnode.oicp.authorization import AuthorizationStart, AuthorizeStart
from p2pnode.oicp.codec import encode
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import AUTHORIZE_START
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import OWN, SessionRecord, SessionState
from tests.roaming.roaming_messages import (
    EVCO,
    EVSE,
    OTHER_UID,
    SESSION,
    UID,
    authorized,
    denied,
    make,
    plug_and_charge,
    qr_code,
    rfid,
)
from tests.roaming.roaming_world import LIMITS, Call, Party, World, refused


def start(identification: Identification | None = None, **members: object) -> AuthorizeStart:
    values = {"operator_id": "DE*CPO", "evse_id": EVSE, "identification": identification or rfid(), **members}
    return make(AuthorizeStart, **values)


def over_the_wire(message: AuthorizeStart) -> Call:
    return Call("cpo", "emp", AUTHORIZE_START, encode(message), "DE*CPO", None)


async def session_at(party: Party, session_id: str | None) -> SessionRecord:
    assert session_id is not None
    session = await party.store.session(session_key(session_id))
    assert session is not None
    return session


async def providers(world: World, *names: str, **entry: object) -> tuple[Party, dict[str, Party]]:
    """A CPO and the EMPs it knows."""
    cpo = await world.party("cpo", operators=("DE*CPO",))
    emps = {name: await world.party(name, providers=(f"DE-{name.upper()}",)) for name in names}
    for emp in emps.values():
        cpo.knows(emp, **entry)
        emp.knows(cpo)
    return cpo, emps


async def test_an_authorized_start_is_a_session_on_both_sides_before_the_answer(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    answer = await cpo.send(AUTHORIZE_START, start(cpo_partner_session_id="ours"))
    assert answer.authorized
    assert answer.provider_id == "DE-ONE"
    assert answer.cpo_partner_session_id == "ours"
    here, there = await session_at(cpo, answer.session_id), await session_at(emp, answer.session_id)
    assert (here.cpo, here.emp, here.state) == (OWN, "emp", SessionState.AUTHORIZED)
    assert (there.cpo, there.emp, there.state) == ("cpo", OWN, SessionState.AUTHORIZED)
    assert here.evse_id == there.evse_id == EVSE
    assert [event.operation for event in await emp.store.history(there.key)] == ["AuthorizeStart"]


async def test_the_first_hop_mints_the_session_id(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    answer = await cpo.send(AUTHORIZE_START, start())
    assert emp.emp.starts[0].session_id == answer.session_id


async def test_a_refused_start_leaves_no_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.emp.start = lambda _: denied(Code.EVCO_ID_LOCKED)
    error = await refused(cpo.send(AUTHORIZE_START, start()))
    assert error.code is Code.EVCO_ID_LOCKED
    assert not await cpo.store.sessions()
    assert not await emp.store.sessions()


async def test_the_same_start_again_gets_the_same_answer(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    first = await cpo.send(AUTHORIZE_START, start(session_id=SESSION))
    emp.emp.start = lambda _: denied()
    again = await cpo.send(AUTHORIZE_START, start(session_id=SESSION.upper()))
    assert (again.authorized, again.session_id, again.provider_id) == (True, first.session_id, first.provider_id)
    assert len(emp.emp.starts) == 1


async def test_the_same_start_again_while_the_first_is_under_way_is_authorized_too(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    cpo.wire.delays = {"emp": 0.02}
    message = start(session_id=SESSION)
    first, second = await asyncio.gather(*(cpo.send(AUTHORIZE_START, message) for _ in range(2)))
    assert first == second
    assert first.authorized
    assert len(await cpo.store.sessions()) == 1
    other = start(rfid(OTHER_UID), session_id="11111111-2222-3333-4444-555555555555")
    same_id = start(session_id=other.session_id)
    told = await asyncio.gather(*(cpo.send(AUTHORIZE_START, each) for each in (other, same_id)), return_exceptions=True)
    assert [getattr(each, "code", None) for each in told] == [None, Code.SESSION_INVALID]


async def test_the_same_start_again_over_the_wire_gets_the_same_answer(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(AUTHORIZE_START, start(session_id=SESSION))
    (call,) = cpo.wire.to("emp")
    first = await emp.answer(call, "process")
    emp.emp.start = lambda _: denied()
    assert await emp.answer(call, "process") == first
    assert len(await emp.store.history(session_key(SESSION))) == 1


@pytest.mark.parametrize(
    "other",
    [start(rfid(OTHER_UID), session_id=SESSION), start(session_id=SESSION, evse_id="DE*CPO*E1*2")],
    ids=["another card", "another EVSE"],
)
@pytest.mark.parametrize("says_yes", [True, False])
async def test_a_second_different_start_of_a_session_is_refused(
    pair: tuple[Party, Party], other: AuthorizeStart, *, says_yes: bool
) -> None:
    cpo, emp = pair
    await cpo.send(AUTHORIZE_START, start(session_id=SESSION))
    if not says_yes:
        emp.emp.start = lambda _: denied()
    assert (await refused(cpo.send(AUTHORIZE_START, other))).code is Code.SESSION_INVALID
    assert b'"400"' in (await emp.answer(over_the_wire(other), "process"))[1]


async def test_another_peers_session_id_cannot_be_taken(world: World) -> None:
    emp = await world.party("emp", providers=("DE-ONE",))
    for name in ("cpo", "two"):
        other = await world.party(name, operators=(f"DE*{name.upper()}",))
        other.knows(emp)
        emp.knows(other)
    cpo, two = world.wire.parties["cpo"], world.wire.parties["two"]
    await cpo.send(AUTHORIZE_START, start(session_id=SESSION))
    theirs = AuthorizeStart(operator_id="DE*TWO", identification=rfid(), session_id=SESSION, evse_id=EVSE)
    assert (await refused(two.send(AUTHORIZE_START, theirs))).code is Code.SESSION_INVALID


async def test_a_start_without_session_id_is_recognised_by_the_partners_own_id(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    answers: list[bytes] = []
    for _ in range(2):
        call = over_the_wire(start(cpo_partner_session_id="theirs"))
        answers.append((await emp.answer(call, "process"))[1])
    assert answers[0] == answers[1]
    assert len(await emp.store.sessions()) == 1


async def test_an_evco_id_goes_to_its_provider_alone(world: World) -> None:
    cpo, emps = await providers(world, "one", "two")
    answer = await cpo.send(AUTHORIZE_START, start(plug_and_charge(EVCO)))
    assert answer.provider_id == "DE-ONE"
    assert not emps["two"].emp.starts


async def test_an_evco_id_of_a_sub_provider_goes_to_who_bundles_it(world: World) -> None:
    cpo, emps = await providers(world, "one")
    cpo.knows(emps["one"], sub_providers=("DE-SUB",))
    emps["one"].emp.start = lambda _: authorized("DE-SUB")
    answer = await cpo.send(AUTHORIZE_START, start(plug_and_charge("DE-SUB-C12345678-X")))
    assert answer.provider_id == "DE-SUB"


async def test_a_provider_nobody_claims_is_300(world: World) -> None:
    cpo, _ = await providers(world, "one")
    error = await refused(cpo.send(AUTHORIZE_START, start(plug_and_charge("DE-XYZ-C12345678-X"))))
    assert error.code is Code.PARTNER_NOT_FOUND


async def test_a_provider_nobody_claims_goes_to_the_hub(world: World) -> None:
    cpo, _ = await providers(world, "one")
    hub = await world.party("hub", providers=("DE-HUB",))
    cpo.knows(hub, providers=(), hub=True)
    hub.knows(cpo)
    hub.emp.start = lambda _: authorized("DE-XYZ")
    answer = await cpo.send(AUTHORIZE_START, start(plug_and_charge("DE-XYZ-C12345678-X")))
    assert answer.provider_id == "DE-XYZ"
    assert (await session_at(cpo, answer.session_id)).emp == "hub"


async def test_without_any_emp_the_answer_is_300(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",))
    assert (await refused(cpo.send(AUTHORIZE_START, start()))).code is Code.PARTNER_NOT_FOUND


async def test_when_no_emp_is_allowed_the_answer_is_210(world: World) -> None:
    cpo, _ = await providers(world, "one", "two", send=("PushEvseData",))
    assert (await refused(cpo.send(AUTHORIZE_START, start()))).code is Code.NO_VALID_CONTRACT


async def test_the_first_yes_wins_and_later_ones_are_surplus(world: World) -> None:
    cpo, _ = await providers(world, "one", "two", "six")
    world.wire.delays = {"one": 0.05, "six": 0.05}
    answer = await cpo.send(AUTHORIZE_START, start())
    assert answer.provider_id == "DE-TWO"
    await cpo.roaming.settle()
    session = await session_at(cpo, answer.session_id)
    assert session.emp == "two"
    surplus = [event.peer for event in await cpo.store.history(session.key) if "surplus" in event.operation]
    assert sorted(surplus) == ["one", "six"]


async def test_a_refusal_never_beats_an_approval(world: World) -> None:
    cpo, emps = await providers(world, "one", "two")
    emps["one"].emp.start = lambda _: denied(Code.EVCO_ID_LOCKED)
    world.wire.delays = {"two": 0.05}
    assert (await cpo.send(AUTHORIZE_START, start())).provider_id == "DE-TWO"


async def test_a_dead_peer_costs_nothing(world: World) -> None:
    cpo, _ = await providers(world, "one", "two", "six")
    world.wire.down, world.wire.silent = {"one"}, {"six"}
    assert (await cpo.send(AUTHORIZE_START, start())).provider_id == "DE-TWO"


async def test_who_does_not_answer_in_time_counts_as_310(world: World) -> None:
    cpo, _ = await providers(world, "one")
    cpo.limits = replace(LIMITS, authorize_deadline=0.1)
    cpo.restart()
    world.wire.silent = {"one"}
    assert (await refused(cpo.send(AUTHORIZE_START, start()))).code is Code.PARTNER_DID_NOT_RESPOND


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([Code.RFID_INVALID_UID, Code.EVCO_ID_LOCKED], Code.EVCO_ID_LOCKED),
        ([Code.NO_POSITIVE_AUTHENTICATION, Code.RFID_INVALID_UID], Code.RFID_INVALID_UID),
        ([Code.SERVICE_NOT_AVAILABLE, Code.NO_POSITIVE_AUTHENTICATION], Code.NO_POSITIVE_AUTHENTICATION),
        ([Code.SUCCESS, Code.PARTNER_DID_NOT_RESPOND], Code.NO_POSITIVE_AUTHENTICATION),
        ([Code.RFID_INVALID_UID, Code.PLC_INVALID_EVCO_ID], Code.PLC_INVALID_EVCO_ID),
        ([Code.UNAUTHORIZED_ACCESS, Code.PARTNER_DID_NOT_RESPOND], Code.PARTNER_DID_NOT_RESPOND),
    ],
)
async def test_the_most_useful_refusal_is_told(world: World, codes: list[Code], told: Code) -> None:
    cpo, emps = await providers(world, "one", "two")
    for emp, code in zip(emps.values(), codes, strict=True):
        emp.emp.start = partial(_deny, code)
    assert (await refused(cpo.send(AUTHORIZE_START, start()))).code is told


async def test_who_knew_a_card_before_is_asked_first(world: World) -> None:
    cpo, emps = await providers(world, "one", "two")
    emps["one"].emp.start = lambda _: denied()
    await cpo.send(AUTHORIZE_START, start())
    await cpo.send(AUTHORIZE_START, start(rfid(UID.lower())))
    assert [len(emp.emp.starts) for emp in emps.values()] == [1, 2]


async def test_when_who_knew_a_card_is_dead_the_others_are_asked_soon(world: World) -> None:
    cpo, emps = await providers(world, "one", "two")
    emps["one"].emp.start = lambda _: denied()
    await cpo.send(AUTHORIZE_START, start())
    emps["one"].emp.start = lambda _: authorized()
    world.wire.silent = {"two"}
    assert (await cpo.send(AUTHORIZE_START, start())).provider_id == "DE-ONE"
    world.wire.silent = set()
    await cpo.send(AUTHORIZE_START, start())
    assert [len(emp.emp.starts) for emp in emps.values()] == [3, 1]


async def test_a_session_id_the_provider_insists_on_is_followed(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    own = "11111111-2222-3333-4444-555555555555"
    world_answer = authorized("DE-ONE", session_id=own)
    answer = await _answered_by(cpo, emp, world_answer)
    assert answer.session_id == own
    assert (await session_at(cpo, own)).emp == "emp"


async def test_a_session_id_that_is_taken_or_no_session_id_is_not_followed(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(AUTHORIZE_START, start(session_id=SESSION))
    for insisted in (SESSION, "mine"):
        answer = await _answered_by(cpo, emp, authorized("DE-ONE", session_id=insisted))
        assert answer.session_id not in {SESSION, "mine"}


async def _answered_by(cpo: Party, emp: Party, answer: AuthorizationStart) -> AuthorizationStart:
    """The start as a foreign EMP answers it, which insists on an id of its own."""

    emp.foreign = encode(answer)
    return await cpo.send(AUTHORIZE_START, start())


async def test_a_provider_that_is_not_the_peers_is_not_believed(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.emp.start = lambda _: authorized("DE-TWO")
    assert (await cpo.send(AUTHORIZE_START, start())).provider_id == "DE-ONE"


async def test_an_operator_id_that_is_not_ours_is_refused(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    foreign = AuthorizeStart(operator_id="DE*XYZ", identification=rfid())
    assert (await refused(cpo.send(AUTHORIZE_START, foreign))).code is Code.UNAUTHORIZED_ACCESS
    assert not emp.emp.starts


async def test_a_pin_is_in_no_store(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    answer = await cpo.send(AUTHORIZE_START, start(qr_code("4711-0815")))
    assert emp.emp.starts[0].identification == qr_code("4711-0815")
    for party in pair:
        session = await session_at(party, answer.session_id)
        kept = [session.identification or b"", *(event.body for event in await party.store.history(session.key))]
        assert all(b"4711-0815" not in body for body in kept)
        assert all(EVCO.encode() in body for body in kept)


async def test_a_driver_of_ours_at_a_charge_point_of_ours_is_our_own_emps_to_decide(world: World) -> None:
    both = await world.party("both", operators=("DE*CPO",), providers=("DE-ONE",))
    answer = await both.send(AUTHORIZE_START, start())
    session = await session_at(both, answer.session_id)
    assert (session.cpo, session.emp, answer.provider_id) == (OWN, OWN, "DE-ONE")


def _deny(code: Code, _request: object) -> AuthorizationStart:
    return denied(code)
