"""What is written otherwise to Hubject and to WWCP_OICP than to a peer that keeps to the specification.

`RULES` is the whole difference, as data: in which messages of which dialect, at which objects, what is changed, and
why. Reading knows no dialects, every form is read from everybody.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import product
from typing import Literal

from p2pnode.oicp import operations as ops
from p2pnode.oicp.codec import BOM
from p2pnode.oicp.errata import (
    E001,
    E002,
    E003,
    E004,
    E005,
    E008,
    E009,
    E012,
    E013,
    E014,
    E015,
    E016,
    E018,
    E020,
    E021,
    E023,
)
from p2pnode.oicp.errors import InvalidMessage, ProtocolError
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.rewriting import (
    Change,
    a_period_each,
    all_named,
    as_list,
    as_object,
    as_one,
    as_text,
    as_whole,
    copied_down,
    edited,
    for_provider,
    left_out,
    named_after,
    renamed,
    replaced,
    upper_case,
)

Dialect = Literal["oicp", "hubject", "wwcp"]
Side = Literal["request", "answer"]

HUBJECT: tuple[Dialect, ...] = ("hubject",)
WWCP: tuple[Dialect, ...] = ("wwcp",)
BOTH: tuple[Dialect, ...] = ("hubject", "wwcp")

UNPARSABLE_URL = "URL parameter could not be parsed"
"""What one build of WWCP_OICP answers to every push and pull, with 021."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One difference: `change` is made at every object at `path` of these messages; lists on the way are walked.

    `why` is the id of an erratum, or a sentence.
    """

    dialects: tuple[Dialect, ...]
    operations: tuple[AnyOperation, ...]
    side: Side
    path: tuple[str, ...]
    change: Change
    why: str


NOTIFICATIONS = (
    ops.CHARGING_NOTIFICATION_START,
    ops.CHARGING_NOTIFICATION_PROGRESS,
    ops.CHARGING_NOTIFICATION_END,
    ops.CHARGING_NOTIFICATION_ERROR,
)
AUTHORIZATIONS = (ops.AUTHORIZE_START, ops.AUTHORIZE_STOP)
RESERVATIONS = (ops.AUTHORIZE_REMOTE_RESERVATION_START, ops.AUTHORIZE_REMOTE_RESERVATION_STOP)
STARTS = (ops.AUTHORIZE_REMOTE_START, ops.AUTHORIZE_REMOTE_RESERVATION_START)
STATUS_PULLS = (ops.PULL_EVSE_STATUS, ops.PULL_EVSE_STATUS_BY_OPERATOR_ID)
PRICE_PULLS = (ops.PULL_PRICING_PRODUCT_DATA, ops.PULL_EVSE_PRICING)

EVSE_BLOCK = ("OperatorEvseData",)
EVSES = (*EVSE_BLOCK, "EvseDataRecord")
MEDIA = ("ProviderAuthenticationData", "AuthenticationDataRecord", "Identification")
PRODUCTS = "PricingProductDataRecords"
ENERGIES = ("MeterValueStart", "MeterValueEnd", "ConsumedEnergy", "ConsumedEnergyProgress")
CARDS = ("RFIDMifareFamilyIdentification", "RFIDIdentification")
"""The options of an Identification that hold a UID."""

_IDENTIFIED: tuple[tuple[tuple[AnyOperation, ...], Side, tuple[str, ...]], ...] = (
    ((*AUTHORIZATIONS, *NOTIFICATIONS, *STARTS, ops.CHARGE_DETAIL_RECORD), "request", ("Identification",)),
    ((ops.PUSH_AUTHENTICATION_DATA,), "request", MEDIA),
    ((ops.PULL_AUTHENTICATION_DATA,), "answer", ("AuthenticationData", *MEDIA)),
    ((ops.AUTHORIZE_START,), "answer", ("AuthorizationStopIdentifications",)),
    ((ops.GET_CHARGE_DETAIL_RECORDS,), "answer", ("content", "Identification")),
)
"""Where an Identification stands."""

_PRODUCTS: tuple[tuple[AnyOperation, Side, tuple[str, ...]], ...] = (
    (ops.PUSH_PRICING_PRODUCT_DATA, "request", ("PricingProductData",)),
    (ops.PULL_PRICING_PRODUCT_DATA, "answer", ("PricingProductData",)),
)
"""Where the products of an operator stand."""

RULES: tuple[Rule, ...] = (
    # EVSE data
    Rule(HUBJECT, (ops.PUSH_EVSE_DATA,), "request", EVSES, renamed(*E002.forms), E002.id),
    Rule(WWCP, (ops.PUSH_EVSE_DATA,), "request", EVSES, renamed(*E002.forms[::-1]), E002.id),
    Rule(
        HUBJECT,
        (ops.PUSH_EVSE_DATA,),
        "request",
        EVSES,
        left_out("OperatorID", "OperatorName"),
        "the schema knows them beside the records only",
    ),
    Rule(
        WWCP,
        (ops.PUSH_EVSE_DATA,),
        "request",
        EVSE_BLOCK,
        copied_down("EvseDataRecord", "OperatorID", "OperatorName"),
        "it reads them inside each record",
    ),
    Rule(BOTH, (ops.PUSH_EVSE_DATA,), "request", (*EVSES, "ChargingFacilities"), renamed("power", "Power"), E003.id),
    Rule(HUBJECT, (ops.PUSH_EVSE_DATA,), "request", (*EVSES, "ChargingFacilities"), as_whole("Power"), E003.id),
    Rule(BOTH, (ops.PUSH_EVSE_DATA,), "request", (*EVSES, "OpeningTimes"), renamed("Periods", "Period"), E012.id),
    Rule(BOTH, (ops.PUSH_EVSE_DATA,), "request", (*EVSES, "OpeningTimes"), renamed("On", "on"), E012.id),
    Rule(BOTH, (ops.PUSH_EVSE_DATA,), "request", (*EVSES, "OpeningTimes"), as_list("Period"), E012.id),
    Rule(BOTH, (ops.PUSH_EVSE_DATA,), "request", EVSES, as_list("OpeningTimes"), E012.id),
    Rule(BOTH, (ops.PUSH_EVSE_DATA,), "request", EVSES, as_text("DynamicInfoAvailable"), E021.id),
    Rule(BOTH, (ops.PULL_EVSE_DATA,), "request", (), renamed(*E018.forms[::-1]), E018.id),
    # status
    Rule(
        WWCP,
        (ops.PUSH_EVSE_STATUS,),
        "request",
        ("OperatorEvseStatus",),
        named_after("OperatorName", "OperatorID"),
        "it needs a name; where none is known the id stands for it",
    ),
    Rule(
        WWCP,
        STATUS_PULLS,
        "answer",
        ("EvseStatuses", "OperatorEvseStatus"),
        named_after("OperatorName", "OperatorID"),
        "as in a push",
    ),
    Rule(HUBJECT, (ops.PULL_EVSE_STATUS,), "request", (), renamed(*E009.forms), E009.id),
    # prices
    Rule(BOTH, PRICE_PULLS, "request", (), renamed(*E018.forms), E018.id),
    *(
        rule
        for operation, side, path in _PRODUCTS
        for rule in (
            Rule(HUBJECT, (operation,), side, (*path, PRODUCTS), as_list("ProductAvailabilityTimes"), E013.id),
            Rule(
                HUBJECT,
                (operation,),
                side,
                (*path, PRODUCTS, "ProductAvailabilityTimes"),
                renamed("Period", "Periods"),
                E013.id,
            ),
            Rule(
                HUBJECT, (operation,), side, (*path, PRODUCTS, "ProductAvailabilityTimes"), as_list("Periods"), E013.id
            ),
            Rule(BOTH, (operation,), side, (*path, PRODUCTS, "ProductAvailabilityTimes"), renamed("On", "on"), E013.id),
            Rule(WWCP, (operation,), side, (*path, PRODUCTS), a_period_each("ProductAvailabilityTimes"), E013.id),
            Rule(WWCP, (operation,), side, path, for_provider("ProviderID"), "it refuses * as a provider"),
        )
    ),
    Rule(WWCP, (ops.PULL_PRICING_PRODUCT_DATA,), "answer", (), renamed(*E014.forms), E014.id),
    Rule(
        WWCP,
        (ops.PUSH_EVSE_PRICING,),
        "request",
        ("EVSEPricing",),
        for_provider("ProviderID"),
        "it refuses * as a provider",
    ),
    *(
        Rule(
            BOTH,
            (ops.PULL_EVSE_PRICING,),
            "answer",
            (outer, "EVSEPricing"),
            for_provider("ProviderID"),
            "its schema, or its reader, refuses * as a provider",
        )
        for outer in E015.forms
    ),
    Rule(HUBJECT, (ops.PULL_EVSE_PRICING,), "answer", (), all_named(*E015.forms[::-1]), E015.id),
    # charging
    Rule(HUBJECT, RESERVATIONS, "request", (), renamed(*E005.forms), E005.id),
    Rule(WWCP, RESERVATIONS, "request", (), renamed(*E005.forms[::-1]), E005.id),
    Rule(
        BOTH,
        (ops.CHARGING_NOTIFICATION_ERROR,),
        "request",
        (),
        replaced("ErrorType", dict(zip(E016.forms[1::2], E016.forms[::2], strict=True))),
        E016.id,
    ),
    Rule(
        BOTH,
        (*NOTIFICATIONS[1:3], ops.CHARGE_DETAIL_RECORD),
        "request",
        (),
        as_object("MeterValueInBetween", "meterValues"),
        E023.id,
    ),
    Rule(WWCP, NOTIFICATIONS, "request", (), as_text(*ENERGIES), "it reads energies as texts"),
    Rule(
        WWCP, NOTIFICATIONS, "request", ("MeterValueInBetween",), as_text("meterValues"), "it reads energies as texts"
    ),
    *(
        Rule(WWCP, operations, side, (*path, card), upper_case("UID"), "it reads upper case only")
        for (operations, side, path), card in product(_IDENTIFIED, CARDS)
    ),
    Rule(
        HUBJECT,
        (ops.PUSH_AUTHENTICATION_DATA,),
        "request",
        (*MEDIA, "QRCodeIdentification"),
        as_object("HashedPIN", "Value", Function="Bcrypt"),
        E020.id,
    ),
    # CDRs
    Rule(BOTH, (ops.CHARGE_DETAIL_RECORD,), "request", (), renamed(*E001.forms[::-1]), E001.id),
    Rule(HUBJECT, (ops.GET_CHARGE_DETAIL_RECORDS,), "answer", ("content",), renamed(*E001.forms), E001.id),
    Rule(HUBJECT, (ops.GET_CHARGE_DETAIL_RECORDS,), "request", (), renamed(*E004.forms), E004.id),
    Rule(WWCP, (ops.GET_CHARGE_DETAIL_RECORDS,), "request", (), renamed(*E004.forms[::-1]), E004.id),
    Rule(HUBJECT, (ops.GET_CHARGE_DETAIL_RECORDS,), "request", (), as_one("OperatorID"), E008.id),
    Rule(WWCP, (ops.GET_CHARGE_DETAIL_RECORDS,), "request", (), as_list("OperatorID"), E008.id),
)


def _by_message() -> Mapping[tuple[Dialect, AnyOperation, Side], tuple[Rule, ...]]:
    found: dict[tuple[Dialect, AnyOperation, Side], list[Rule]] = defaultdict(list)
    for rule in RULES:
        for dialect, operation in product(rule.dialects, rule.operations):
            found[dialect, operation, rule.side].append(rule)
    return {key: tuple(rules) for key, rules in found.items()}


_RULES = _by_message()


FROM_SESSION: Mapping[tuple[Dialect, AnyOperation], tuple[str, ...]] = {
    **{("wwcp", operation): ("Identification",) for operation in NOTIFICATIONS},
    ("wwcp", ops.CHARGING_NOTIFICATION_END): ("Identification", "ChargingStart"),
}
"""Optional members that a dialect demands: a sender that has none takes them from the session."""


def path_of(dialect: Dialect, operation: AnyOperation) -> str:
    """The path an operation is called at: WWCP_OICP has paths of its own."""
    return operation.other_paths[0] if dialect == "wwcp" and operation.other_paths else operation.path


def http_of(dialect: Dialect, error: ProtocolError) -> HTTPStatus:
    """The HTTP status of a refusal: WWCP_OICP sends again and again what was answered with anything but 200."""
    return HTTPStatus.OK if dialect == "wwcp" and isinstance(error, InvalidMessage) else error.http


def write_request(dialect: Dialect, operation: AnyOperation, body: bytes, *, provider_id: str | None = None) -> bytes:
    """The body of a request as a peer of this dialect reads it; the same object where nothing is changed.

    `provider_id` is the peer's own, for prices that are for all. The body is one that reads as the operation's request.
    """
    return _written(_RULES.get((dialect, operation, "request"), ()), body, provider_id)


def write_answer(dialect: Dialect, operation: AnyOperation, body: bytes, *, provider_id: str | None = None) -> bytes:
    """The body of an answer as a peer of this dialect reads it; the same object where nothing is changed.

    `provider_id` is the peer's own, for prices that are for all.
    """
    return _written(_RULES.get((dialect, operation, "answer"), ()), body, provider_id)


def _written(rules: tuple[Rule, ...], body: bytes, provider_id: str | None) -> bytes:
    if not rules:
        return body
    plain = body.removeprefix(BOM).strip()
    written = plain
    for rule in rules:
        if rule.change.may_apply(written):
            written = edited(written, rule.path, rule.change, provider_id)
    return body if written is plain else written


def hint_for(code: str, additional_info: str | None) -> str | None:
    """What to tell people about a refusal whose cause is known to be on the other side."""
    if code == "021" and UNPARSABLE_URL.casefold() in (additional_info or "").casefold():
        return (
            "one build of WWCP_OICP answers every push and pull so, whatever was sent: "
            "its operator has to install another build"
        )
    return None
