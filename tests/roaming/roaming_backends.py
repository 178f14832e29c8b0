"""The backends of both roles in these tests: they answer as they are told, and note what they were asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

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
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.status import Code
from p2pnode.roaming.ports import ChargingNotification
from tests.roaming.roaming_messages import (
    authorized,
    decoded,
    stopped,
)


@dataclass
class Emp:
    """An EMP's backend that says what the test wants, and notes what it is told."""

    start: Callable[[AuthorizeStart], AuthorizationStart] = lambda _: authorized()
    stop: Callable[[AuthorizeStop], AuthorizationStop] = lambda _: stopped()
    takes_cdrs: bool = True
    starts: list[AuthorizeStart] = field(default_factory=list[AuthorizeStart])
    stops: list[AuthorizeStop] = field(default_factory=list[AuthorizeStop])
    notifications: list[Any] = field(default_factory=list[Any])
    cdrs: list[bytes] = field(default_factory=list[bytes])

    async def authorize_start(self, request: AuthorizeStart, body: bytes) -> AuthorizationStart:
        assert split_session(body) == request.session_id
        self.starts.append(request)
        return self.start(request)

    async def authorize_stop(self, request: AuthorizeStop, body: bytes) -> AuthorizationStop:
        assert split_session(body) == request.session_id
        self.stops.append(request)
        return self.stop(request)

    async def charging_notification(self, notification: ChargingNotification, body: bytes) -> Acknowledgement:
        assert split_session(body) == notification.session_id
        self.notifications.append(notification)
        return acknowledge(notification)

    async def charge_detail_record(self, record: ChargeDetailRecord, body: bytes, operator_id: str) -> Acknowledgement:
        assert operator_id
        if not self.takes_cdrs:
            raise ProtocolError(Code.SYSTEM_ERROR, "not now")
        self.cdrs.append(body)
        return acknowledge(record)


@dataclass
class Cpo:
    """A CPO's backend that accepts unless it is told to refuse, and notes what it is asked."""

    refusal: Code | None = None
    before_answer: Callable[[], Awaitable[None]] | None = None
    asked: list[Any] = field(default_factory=list[Any])

    async def authorize_remote_start(self, request: AuthorizeRemoteStart, body: bytes) -> Acknowledgement:
        return await self._answer(request, body)

    async def authorize_remote_stop(self, request: AuthorizeRemoteStop, body: bytes) -> Acknowledgement:
        return await self._answer(request, body)

    async def authorize_remote_reservation_start(
        self, request: AuthorizeRemoteReservationStart, body: bytes
    ) -> Acknowledgement:
        return await self._answer(request, body)

    async def authorize_remote_reservation_stop(
        self, request: AuthorizeRemoteReservationStop, body: bytes
    ) -> Acknowledgement:
        return await self._answer(request, body)

    async def _answer(
        self,
        request: AuthorizeRemoteStart
        | AuthorizeRemoteStop
        | AuthorizeRemoteReservationStart
        | AuthorizeRemoteReservationStop,
        body: bytes,
    ) -> Acknowledgement:
        assert split_session(body) == request.session_id
        self.asked.append(request)
        if self.before_answer is not None:
            await self.before_answer()
        if self.refusal is not None:
            raise ProtocolError(self.refusal, "the test says so")
        return acknowledge(request)


def split_session(body: bytes) -> object:
    """The SessionID in a body."""
    return decoded(body).get("SessionID")
