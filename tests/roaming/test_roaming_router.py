"""Where messages go, as a table."""

from decimal import Decimal

import pytest

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp import operations as ops
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop, AuthorizeStart
from p2pnode.oicp.cdr import GetChargeDetailRecords
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_data import PullEvseData
from p2pnode.oicp.evse_status import PullEvseStatus, PullEvseStatusByOperatorId
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import OPERATIONS, AnyOperation
from p2pnode.oicp.pricing import PricingProductDataType, PullPricingProductData, PushPricingProductData
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.records import OWN
from p2pnode.roaming.router import RULES, Knowledge, resolve
from tests.roaming.roaming_messages import NOON, make, plug_and_charge, rfid


def peer(name: str, **entry: object) -> PeerEntry:
    return make(PeerEntry, name=name, url=f"http://127.0.0.1:1/{name}", tls="off", **entry)


ALPHA = peer("alpha", operators=("DE*ALF",), providers=("DE-ALF",))
BETA = peer("beta", operators=("DE*BET", "FR*BET"), evse_prefixes=("DE*ALF*E9", "DE*GAM*E1*2"))
GAMMA = peer("gamma", operators=("DE*GAM",), sub_operators=("DE*SUB",), evse_prefixes=("DE*GAM*E1",))
DELTA = peer("delta", providers=("DE-DEL",), sub_providers=("DE-SUB",))
GONE = peer("gone", operators=("DE*GON",), providers=("DE-GON",), enabled=False)
HUB = peer("hub", hub=True)
MUTE = peer("mute", operators=("DE*MUT",), providers=("DE-MUT",), send=("PushEvseData",))
TABLE = PeerTable([ALPHA, BETA, GAMMA, DELTA, GONE])
WITH_HUB = PeerTable([*TABLE.peers, HUB])
OWN_PARTY = OwnParty(("DE*OWN",), ("DE-OWN",))
NO_EMP = OwnParty(("DE*OWN",))


def start(evco_id: str | None = None) -> AuthorizeStart:
    identification = plug_and_charge(evco_id) if evco_id else rfid()
    return AuthorizeStart(operator_id="DE*OWN", identification=identification)


def remote_start(evse_id: str) -> AuthorizeRemoteStart:
    return AuthorizeRemoteStart(provider_id="DE-OWN", evse_id=evse_id, identification=plug_and_charge())


def pull(*operators: str) -> PullEvseData:
    return PullEvseData(
        provider_id="DE-OWN", geo_coordinates_response_format="Google", operator_ids=list(operators) or None
    )


def products(provider_id: str) -> PushPricingProductData:
    data = PricingProductDataType(
        operator_id="DE*OWN",
        provider_id=provider_id,
        pricing_default_price=Decimal(0),
        pricing_default_price_currency="EUR",
        pricing_default_reference_unit="HOUR",
        pricing_product_data_records=[],
    )
    return PushPricingProductData(action_type="fullLoad", pricing_product_data=data)


STOP = AuthorizeRemoteStop(session_id="x", provider_id="DE-OWN", evse_id="DE*ALF*E1")
CDRS = GetChargeDetailRecords(provider_id="DE-OWN", from_=NOON, to=NOON, operator_id=["DE*BET", "DE*BET", "DE*GAM"])
KNOWN = Knowledge(OWN_PARTY)

