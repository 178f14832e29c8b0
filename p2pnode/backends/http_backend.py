"""An own system that speaks OICP: it is called as Hubject would call it, with the bytes the partner wrote."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Self, TypeVar
from uuid import uuid4

from pydantic import model_validator
from structlog.typing import FilteringBoundLogger

from p2pnode.config.backend import BackendSection
from p2pnode.config.node import LimitsSection
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStop,
    AuthorizeRemoteStart,
    AuthorizeRemoteStop,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.errors import BadStatus, NoAnswer, PeerError, ProtocolError, Refused, Unreachable
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_RESERVATION_STOP,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_ERROR,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    AnyOperation,
    Operation,
)
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.status import Code
from p2pnode.peering.client import PeerClient
from p2pnode.peering.face import process_in_hand
from p2pnode.roaming.ports import ChargingNotification
from p2pnode.roaming.records import CallOutcome

Answer = TypeVar("Answer", bound=OicpModel)

NAME = "backend"
PATIENCE = 0.9
"""The share of an operation's time that the backend has, so that the partner hears of its silence in time."""

NOT_OFFERED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
"""What a system answers at a path where it has nothing."""
BEFORE_ASKED_AGAIN = timedelta(minutes=10)
"""How long a system that takes no notifications is sent none."""
NOTIFICATIONS: Mapping[type[OicpModel], Operation[Any, Acknowledgement]] = {
    operation.request: operation
    for operation in (
        CHARGING_NOTIFICATION_START,
        CHARGING_NOTIFICATION_PROGRESS,
        CHARGING_NOTIFICATION_END,
        CHARGING_NOTIFICATION_ERROR,
    )
}


class BackendEntry(PeerEntry):
    """Our own system as the client sees it. Its configuration has told already that it is reached safely."""

    @model_validator(mode="after")
    def _is_reached_safely(self) -> Self:
        return self


class NotOffered(ProtocolError):
    """Our own system has nothing at the path of an operation (320); `error` is what it answered."""

    def __init__(self, operation: AnyOperation, error: PeerError) -> None:
        super().__init__(Code.SERVICE_NOT_AVAILABLE, f"our own system does not offer {operation.name}")
        self.error = error


class HttpBackend:
    """The calls to one own system. An async context manager: leaving it ends its connections."""

    def __init__(
        self,
        settings: BackendSection,
        on_call: Callable[[CallOutcome], None],
        *,
        limits: LimitsSection,
        now: Callable[[], datetime],
        log: FilteringBoundLogger,
    ) -> None:
        self._log = log
        self._entry = BackendEntry(name=NAME, url=settings.url, ca=settings.ca)
        self._deadline = settings.deadline
        self._client = PeerClient(on_call, limits=limits, certificate=settings.certificate, key=settings.key, now=now)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def reload(self) -> None:
        """Make new connections from now on: certificate files have changed."""
        await self._client.reload()

    def warnings(self) -> Sequence[str]:
        """Sentences about what the system does not do."""
        return ()

    async def forward(self, operation: Operation[Any, Answer], body: bytes, caller_id: str) -> Answer:
        """The backend's answer to a message.

        Raises ProtocolError where it certainly did nothing: 320 where it is not there or does not offer the operation,
        its own code where it refuses. Raises PeerError where nobody knows: no answer in time, HTTP 500, nonsense.
        """
        deadline = operation.deadline * PATIENCE if self._deadline is None else self._deadline
        process_id = process_in_hand.get() or str(uuid4())
        try:
            answered = await self._client.call(
                self._entry, operation, body, caller_id=caller_id, process_id=process_id, deadline=deadline
            )
        except PeerError as error:
            self._tell(operation, error, process_id)
            refusal = _refusal(operation, error)
            if refusal is None:
                raise
            raise refusal from error
        return answered.answer

    def _tell(self, operation: AnyOperation, error: PeerError, process_id: str) -> None:
        """Log why there is no answer; what the backend wrote may name a person, and stays out."""
        reason = error.reason if isinstance(error, Unreachable | NoAnswer) else type(error).__name__
        self._log.warning(
            "backend_failed", operation=operation.name, http=error.http, reason=reason, process_id=process_id
        )


def _refusal(operation: AnyOperation, error: PeerError) -> ProtocolError | None:
    """What the partner is told where the backend certainly did nothing. Where it is found stays with us."""
    if isinstance(error, Unreachable):
        return ProtocolError(Code.SERVICE_NOT_AVAILABLE, "our own system cannot be reached")
    if error.http in NOT_OFFERED:
        return NotOffered(operation, error)
    if isinstance(error, Refused):
        return ProtocolError(error.code, error.reason)
    if isinstance(error, BadStatus) and error.http is not None and error.http < HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProtocolError(Code.SERVICE_NOT_AVAILABLE, f"our own system answered HTTP {error.http}")
    return None


