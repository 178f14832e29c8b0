"""A hub peer beside direct peers: one network, and every party is reached once, directly where that is possible."""

from datetime import timedelta

import pytest

from p2pnode.config.peers import PeerTable
from p2pnode.oicp import operations as ops
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.cdr import GetChargeDetailRecords
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_data import PullEvseData
from p2pnode.oicp.evse_status import PullEvseStatus
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import OWN
from tests.roaming.roaming_messages import (
    EVSE,
    NOON,
    SESSION,
    START,
    STOP,
    authorized,
    decoded,
    denied,
    make,
    plug_and_charge,
    remote,
    rfid,
)
from tests.roaming.roaming_world import PATIENT, Call, Party, World, refused
from tests.roaming.test_roaming_cdrs import cdr
from tests.roaming.test_roaming_evse_data import pull, push


async def triangle(world: World, *, through_hub: bool = False) -> tuple[Party, Party, Party]:
    """A CPO and an EMP that know each other and a hub, and the hub."""
    cpo, hub, emp = await world.star()
    cpo.knows(emp, through_hub=through_hub)
    emp.knows(cpo, through_hub=through_hub)
    return cpo, hub, emp


async def test_a_card_is_asked_of_the_hub_only_once_every_direct_peer_has_refused_it(world: World) -> None:
    cpo, hub, emp = await triangle(world)
    far = await world.party("far", providers=("DE-FAR",), limits=PATIENT)
    far.knows(hub, hub=True)
    hub.knows(far)
    assert (await cpo.send(ops.AUTHORIZE_START, START)).provider_id == "DE-ONE"
    assert world.path(ops.AUTHORIZE_START) == [("cpo", "emp")]

    world.wire.calls.clear()
    emp.emp.start = lambda _: denied()
    other_card = START.model_copy(update={"session_id": None, "identification": rfid("04FFFFFFFFFFFF")})
    answer = await cpo.send(ops.AUTHORIZE_START, other_card)
    assert answer.provider_id == "DE-FAR"
    assert world.path(ops.AUTHORIZE_START) == [("cpo", "emp"), ("cpo", "relay"), ("relay", "far")]


async def test_the_hub_asks_a_direct_peer_that_could_not_be_reached(world: World) -> None:
    cpo, _, emp = await triangle(world, through_hub=True)
    cpo.knows(emp, url="http://127.0.0.1:1/gone", name="emp-of-old", through_hub=True)
    cpo.peers = PeerTable(peer for peer in cpo.peers.peers if peer.name != "emp")
    assert (await cpo.send(ops.AUTHORIZE_START, START)).authorized
    assert world.path(ops.AUTHORIZE_START) == [("cpo", "emp-of-old"), ("cpo", "relay"), ("relay", "emp")]


async def test_a_session_goes_on_through_the_hub_when_the_direct_peer_is_gone_and_both_ends_know_it(
    world: World,
) -> None:
    cpo, _, emp = await triangle(world, through_hub=True)
    contract = START.model_copy(update={"identification": plug_and_charge()})
    await cpo.send(ops.AUTHORIZE_START, contract)
    cpo.forgets(emp)
    stop = STOP.model_copy(update={"identification": plug_and_charge()})
    assert (await cpo.send(ops.AUTHORIZE_STOP, stop)).authorized
    assert (await cpo.send(ops.CHARGE_DETAIL_RECORD, cdr())).result
    await emp.roaming.settle()
    assert len(emp.emp.cdrs) == 1
    for operation in (ops.AUTHORIZE_STOP, ops.CHARGE_DETAIL_RECORD):
        assert world.path(operation) == [("cpo", "relay"), ("relay", "emp")]


async def test_the_cdr_of_a_card_finds_its_emp_through_the_hub_by_the_hub_provider_id(world: World) -> None:
    cpo, _, emp = await triangle(world, through_hub=True)
    await cpo.send(ops.AUTHORIZE_START, START)
    cpo.forgets(emp)
    assert (await cpo.send(ops.CHARGE_DETAIL_RECORD, cdr())).result
    await emp.roaming.settle()
    (body,) = emp.emp.cdrs
    assert decoded(body)["HubProviderID"] == "DE-ONE"