CASES: list[tuple[str, AnyOperation, OicpModel, PeerTable, Knowledge, list[str]]] = [
    ("EvcoID of a peer", ops.AUTHORIZE_START, start("DE-DEL-C12345678-X"), TABLE, KNOWN, ["delta"]),
    ("EvcoID of a sub provider", ops.AUTHORIZE_START, start("DE*SUB*123456*X"), TABLE, KNOWN, ["delta"]),
    ("EvcoID of our own", ops.AUTHORIZE_START, start("DE-OWN-C12345678-X"), TABLE, KNOWN, [OWN]),
    ("EvcoID nobody claims", ops.AUTHORIZE_START, start("DE-XYZ-C12345678-X"), WITH_HUB, KNOWN, ["hub"]),
    ("EvcoID of a disabled peer", ops.AUTHORIZE_START, start("DE-GON-C12345678-X"), WITH_HUB, KNOWN, ["hub"]),
    ("card", ops.AUTHORIZE_START, start(), TABLE, KNOWN, [OWN, "alpha", "delta"]),
    ("card, no EMP of our own", ops.AUTHORIZE_START, start(), TABLE, Knowledge(NO_EMP), ["alpha", "delta"]),
    (
        "card somebody knew before",
        ops.AUTHORIZE_START,
        start(),
        TABLE,
        Knowledge(NO_EMP, approved_by="delta"),
        ["delta", "alpha"],
    ),
    (
        "card known by a peer that is gone",
        ops.AUTHORIZE_START,
        start(),
        TABLE,
        Knowledge(NO_EMP, approved_by="gone"),
        ["alpha", "delta"],
    ),
    ("session", ops.AUTHORIZE_REMOTE_STOP, STOP, TABLE, Knowledge(OWN_PARTY, counterpart="gamma"), ["gamma"]),
    ("session with ourselves", ops.AUTHORIZE_REMOTE_STOP, STOP, TABLE, Knowledge(OWN_PARTY, counterpart=OWN), [OWN]),
    ("EVSE of an operator", ops.AUTHORIZE_REMOTE_START, remote_start("DE*ALF*E1"), TABLE, KNOWN, ["alpha"]),
    ("EVSE of a sub operator", ops.AUTHORIZE_REMOTE_START, remote_start("DESUBE1"), TABLE, KNOWN, ["gamma"]),
    ("EVSE of our own", ops.AUTHORIZE_REMOTE_START, remote_start("DE*OWN*E1"), TABLE, KNOWN, [OWN]),
    ("EVSE by prefix", ops.AUTHORIZE_REMOTE_START, remote_start("DEALFE9*7"), TABLE, KNOWN, ["beta"]),
    ("EVSE by the longer prefix", ops.AUTHORIZE_REMOTE_START, remote_start("DE*GAM*E123"), TABLE, KNOWN, ["beta"]),
    ("EVSE by the shorter prefix", ops.AUTHORIZE_REMOTE_START, remote_start("DE*GAM*E13"), TABLE, KNOWN, ["gamma"]),
    (
        "EVSE a peer has published",
        ops.AUTHORIZE_REMOTE_START,
        remote_start("DE*ALF*E9"),
        TABLE,
        Knowledge(OWN_PARTY, evse_owner="gamma"),
        ["gamma"],
    ),
    (
        "EVSE a peer has published that is gone",
        ops.AUTHORIZE_REMOTE_START,
        remote_start("DE*ALF*E1"),
        TABLE,
        Knowledge(OWN_PARTY, evse_owner="gone"),
        ["alpha"],
    ),
    (
        "EVSE a hub shows, of an operator that is a peer itself",
        ops.AUTHORIZE_REMOTE_START,
        remote_start("DE*ALF*E1"),
        WITH_HUB,
        Knowledge(OWN_PARTY, evse_owner="hub"),
        ["alpha"],
    ),
    (
        "EVSE one of two hubs shows",
        ops.AUTHORIZE_REMOTE_START,
        remote_start("DE*XYZ*E1"),
        PeerTable([*WITH_HUB.peers, peer("hub-2", hub=True)]),
        Knowledge(OWN_PARTY, evse_owner="hub-2"),
        ["hub-2"],
    ),
    ("EVSE nobody claims", ops.AUTHORIZE_REMOTE_START, remote_start("DE*XYZ*E1"), WITH_HUB, KNOWN, ["hub"]),
    ("EvseID without operator", ops.AUTHORIZE_REMOTE_START, remote_start("strange"), WITH_HUB, KNOWN, ["hub"]),
    (
        "start of a reserved session",
        ops.AUTHORIZE_REMOTE_START,
        remote_start("DE*ALF*E1"),
        TABLE,
        Knowledge(OWN_PARTY, counterpart="beta"),
        ["beta"],
    ),
    ("products for all", ops.PUSH_PRICING_PRODUCT_DATA, products("*"), TABLE, KNOWN, ["alpha", "delta"]),
    ("products for one", ops.PUSH_PRICING_PRODUCT_DATA, products("DE*DEL"), TABLE, KNOWN, ["delta"]),
    ("pull of everything", ops.PULL_EVSE_DATA, pull(), TABLE, KNOWN, ["alpha", "beta", "gamma"]),
    ("pull of operators", ops.PULL_EVSE_DATA, pull("FRBET", "DE*BET", "DE*SUB"), TABLE, KNOWN, ["beta", "gamma"]),
    ("pull of an unclaimed operator", ops.PULL_EVSE_DATA, pull("DE*XYZ"), WITH_HUB, KNOWN, ["hub"]),
    (
        "status of operators",
        ops.PULL_EVSE_STATUS_BY_OPERATOR_ID,
        PullEvseStatusByOperatorId(provider_id="DE-OWN", operator_id=["DE*GAM"]),
        TABLE,
        KNOWN,
        ["gamma"],
    ),
    (
        "status of all",
        ops.PULL_EVSE_STATUS,
        PullEvseStatus(provider_id="DE-OWN"),
        TABLE,
        KNOWN,
        ["alpha", "beta", "gamma"],
    ),
    (
        "prices",
        ops.PULL_PRICING_PRODUCT_DATA,
        PullPricingProductData(operator_ids=["DE*ALF"]),
        TABLE,
        KNOWN,
        ["alpha"],
    ),
    ("CDRs", ops.GET_CHARGE_DETAIL_RECORDS, CDRS, TABLE, KNOWN, ["beta", "gamma"]),
    ("named peer", ops.PULL_EVSE_DATA, pull("DE*ALF"), TABLE, Knowledge(OWN_PARTY, to="beta"), ["beta"]),
]