def _needless(notification: ChargingNotification) -> Acknowledgement:
    return acknowledge(notification, Code.SUCCESS, "our own system takes no notifications")


class HttpCpoBackend(HttpBackend):
    """Our CPO's own system: what EMPs ask of our charging points is asked of it."""

    async def authorize_remote_start(self, request: AuthorizeRemoteStart, body: bytes) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStart."""
        return await self.forward(AUTHORIZE_REMOTE_START, body, request.provider_id)

    async def authorize_remote_stop(self, request: AuthorizeRemoteStop, body: bytes) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStop."""
        return await self.forward(AUTHORIZE_REMOTE_STOP, body, request.provider_id)

    async def authorize_remote_reservation_start(
        self, request: AuthorizeRemoteReservationStart, body: bytes
    ) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStart."""
        return await self.forward(AUTHORIZE_REMOTE_RESERVATION_START, body, request.provider_id)

    async def authorize_remote_reservation_stop(
        self, request: AuthorizeRemoteReservationStop, body: bytes
    ) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStop."""
        return await self.forward(AUTHORIZE_REMOTE_RESERVATION_STOP, body, request.provider_id)


class HttpEmpBackend(HttpBackend):
    """Our EMP's own system: what CPOs ask about our drivers, and tell of their sessions, goes to it.

    Many have nothing at the path of notifications. These are acknowledged then, since the node has them in the history
    of the session, and dropped. A system that has taken one before is expected to take them again.
    """

    def __init__(
        self,
        settings: BackendSection,
        on_call: Callable[[CallOutcome], None],
        *,
        limits: LimitsSection,
        now: Callable[[], datetime],
        log: FilteringBoundLogger,
    ) -> None:
        super().__init__(settings, on_call, limits=limits, now=now, log=log)
        self._now = now
        self._takes_notifications: bool | None = None
        self._asked_at: datetime | None = None

    async def reload(self) -> None:
        """Make new connections from now on, and see anew whether notifications are taken where they were not."""
        if not self._takes_notifications:  # every change of the peer table ends here, and is no reason to forget a yes
            self._takes_notifications = self._asked_at = None
        await super().reload()

    def warnings(self) -> Sequence[str]:
        """That the system takes no notifications."""
        return (
            ("our own system takes no notifications: they are dropped",) if self._takes_notifications is False else ()
        )

    async def authorize_start(self, request: AuthorizeStart, body: bytes) -> AuthorizationStart:
        """eRoamingAuthorizeStart."""
        return await self.forward(AUTHORIZE_START, body, request.operator_id)

    async def authorize_stop(self, request: AuthorizeStop, body: bytes) -> AuthorizationStop:
        """eRoamingAuthorizeStop."""
        return await self.forward(AUTHORIZE_STOP, body, request.operator_id)

    async def charging_notification(self, notification: ChargingNotification, body: bytes) -> Acknowledgement:
        """eRoamingChargingNotifications; the path names no operator. 404, 405 or 501 tells that none are taken."""
        now = self._now()
        if self._asked_at is not None and abs(now - self._asked_at) < BEFORE_ASKED_AGAIN:
            return _needless(notification)
        try:
            answer = await self.forward(NOTIFICATIONS[type(notification)], body, notification.operator_id or "")
        except NotOffered as refusal:
            if self._takes_notifications:
                raise refusal.error from None
            if self._takes_notifications is None:
                self._log.warning("backend_takes_no_notifications", http=refusal.error.http)
            self._takes_notifications, self._asked_at = False, now
            return _needless(notification)
        self._takes_notifications, self._asked_at = True, None
        return answer

    def _tell(self, operation: AnyOperation, error: PeerError, process_id: str) -> None:
        """Log why there is no answer, but not each time that notifications are not offered."""
        is_known = self._takes_notifications is not True and error.http in NOT_OFFERED
        if not (is_known and operation.request in NOTIFICATIONS):
            super()._tell(operation, error, process_id)

    async def charge_detail_record(
        self,
        record: ChargeDetailRecord,  # noqa: ARG002 - its bytes are forwarded
        body: bytes,
        operator_id: str,
    ) -> Acknowledgement:
        """eRoamingChargeDetailRecord."""
        return await self.forward(CHARGE_DETAIL_RECORD, body, operator_id)
