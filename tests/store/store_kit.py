"""Records to store, and a clock that a test moves."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from p2pnode.roaming.published_records import (
    AuthenticationRecord,
    EvseFilter,
    EvsePricingRecord,
    EvseRecord,
    ProductRecord,
    StatusRecord,
)
from p2pnode.roaming.records import (
    OWN,
    CdrRecord,
    PageRequest,
    ReceiptRecord,
    SessionEvent,
    SessionRecord,
    SessionState,
    Verb,
)
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction

START = datetime(2026, 5, 4, 10, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)

OpenStore = Callable[[], AbstractAsyncContextManager[SqlStore]]


def session(
    key: str = "a1", *, updated_at: datetime = START, state: SessionState = SessionState.AUTHORIZED
) -> SessionRecord:
    """A session with every attribute set."""
    return SessionRecord(
        key=key,
        session_id=key.upper(),
        state=state,
        cpo=OWN,
        emp="stromer",
        operator_id="DE*ABC",
        provider_id="DE-XYZ",
        created_at=START,
        updated_at=updated_at,
        evse_key="DE*ABC*E1",
        evse_id="de*abc*e1",
        identification=b'{"RFIDMifareFamilyIdentification":{"UID":"1234ABCD"}}',
        authorized_by_push=True,
        cpo_partner_session_id="cpo/1",
        emp_partner_session_id="emp/1",
        charging_start=START + SECOND,
        energy=Decimal("12.3400"),
        expires_at=START + 900 * SECOND,
    )


def bare_session(key: str) -> SessionRecord:
    """A session with nothing that may be left out."""
    return SessionRecord(
        key, key, SessionState.UNCONFIRMED, "lader", OWN, "DE*ABC", "DE-XYZ", created_at=START, updated_at=START
    )


def receipt(number: int) -> ReceiptRecord:
    """A receipt of the session, made so many seconds after the start."""
    at = START + number * SECOND
    return ReceiptRecord("a1", at, "AuthorizeStart", Verb.SEND, "stromer", b"asked", b"told", b"key 1", b"key 2")


def event(key: str = "a1", *, at: datetime = START, operation: str = "AuthorizeStart") -> SessionEvent:
    return SessionEvent(key, at, operation, Verb.RECEIVE, "stromer", "000", b'{"SessionID": "A1"}')


def cdr(
    key: str = "a1", *, start: datetime = START, emp: str = "stromer", provider: str = "DEXYZ", operator: str = "DEABC"
) -> CdrRecord:
    return CdrRecord(
        key=key,
        session_id=key.upper(),
        cpo=OWN,
        emp=emp,
        operator_key=operator,
        operator_id="DE*ABC",
        provider_key=provider,
        provider_id="DE-XYZ",
        evse_id="DE*ABC*E1",
        session_start=start,
        session_end=start + 3600 * SECOND,
        energy=Decimal("7.10"),
        body=f'{{"SessionID": "{key}"}}'.encode(),
        received_at=start + 3601 * SECOND,
    )


def evse(  # noqa: PLR0913 - what the tests vary
    key: str = "DE*ABC*E1",
    body: bytes = b"{}",
    *,
    owner: str = OWN,
    operator: str = "DE*ABC",
    name: str = "ABC charging",
    country: str = "DEU",
    place: tuple[float | None, float | None] = (50.0, 8.0),
    compatible: bool = True,
    always_open: bool = False,
    renewable: bool = False,
    accessibility: str = "Free publicly accessible",
    calibration: str = "Local",
    modes: Sequence[str] = ("NFC RFID Classic", "REMOTE"),
) -> EvseRecord:
    latitude, longitude = place
    return EvseRecord(
        owner=owner,
        evse_key=key,
        evse_id=key.lower(),
        operator_key=operator,
        operator_id=operator.lower(),
        operator_name=name,
        body=body,
        country=country,
        latitude=latitude,
        longitude=longitude,
        is_hubject_compatible=compatible,
        is_open_24_hours=always_open,
        renewable_energy=renewable,
        accessibility=accessibility,
        calibration_law=calibration,
        authentication_modes=frozenset(modes),
    )


def put_sessions(transaction: SqlTransaction, *records: SessionRecord) -> None:
    for record in records:
        transaction.put_session(record)


def everything(store: SqlStore) -> EvseFilter:
    """All EVSE data of our own, as it is now."""
    return EvseFilter(owners=(OWN,), as_of=store.clock())


async def bodies(store: SqlStore, wanted: EvseFilter, page: PageRequest) -> list[bytes]:
    return await store.evse_versions(wanted, page, lambda found: list(found.bodies))


def status(
    key: str = "DE*ABC*E1",
    value: str = "Available",
    *,
    owner: str = OWN,
    operator: str = "DE*ABC",
    changed_at: datetime = START,
) -> StatusRecord:
    body = f'{{"EvseID": "{key}", "EvseStatus": "{value}"}}'.encode()
    return StatusRecord(owner, key, key.lower(), operator, operator, "ABC charging", value, body, changed_at)


def product(  # noqa: PLR0913 - what the tests vary
    product_id: str = "AC 1",
    body: bytes = b'{"ProductID": "AC 1"}',
    *,
    owner: str = OWN,
    operator: str = "DE*ABC",
    provider: str = "*",
    changed_at: datetime = START,
) -> ProductRecord:
    return ProductRecord(owner, operator, operator, provider, product_id, b'{"OperatorID": "x"}', body, changed_at)


def pricing(  # noqa: PLR0913 - what the tests vary
    key: str = "DE*ABC*E1",
    provider: str = "*",
    body: bytes = b'{"EvseID": "DE*ABC*E1"}',
    *,
    owner: str = OWN,
    operator: str = "DE*ABC",
    changed_at: datetime = START,
) -> EvsePricingRecord:
    return EvsePricingRecord(owner, operator, operator, "ABC charging", provider, key, body, changed_at)


def identification(
    key: str = "1234ABCD", *, owner: str = "stromer", provider: str = "DEXYZ", pin: str | None = None
) -> AuthenticationRecord:
    return AuthenticationRecord(
        owner=owner,
        provider_key=provider,
        provider_id="DE-XYZ",
        kind="uid",
        key=key,
        body=b"{}",
        pin_function=None if pin is None else "Bcrypt",
        pin_hash=pin,
    )