async def test_an_app_stops_through_the_hub_what_it_started_directly(world: World) -> None:
    cpo, _, emp = await triangle(world, through_hub=True)
    start = AuthorizeRemoteStart(session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE, identification=remote())
    assert (await emp.send(ops.AUTHORIZE_REMOTE_START, start)).result
    emp.forgets(cpo)
    stop = AuthorizeRemoteStop(session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE)
    assert (await emp.send(ops.AUTHORIZE_REMOTE_STOP, stop)).result
    assert world.path(ops.AUTHORIZE_REMOTE_STOP) == [("emp", "relay"), ("relay", "cpo")]
    assert cpo.cpo.asked[-1] == stop


async def test_a_hub_takes_over_no_session_under_another_id_and_a_direct_peer_none_of_another_peer(
    world: World,
) -> None:
    cpo, hub, emp = await triangle(world, through_hub=True)
    thief = await world.party("thief", operators=("DE*THI",), limits=PATIENT)
    thief.knows(emp)
    thief.knows(hub, hub=True)
    emp.knows(thief, through_hub=True)
    hub.knows(thief)
    await cpo.send(ops.AUTHORIZE_START, START)
    stolen = STOP.model_copy(update={"operator_id": "DE*THI"})
    for way in ("thief", "relay"):
        peer = emp.peers.get(way)
        assert peer is not None
        call = Call(way, "emp", ops.AUTHORIZE_STOP, encode(stolen), "DE*THI", None)
        _, body = await emp.answer(call, "process")
        assert decoded(body)["StatusCode"]["Code"] == Code.SESSION_INVALID


async def test_a_hub_does_not_speak_for_our_own_party(world: World) -> None:
    await triangle(world)
    both = await world.party("both", operators=("DE*BTH",), providers=("DE-BTH",), limits=PATIENT)
    hub = world.wire.parties["relay"]
    both.knows(hub, hub=True)
    hub.knows(both)
    for caller, code in (("DE*BTH", Code.UNAUTHORIZED_ACCESS), ("DEBTH", Code.UNAUTHORIZED_ACCESS), ("DE*CPO", "000")):
        message = START.model_copy(update={"operator_id": caller, "evse_id": f"{caller}*E1".replace("DEB", "DE*B")})
        call = Call("relay", "both", ops.AUTHORIZE_START, encode(message), caller, None)
        _, body = await both.answer(call, f"process of {caller}")
        assert decoded(body)["StatusCode"]["Code"] == code


async def test_a_remote_start_goes_directly_and_through_the_hub_once_the_direct_peer_is_gone(world: World) -> None:
    cpo, _, emp = await triangle(world, through_hub=True)
    await cpo.send_raw(ops.PUSH_EVSE_DATA, push("fullLoad", EVSE))
    start = AuthorizeRemoteStart(provider_id="DE-ONE", evse_id=EVSE, identification=remote())
    assert (await emp.send(ops.AUTHORIZE_REMOTE_START, start)).result
    assert world.path(ops.AUTHORIZE_REMOTE_START) == [("emp", "cpo")]
    world.wire.calls.clear()
    emp.forgets(cpo)
    answer = await emp.send(ops.AUTHORIZE_REMOTE_START, start)
    assert answer.result
    assert world.path(ops.AUTHORIZE_REMOTE_START) == [("emp", "relay"), ("relay", "cpo")]


