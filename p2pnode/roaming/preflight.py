"""CDR pre-flight: what a CDR of our own CPO is checked for before it is stored and sent.

What makes a CDR wrong beyond doubt, and can be put right, stops it: by another CDR, or by publishing what is missing.
Everything else is a warning, because nobody can take back what a session's notifications have told.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from p2pnode.oicp import rules
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.codec import encode, read, reason
from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.errors import InvalidMessage, Violation
from p2pnode.oicp.evse_data import EvseRecord
from p2pnode.oicp.evse_types import CalibrationLawDataAvailabilityType
from p2pnode.oicp.identifiers import evse_key, operator_key, provider_key, session_key
from p2pnode.oicp.mending import read_evse_record
from p2pnode.oicp.operations import (
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_PROGRESS,
    Role,
)
from p2pnode.oicp.pricing import EvsePricingType
from p2pnode.oicp.rules_session import ENERGY_TOLERANCE
from p2pnode.oicp.scalars import ANY_PROVIDER
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import Party
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, Verb
from p2pnode.roaming.store_ports import Transaction
from p2pnode.roaming.stored import read_stored

PREFLIGHT = f"{CHARGE_DETAIL_RECORD.name} (pre-flight)"
"""The line of the history that tells what the pre-flight has found."""
SLACK = Decimal("1.1")
"""How far above the power of its record a charging point may be: power is published in whole kW."""
SLACK_SECONDS = 60
WARNING = Severity.WARNING


class Preflight:
    """Checks CDRs against what our CPO has published, and against their sessions."""

    def __init__(self, party: Party) -> None:
        self._party = party

    async def require(self, message: ChargeDetailRecord) -> None:
        """Check a CDR that has not been stored yet; what is found is noted in the history of its session.

        Raises InvalidMessage (022, HTTP 400) with every violation where it may not be sent. A session that is not ours
        is left to who stores the CDR.
        """
        key = session_key(message.session_id)
        session = await self._party.store.session(key)
        if session is None or session.cpo != OWN or await self._party.store.cdr(key) is not None:
            return
        history = await self._party.store.history(key)
        found = await self._check(message, session, history)
        if not found:
            return
        broken = rules.errors_in(found)
        await self._note(session, history, found, stopped=bool(broken))
        self._party.checked(message.session_id, found)
        if broken:
            raise InvalidMessage(reason(broken), found)

    async def check(self, message: ChargeDetailRecord) -> Sequence[Violation]:
        """Everything that would be found wrong with a CDR, its session among it; nothing is noted or sent."""
        key = session_key(message.session_id)
        session = await self._party.store.session(key)
        if session is None or session.cpo != OWN:
            unknown = Violation("/SessionID", "session", "No session of this operator has this SessionID: 400.")
            return (*await self._check(message, None, ()), unknown)
        kept = await self._party.store.cdr(key)
        found = await self._check(message, session, await self._party.store.history(key))
        if kept is not None and read_stored(ChargeDetailRecord, kept.body).wire() != message.wire():
            found = (*found, Violation("/SessionID", "second-cdr", "The session has another CDR already: 400."))
        return found

    async def _check(
        self, message: ChargeDetailRecord, session: SessionRecord | None, history: Sequence[SessionEvent]
    ) -> tuple[Violation, ...]:
        found = list(rules.check(message))
        found += await self._against_evse(message)
        found += await self._against_products(message, session)
        if session is not None:
            found += _against_session(message, session, history)
        return tuple(found)

    async def _against_evse(self, message: ChargeDetailRecord) -> list[Violation]:
        """What the record of the charging point that we publish says against it."""
        key = evse_key(message.evse_id)
        stored = await self._party.store.evse(key, OWN)
        if stored is None:
            if not await self._party.store.lacks_evse(OWN, key):
                return []
            return [Violation("/EvseID", "evse-unknown", "This node publishes no EVSE with this EvseID.", WARNING)]
        record = read_evse_record(bytes(stored.body)).record
        return [] if record is None else [*_power(message, record), *_calibration_law(message, record)]

    async def _against_products(self, message: ChargeDetailRecord, session: SessionRecord | None) -> list[Violation]:
        """Whether the product is one we publish; there is nothing to say where we publish none."""
        product_id = message.partner_product_id
        if product_id is None:
            return []
        ours = {operator_key(session.operator_id)} if session is not None else self._party.own.keys[Role.CPO]
        operators = tuple(sorted(ours))
        providers = {ANY_PROVIDER} if session is None else {ANY_PROVIDER, provider_key(session.provider_id)}
        store = self._party.store
        same = await store.products((OWN,), operators, product_id=product_id)
        if not any(record.provider_key in providers for record in same):
            published = await store.products((OWN,), operators)
            known = {record.product_id for record in published if record.provider_key in providers}
            if known:
                sentence = f"PartnerProductID is none of the {len(known)} products published for this provider."
                return [Violation("/PartnerProductID", "product-unknown", sentence, WARNING)]
        pricing = await store.evse_pricing((OWN,), operators, evse_key=evse_key(message.evse_id))
        here = [record for record in pricing if record.provider_key in providers]
        listed = {
            product for record in here for product in read_stored(EvsePricingType, record.body).evse_id_product_list
        }
        if listed and product_id not in listed:
            sentence = "PartnerProductID is not among the products published for this EVSE."
            return [Violation("/PartnerProductID", "product-elsewhere", sentence, WARNING)]
        return []

    async def _note(
        self, session: SessionRecord, history: Sequence[SessionEvent], found: Sequence[Violation], *, stopped: bool
    ) -> None:
        """Write it into the history of the session, once for the same CDR however often it is tried."""
        told = [
            {"pointer": each.pointer, "code": each.code, "severity": each.severity.value, "message": each.message}
            for each in found
        ]
        body = encode({"violations": told})
        if any(event.operation == PREFLIGHT and event.body == body for event in history):
            return
        code = Code.DATA_ERROR if stopped else Code.SUCCESS
        line = SessionEvent(session.key, self._party.now(), PREFLIGHT, Verb.RECEIVE, OWN, code, body)

        def work(transaction: Transaction) -> None:
            if transaction.session(session.key) is not None:
                transaction.add_event(line)

        await self._party.store.write(work)


def _power(message: ChargeDetailRecord, record: EvseRecord) -> Iterator[Violation]:
    """No charging point delivers more than its greatest power all the time."""
    power = max((facility.power for facility in record.charging_facilities), default=Decimal(0))
    seconds = Decimal((message.charging_end - message.charging_start).total_seconds()) + SLACK_SECONDS
    most = power * SLACK * seconds / 3600
    if power > 0 and message.consumed_energy > most:
        sentence = (
            f"ConsumedEnergy is more than {most:.3f} kWh, which is all that the EVSE's {power} kW can deliver from"
            " ChargingStart to ChargingEnd."
        )
        yield Violation("/ConsumedEnergy", "power-exceeded", sentence)


def _calibration_law(message: ChargeDetailRecord, record: EvseRecord) -> Iterator[Violation]:
    """Signed values have to come along where the EVSE's record says External."""
    is_external = record.calibration_law_data_availability == CalibrationLawDataAvailabilityType.EXTERNAL
    signed = message.signed_metering_values or ()
    if is_external and not any(value.signed_metering_value for value in signed):
        sentence = "SignedMeteringValues are needed: CalibrationLawDataAvailability of the EVSE is External."
        yield Violation("/SignedMeteringValues", "signed-values-missing", sentence)


