"""The rules over several members of EVSE data, pulls and pricing."""

from collections.abc import Iterator, Mapping

from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.evse_data import EvseRecord, PullEvseData
from p2pnode.oicp.evse_types import GeoCoordinates, PaymentOptionType, ValueAddedServiceType
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.pricing import AdditionalReferenceType, PricingProductDataRecord
from p2pnode.oicp.rules_compile import Rule

WHOLE_PERCENTAGE = 100
WARNING = Severity.WARNING


def one_notation(message: GeoCoordinates, at: str) -> Iterator[Violation]:
    """Coordinates are given in one of three notations."""
    notations = (message.google, message.decimal_degree, message.degree_minute_seconds)
    given = [notation for notation in notations if notation is not None]
    if not given:
        yield Violation(at, "exactly-one", "Coordinates have to be given in one of the three notations.")
    elif len(given) > 1:
        yield Violation(at, "exactly-one", "Coordinates are to be given in one notation only.", WARNING)


def opening_times(message: EvseRecord, at: str) -> Iterator[Violation]:
    """Opening times are given exactly where a charging point is not open around the clock."""
    if message.is_open_24_hours and message.opening_times:
        sentence = "OpeningTimes are not to be given where IsOpen24Hours is true."
        yield Violation(f"{at}/OpeningTimes", "opening-times", sentence, WARNING)
    elif not message.is_open_24_hours and not message.opening_times:
        sentence = "OpeningTimes are to be given where IsOpen24Hours is false."
        yield Violation(f"{at}/OpeningTimes", "opening-times", sentence, WARNING)


def nothing_beside_nothing(message: EvseRecord, at: str) -> Iterator[Violation]:
    """`No Payment` and `None` exclude the other values of their lists."""
    if len(message.payment_options) > 1 and PaymentOptionType.NO_PAYMENT in message.payment_options:
        sentence = "No Payment cannot be combined with another payment option."
        yield Violation(f"{at}/PaymentOptions", "exclusive", sentence, WARNING)
    if len(message.value_added_services) > 1 and ValueAddedServiceType.NONE in message.value_added_services:
        sentence = "None cannot be combined with another value added service."
        yield Violation(f"{at}/ValueAddedServices", "exclusive", sentence, WARNING)


def energy_shares(message: EvseRecord, at: str) -> Iterator[Violation]:
    """The shares of the energy sources do not exceed 100 percent."""
    if message.energy_source and sum(source.percentage or 0 for source in message.energy_source) > WHOLE_PERCENTAGE:
        sentence = "The shares of the energy sources exceed 100 percent."
        yield Violation(f"{at}/EnergySource", "range", sentence, WARNING)


def last_call_alone(message: PullEvseData, at: str) -> Iterator[Violation]:
    """LastCall is not combined with SearchCenter, CountryCodes and OperatorIds. An empty list is no filter."""
    if message.last_call is None:
        return
    filters = {
        "SearchCenter": message.search_center,
        "CountryCodes": message.country_codes,
        "OperatorIds": message.operator_ids,
    }
    for name, value in filters.items():
        if value:
            yield Violation(f"{at}/{name}", "exclusive", f"{name} cannot be combined with LastCall.")


def product_times(message: PricingProductDataRecord, at: str) -> Iterator[Violation]:
    """Availability times are given where a product does not hold around the clock."""
    if not message.is_valid_24_hours and not message.product_availability_times:
        sentence = "ProductAvailabilityTimes are to be given where IsValid24hours is false."
        yield Violation(f"{at}/ProductAvailabilityTimes", "availability-times", sentence, WARNING)


def fixed_fee(message: PricingProductDataRecord, at: str) -> Iterator[Violation]:
    """Beside a fixed fee the price per unit is zero."""
    references = message.additional_references or ()
    is_fixed = any(part.additional_reference == AdditionalReferenceType.FIXED_FEE for part in references)
    if is_fixed and message.price_per_reference_unit != 0:
        sentence = "PricePerReferenceUnit is to be 0 beside a FIXED FEE."
        yield Violation(f"{at}/PricePerReferenceUnit", "fixed-fee", sentence, WARNING)


EVSE_RULES: Mapping[type[OicpModel], tuple[Rule, ...]] = {
    GeoCoordinates: (one_notation,),
    EvseRecord: (opening_times, nothing_beside_nothing, energy_shares),
    PullEvseData: (last_call_alone,),
    PricingProductDataRecord: (product_times, fixed_fee),
}