async def test_what_a_direct_peer_and_a_hub_that_is_no_relay_both_show_is_served_once(world: World) -> None:
    cpo, hub, emp = await triangle(world)
    cpo.knows(hub, hub=True, dialect="hubject")
    await cpo.send_raw(ops.PUSH_EVSE_DATA, push("fullLoad", EVSE))
    status = {"OperatorID": "DE*CPO", "EvseStatusRecord": [{"EvseID": EVSE, "EvseStatus": "Available"}]}
    await cpo.send_raw(ops.PUSH_EVSE_STATUS, encode({"ActionType": "fullLoad", "OperatorEvseStatus": status}))
    assert {found.owner for found in await emp.store.evse_owners("DE*CPO*E11")} == {"cpo", "relay"}
    page = decoded(await emp.send_raw(ops.PULL_EVSE_DATA, pull()))
    assert [record["EvseID"] for record in page["content"]] == [EVSE]
    told = decoded(await emp.send_raw(ops.PULL_EVSE_STATUS, make(PullEvseStatus, provider_id="DE-ONE")))
    assert len(told["EvseStatuses"]["OperatorEvseStatus"]) == 1
    emp.forgets(cpo)
    page = decoded(await emp.send_raw(ops.PULL_EVSE_DATA, pull()))
    assert [record["EvseID"] for record in page["content"]] == [EVSE]
    assert hub.own.operators == ()


async def test_a_relay_with_a_hub_shows_a_direct_peers_own_copy_and_gives_the_hubs_to_nobody(world: World) -> None:
    cpo, relay, emp = await world.star()
    hub = await world.party("hub", relay=True, limits=PATIENT)
    relay.knows(hub, hub=True)
    hub.knows(relay, cpo, hub=False)
    cpo.knows(hub, hub=True)
    await cpo.send_raw(ops.PUSH_EVSE_DATA, push("fullLoad", EVSE))
    assert {found.owner for found in await relay.store.evse_owners("DE*CPO*E11")} >= {"cpo"}
    to_emp = [call for call in world.wire.to("emp", ops.PUSH_EVSE_DATA) if call.source == "relay"]
    assert len(to_emp) == 1
    page = decoded(await emp.send_raw(ops.PULL_EVSE_DATA, make(PullEvseData, **pull().__dict__)))
    assert [record["EvseID"] for record in page["content"]] == [EVSE]


@pytest.mark.parametrize("gone", [False, True], ids=["direct", "through the hub"])
async def test_authentication_data_of_a_direct_peer_counts_before_the_hubs_copy(world: World, *, gone: bool) -> None:
    cpo, hub, emp = await triangle(world)
    emp.knows(hub, hub=True, dialect="hubject")
    card = {"Identification": {"RFIDMifareFamilyIdentification": {"UID": rfid().uid}}}
    data = {"ProviderID": "DE-ONE", "AuthenticationDataRecord": [card]}
    await emp.send_raw(
        ops.PUSH_AUTHENTICATION_DATA, encode({"ActionType": "fullLoad", "ProviderAuthenticationData": data})
    )
    if gone:
        cpo.forgets(emp)
    assert (await cpo.send(ops.AUTHORIZE_START, START)).authorized
    session = await cpo.store.session(session_key(SESSION))
    assert session is not None
    assert (session.cpo, session.emp) == (OWN, "relay" if gone else "emp")
    assert world.path(ops.AUTHORIZE_START) == []


async def test_a_cdr_of_sub_partners_names_who_bundles_them(world: World) -> None:
    cpo, relay, emp = await world.star()
    bundles = {"cpo": {"sub_operators": ("DE*SUB",)}, "emp": {"sub_providers": ("DE-TWO",)}}
    relay.peers = PeerTable(peer.model_copy(update=bundles[peer.name]) for peer in relay.peers.peers)
    start = START.model_copy(update={"evse_id": "DE*SUB*E1", "identification": plug_and_charge("DE-TWO-C12345678-X")})
    assert (await cpo.send(ops.AUTHORIZE_START, start)).authorized
    record = cdr(evse_id="DE*SUB*E1", identification=plug_and_charge("DE-TWO-C12345678-X"))
    for _ in range(2):
        assert (await cpo.send(ops.CHARGE_DETAIL_RECORD, record)).result
    await emp.roaming.settle()
    (body,) = emp.emp.cdrs
    assert (decoded(body)["HubOperatorID"], decoded(body)["HubProviderID"]) == ("DE*CPO", "DE-ONE")