@pytest.mark.parametrize(
    ("operation", "message", "peers", "knowledge", "names"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_message_goes_to_whom_it_concerns(
    operation: AnyOperation, message: OicpModel, peers: PeerTable, knowledge: Knowledge, names: list[str]
) -> None:
    found = resolve(operation, message, peers, knowledge)
    assert [destination.name for destination in found] == names
    assert all(destination.reason.endswith(".") for destination in found)


@pytest.mark.parametrize(
    ("operation", "message", "peers", "knowledge", "code"),
    [
        (ops.AUTHORIZE_START, start(), PeerTable(), Knowledge(NO_EMP), Code.PARTNER_NOT_FOUND),
        (ops.AUTHORIZE_START, start(), PeerTable([MUTE]), Knowledge(NO_EMP), Code.NO_VALID_CONTRACT),
        (ops.AUTHORIZE_START, start("DE-XYZ-C12345678-X"), TABLE, KNOWN, Code.PARTNER_NOT_FOUND),
        (ops.AUTHORIZE_REMOTE_START, remote_start("DE*GON*E1"), TABLE, KNOWN, Code.PARTNER_NOT_FOUND),
        (ops.AUTHORIZE_REMOTE_START, remote_start("DE*MUT*E1"), PeerTable([MUTE]), KNOWN, Code.NO_VALID_CONTRACT),
        (ops.PULL_EVSE_DATA, pull(), TABLE, Knowledge(OWN_PARTY, to="gone"), Code.PARTNER_NOT_FOUND),
        (ops.PULL_EVSE_DATA, pull(), TABLE, Knowledge(OWN_PARTY, to="nobody"), Code.PARTNER_NOT_FOUND),
        (ops.AUTHORIZE_REMOTE_STOP, STOP, TABLE, KNOWN, Code.PARTNER_NOT_FOUND),
    ],
)
def test_no_route_is_300_and_a_forbidden_one_210(
    operation: AnyOperation, message: OicpModel, peers: PeerTable, knowledge: Knowledge, code: Code
) -> None:
    with pytest.raises(ProtocolError) as refusal:
        resolve(operation, message, peers, knowledge)
    assert refusal.value.code is code


def test_every_operation_has_a_rule() -> None:
    assert set(RULES) == set(OPERATIONS)


def test_what_comes_from_a_hub_goes_to_no_other_hub_and_the_refusal_says_so() -> None:
    hubs = PeerTable([HUB, peer("further", hub=True)])
    with pytest.raises(ProtocolError, match="goes to no other hub") as refused:
        resolve(ops.AUTHORIZE_REMOTE_START, remote_start("DE*ZZZ*E1"), hubs, Knowledge(NO_EMP, source=HUB))
    assert refused.value.code == Code.PARTNER_NOT_FOUND
    with pytest.raises(ProtocolError, match="no peer in the peer table is responsible"):
        resolve(ops.AUTHORIZE_REMOTE_START, remote_start("DE*ZZZ*E1"), TABLE, Knowledge(NO_EMP, source=HUB))