def _against_session(
    message: ChargeDetailRecord, session: SessionRecord, history: Sequence[SessionEvent]
) -> Iterator[Violation]:
    """What the session's start and its notifications have told otherwise."""
    if session.evse_key is not None and session.evse_key != evse_key(message.evse_id):
        yield Violation("/EvseID", "other-evse", f"The session was started at {session.evse_id}.", WARNING)
    told = _told_energy(history)
    if told is not None and message.consumed_energy < told - ENERGY_TOLERANCE:
        sentence = f"ConsumedEnergy is below the {told} kWh that a notification of the session has told."
        yield Violation("/ConsumedEnergy", "energy-below-told", sentence, WARNING)


def _told_energy(history: Sequence[SessionEvent]) -> Decimal | None:
    """The most energy that our notifications have told (kWh)."""
    amounts: list[Decimal] = []
    for event in history:
        if event.verb is not Verb.SEND or not event.body:
            continue
        try:
            if event.operation == CHARGING_NOTIFICATION_PROGRESS.name:
                amount = read(CHARGING_NOTIFICATION_PROGRESS.request, event.body).consumed_energy_progress
            elif event.operation == CHARGING_NOTIFICATION_END.name:
                amount = read(CHARGING_NOTIFICATION_END.request, event.body).consumed_energy
            else:
                continue
        except InvalidMessage:  # a line nobody can read tells no energy
            continue
        amounts += [] if amount is None else [amount]
    return max(amounts, default=None)