async def test_a_hub_does_not_speak_for_a_direct_peer_unless_its_entry_says_so(world: World) -> None:
    cpo, _, emp = await triangle(world)
    start = AuthorizeRemoteStart(session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE, identification=remote())
    stop = AuthorizeRemoteStop(session_id=SESSION, provider_id="DE-ONE", evse_id=EVSE)
    assert (await emp.send(ops.AUTHORIZE_REMOTE_START, start)).result
    for operation, message in (
        (ops.AUTHORIZE_REMOTE_STOP, stop),
        (ops.AUTHORIZE_REMOTE_START, start.model_copy(update={"session_id": None})),
    ):
        call = Call("relay", "cpo", operation, encode(message), "deone", None)
        _, body = await cpo.answer(call, "a forgery")
        status = decoded(body)["StatusCode"]
        assert status["Code"] == Code.UNAUTHORIZED_ACCESS
        assert "through_hub = true" in status["AdditionalInfo"]
    assert cpo.cpo.asked == [start]
    assert (await cpo.store.session(session_key(SESSION))) is not None

    cpo.knows(emp, through_hub=True)
    _, body = await cpo.answer(Call("relay", "cpo", ops.AUTHORIZE_REMOTE_STOP, encode(stop), "DE-ONE", None), "a stop")
    assert decoded(body)["Result"] is True


async def test_what_began_through_the_hub_ends_through_it_also_once_its_party_is_a_direct_peer(world: World) -> None:
    cpo, _, emp = await world.star()
    contract = START.model_copy(update={"identification": plug_and_charge()})
    assert (await cpo.send(ops.AUTHORIZE_START, contract)).authorized
    emp.knows(cpo)
    stop = STOP.model_copy(update={"identification": plug_and_charge()})
    assert (await cpo.send(ops.AUTHORIZE_STOP, stop)).authorized
    assert (await cpo.send(ops.CHARGE_DETAIL_RECORD, cdr())).result
    await emp.roaming.settle()
    assert len(emp.emp.cdrs) == 1


async def test_a_hubs_yes_in_the_name_of_a_direct_peer_is_none(world: World) -> None:
    cpo, hub, emp = await triangle(world)
    emp.emp.start = lambda _: denied()
    hub.foreign = encode(authorized("DE-ONE"))
    assert (await refused(cpo.send(ops.AUTHORIZE_START, START))).code is Code.RFID_INVALID_UID
    hub.foreign = encode(authorized("DE-FAR"))
    assert (await cpo.send(ops.AUTHORIZE_START, START)).provider_id == "DE-FAR"


async def test_cdrs_of_named_sessions_are_pulled_through_a_node_with_a_hub(world: World) -> None:
    cpo, _, emp = await triangle(world)
    await cpo.send(ops.AUTHORIZE_START, START)
    assert (await cpo.send(ops.CHARGE_DETAIL_RECORD, cdr())).result
    asked = GetChargeDetailRecords(
        provider_id="DE-ONE", from_=NOON - timedelta(days=1), to=NOON + timedelta(days=1), session_id=[SESSION]
    )
    page = decoded(await emp.send_raw(ops.GET_CHARGE_DETAIL_RECORDS, asked, to="cpo"))
    assert [record["SessionID"] for record in page["content"]] == [SESSION]


@pytest.mark.parametrize(
    ("in_path", "in_body", "code"),
    [
        ("DE*FAR", "DE*CPO", Code.UNAUTHORIZED_ACCESS),
        ("DE*CPO", "DE*FAR", Code.UNAUTHORIZED_ACCESS),
        ("DE*FAR", "DE*BTH", Code.UNAUTHORIZED_ACCESS),
        ("DE*FAR", "DE*FAR", Code.SUCCESS),
    ],
)
async def test_a_hub_speaks_for_nobody_in_the_body_whom_it_does_not_speak_for_in_the_path(
    world: World, in_path: str, in_body: str, code: Code
) -> None:
    cpo, hub, _ = await triangle(world)
    both = await world.party("both", operators=("DE*BTH",), providers=("DE-BTH",), limits=PATIENT)
    both.knows(hub, hub=True)
    both.knows(cpo)
    message = START.model_copy(update={"operator_id": in_body, "evse_id": f"{in_body}*E1"})
    _, body = await both.answer(Call("relay", "both", ops.AUTHORIZE_START, encode(message), in_path, None), "process")
    assert decoded(body)["StatusCode"]["Code"] == code
