"""The rules over several members of the messages of a session: identification, times, energy, statuses.

What contradicts itself so that nobody can act on it is an error. What the texts ask for and real senders miss (a clock
a second off, a meter read at another moment) is a warning, because a charge detail record must not be lost for it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.authentication import AuthenticationDataRecord
from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStop,
    AuthorizeRemoteStart,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords, MeteringStatus
from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.identification import (
    HashedPIN,
    HashFunction,
    Identification,
    Kind,
    QRCodeIdentification,
    RemoteIdentification,
    RFIDIdentification,
    RFIDMifareFamilyIdentification,
)
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.notifications import (
    ChargingNotification,
    ChargingNotificationEnd,
    ChargingNotificationError,
    ChargingNotificationProgress,
    ChargingNotificationStart,
    ChargingNotificationType,
)
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart
from p2pnode.oicp.rules_compile import Counting, Rule
from p2pnode.oicp.status import Code, StatusCode

CLOCK_TOLERANCE = timedelta(seconds=1)
"""How far the clocks that give the times of one session may be apart."""

ENERGY_TOLERANCE = Decimal("0.002")
"""kWh: three values, each rounded to three places, add up to less than this."""

BCRYPT_LENGTH = 60
WARNING = Severity.WARNING


def one_identification(message: Identification, at: str) -> Iterator[Violation]:
    """One of the five options is given; of several the first counts (E019)."""
    options = [*message.__dict__.values()]
    if options.count(None) == len(options) - 1:  # the usual case, asked for in the quickest way
        return
    kinds = message.kinds
    if not kinds:
        yield Violation(at, "exactly-one", "One of the five options of an Identification has to be given.")
    elif len(kinds) > 1:
        sentence = f"Only one option of an Identification is to be given; {kinds[0]} counts."
        yield Violation(at, "exactly-one", sentence, WARNING)


def medium_at_the_charging_point(message: AuthorizeStart | AuthorizeStop, at: str) -> Iterator[Violation]:
    """An authorization names no RFIDIdentification and no RemoteIdentification, and its PIN is in clear."""
    option = message.identification.option
    if type(option) is RFIDMifareFamilyIdentification:  # the usual medium, asked for in the quickest way
        return
    if isinstance(option, RFIDIdentification | RemoteIdentification):
        kind = message.identification.kind
        sentence = f"{kind} is not to be used in an authorization."
        yield Violation(f"{at}/Identification/{kind}", "identification-kind", sentence)
    elif isinstance(option, QRCodeIdentification):
        place = f"{at}/Identification/{Kind.QR_CODE}"
        if option.pin is None:
            yield Violation(f"{place}/PIN", "pin", "An authorization needs the PIN in clear.")
        if option.hashed_pin is not None:
            severity = Severity.ERROR if option.pin is None else WARNING
            yield Violation(f"{place}/HashedPIN", "pin", "An authorization carries no hashed PIN.", severity)


def contract_from_afar(message: AuthorizeRemoteStart, at: str) -> Iterator[Violation]:
    """Only RemoteIdentification starts from afar."""
    yield from _remote_only(message.identification, at, Severity.ERROR)


def contract_for_a_reservation(message: AuthorizeRemoteReservationStart, at: str) -> Iterator[Violation]:
    """RemoteIdentification reserves; the texts say so of the remote authorization only."""
    yield from _remote_only(message.identification, at, WARNING)


def _remote_only(identification: Identification, at: str, severity: Severity) -> Iterator[Violation]:
    if identification.kinds and Kind.REMOTE not in identification.kinds:
        place = f"{at}/Identification/{identification.kind}"
        yield Violation(place, "identification-kind", "Only RemoteIdentification is to be used from afar.", severity)


def one_pin(message: AuthenticationDataRecord, at: str) -> Iterator[Violation]:
    """A pushed QR code has its PIN either in clear or hashed."""
    option = message.identification.option
    if not isinstance(option, QRCodeIdentification):
        return
    place = f"{at}/Identification/{Kind.QR_CODE}"
    if option.pin is None and option.hashed_pin is None:
        yield Violation(place, "pin", "Authentication data of a QR code needs PIN or HashedPIN.")
    elif option.pin is not None and option.hashed_pin is not None:
        yield Violation(f"{place}/PIN", "pin", "Only one of PIN and HashedPIN is to be given.", WARNING)


def bcrypt_hash(message: HashedPIN, at: str) -> Iterator[Violation]:
    """A hash said to be made by Bcrypt has its form, or no PIN will ever fit it."""
    is_bcrypt = message.value.startswith("$2") and len(message.value) == BCRYPT_LENGTH
    if message.function == HashFunction.BCRYPT and not is_bcrypt:
        yield Violation(f"{at}/Value", "bcrypt", "Value is not the result of Bcrypt.", WARNING)


def notification_type(message: ChargingNotification, at: str) -> Iterator[Violation]:
    """The Type says which notification this is, and the OperatorID who sends it (E024)."""
    expected = _TYPES.get(type(message))
    if expected is not None and message.type != expected:
        yield Violation(f"{at}/Type", "notification-type", f"Type has to be {expected}.")
    if message.operator_id is None:
        yield Violation(f"{at}/OperatorID", "missing", "OperatorID is missing.", WARNING)


_TYPES: Mapping[type[OicpModel], ChargingNotificationType] = {
    ChargingNotificationStart: ChargingNotificationType.START,
    ChargingNotificationProgress: ChargingNotificationType.PROGRESS,
    ChargingNotificationEnd: ChargingNotificationType.END,
    ChargingNotificationError: ChargingNotificationType.ERROR,
}


def start_times(message: ChargingNotificationStart, at: str) -> Iterator[Violation]:
    """The session starts before charging does."""
    yield from _about_in_order(at, "SessionStart", message.session_start, "ChargingStart", message.charging_start)


def progress(message: ChargingNotificationProgress, at: str) -> Iterator[Violation]:
    """A progress tells a duration or an energy, and the duration is the time since charging started (E006)."""
    if message.charging_duration is None and message.consumed_energy_progress is None:
        sentence = "ChargingDuration or ConsumedEnergyProgress has to be given."
        yield Violation(f"{at}/ChargingDuration", "one-of-two", sentence)
    yield from _in_order(at, "ChargingStart", message.charging_start, "EventOccurred", message.event_occurred)
    yield from _about_in_order(at, "SessionStart", message.session_start, "ChargingStart", message.charging_start)
    yield from _not_negative(at, "ConsumedEnergyProgress", message.consumed_energy_progress)
    if message.charging_duration is None:
        return
    lasted = _milliseconds(message.event_occurred - message.charging_start)
    if abs(message.charging_duration - lasted) > _milliseconds(CLOCK_TOLERANCE):
        sentence = "ChargingDuration is not EventOccurred - ChargingStart in milliseconds."
        yield Violation(f"{at}/ChargingDuration", "duration", sentence, WARNING)


def end_times(message: ChargingNotificationEnd, at: str) -> Iterator[Violation]:
    """The times of a session that has ended, and its penalty time after it."""
    yield from _session_times(message, at)
    yield from _about_in_order(at, "ChargingEnd", message.charging_end, "PenaltyTimeStart", message.penalty_time_start)


def cdr_times(message: ChargeDetailRecord, at: str) -> Iterator[Violation]:
    """Session start, charging start, charging end and session end follow each other."""
    yield from _session_times(message, at)


def _session_times(message: ChargeDetailRecord | ChargingNotificationEnd, at: str) -> Iterator[Violation]:
    yield from _in_order(at, "ChargingStart", message.charging_start, "ChargingEnd", message.charging_end)
    yield from _in_order(at, "SessionStart", message.session_start, "SessionEnd", message.session_end)
    yield from _about_in_order(at, "SessionStart", message.session_start, "ChargingStart", message.charging_start)
    yield from _about_in_order(at, "ChargingEnd", message.charging_end, "SessionEnd", message.session_end)


def energy(message: ChargeDetailRecord | ChargingNotificationEnd, at: str) -> Iterator[Violation]:
    """ConsumedEnergy is MeterValueEnd - MeterValueStart, to 0.002 kWh, and the readings rise."""
    first, last, consumed = message.meter_value_start, message.meter_value_end, message.consumed_energy
    yield from _not_negative(at, "ConsumedEnergy", consumed)
    if first is not None and last is not None:
        if last < first:
            yield Violation(f"{at}/MeterValueEnd", "meter-values", "MeterValueEnd is below MeterValueStart.", WARNING)
        elif consumed is not None and abs(last - first - consumed) > ENERGY_TOLERANCE:
            sentence = "ConsumedEnergy is not MeterValueEnd - MeterValueStart."
            yield Violation(f"{at}/ConsumedEnergy", "energy", sentence, WARNING)
    yield from _rising(message, at)


def _rising(message: ChargeDetailRecord | ChargingNotificationEnd, at: str) -> Iterator[Violation]:
    between = message.meter_value_in_between
    if between is None or not between.meter_values:
        return
    values = (message.meter_value_start, *between.meter_values, message.meter_value_end)
    given = [value for value in values if value is not None]
    if given != sorted(given):
        sentence = "The meter values in between do not rise from MeterValueStart to MeterValueEnd."
        yield Violation(f"{at}/MeterValueInBetween", "meter-values", sentence, WARNING)


def signed_values(message: ChargeDetailRecord, at: str) -> Iterator[Violation]:
    """Signed values are to be sent in the order Start, Progress, End."""
    order = list(MeteringStatus)
    signed = message.signed_metering_values or ()
    places = [order.index(MeteringStatus(value.metering_status)) for value in signed if value.metering_status in order]
    if places != sorted(places):
        sentence = "SignedMeteringValues are to be in the order Start, Progress, End."
        yield Violation(f"{at}/SignedMeteringValues", "signed-values-in-order", sentence, WARNING)


def asked_range(message: GetChargeDetailRecords, at: str) -> Iterator[Violation]:
    """From is not after To."""
    yield from _in_order(at, "From", message.from_, "To", message.to)


def acknowledgement_code(message: Acknowledgement, at: str) -> Iterator[Violation]:
    """A positive result has code 000, a negative one has not."""
    yield from _code(message.status_code, at, positive=message.result)


def authorization_code(message: AuthorizationStart | AuthorizationStop, at: str) -> Iterator[Violation]:
    """Authorized has code 000 and a provider, NotAuthorized has another code."""
    yield from _code(message.status_code, at, positive=message.authorized)
    if message.authorized and message.provider_id is None and isinstance(message, AuthorizationStart):
        yield Violation(f"{at}/ProviderID", "missing", "A positive authorization names the provider.", WARNING)


def _code(status: StatusCode, at: str, *, positive: bool) -> Iterator[Violation]:
    if (status.code == Code.SUCCESS) is not positive:
        sentence = "The status code contradicts the result."
        yield Violation(f"{at}/StatusCode/Code", "status", sentence, WARNING)


def _in_order(
    at: str, first: str, earlier: datetime | None, second: str, later: datetime | None
) -> Iterator[Violation]:
    if earlier is not None and later is not None and later < earlier:
        yield Violation(f"{at}/{second}", "times-in-order", f"{second} is before {first}.")


def _about_in_order(
    at: str, first: str, earlier: datetime | None, second: str, later: datetime | None
) -> Iterator[Violation]:
    if earlier is not None and later is not None and earlier - later > CLOCK_TOLERANCE:
        yield Violation(f"{at}/{second}", "times-in-order", f"{second} is before {first}.", WARNING)


def _not_negative(at: str, name: str, amount: Decimal | None) -> Iterator[Violation]:
    if amount is not None and amount < 0:
        yield Violation(f"{at}/{name}", "energy", f"{name} is negative.", WARNING)


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


_OPTIONS = tuple(Identification.model_fields)


def counting_option(message: Identification) -> str | None:
    """The attribute of the option that counts: nothing that is wrong with the others costs the message (E019)."""
    members = message.__dict__
    for name in _OPTIONS:  # a loop, because it runs for every authorization
        if members[name] is not None:
            return name
    return None


CHOICES: Mapping[type[OicpModel], Counting] = {Identification: counting_option}

SESSION_RULES: Mapping[type[OicpModel], tuple[Rule, ...]] = {
    Identification: (one_identification,),
    HashedPIN: (bcrypt_hash,),
    AuthenticationDataRecord: (one_pin,),
    AuthorizeStart: (medium_at_the_charging_point,),
    AuthorizeStop: (medium_at_the_charging_point,),
    AuthorizeRemoteStart: (contract_from_afar,),
    AuthorizeRemoteReservationStart: (contract_for_a_reservation,),
    AuthorizationStart: (authorization_code,),
    AuthorizationStop: (authorization_code,),
    Acknowledgement: (acknowledgement_code,),
    ChargingNotification: (notification_type,),
    ChargingNotificationStart: (start_times,),
    ChargingNotificationProgress: (progress,),
    ChargingNotificationEnd: (end_times, energy),
    ChargeDetailRecord: (cdr_times, energy, signed_values),
    GetChargeDetailRecords: (asked_range,),
}
