"""The virtual CPO: it answers what partners ask of its charge points."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from p2pnode.backends.charge_point_actions import ChargePointActions
from p2pnode.backends.clock import VirtualClock
from p2pnode.backends.sending import Send
from p2pnode.backends.site import Site
from p2pnode.backends.vehicle import Vehicle
from p2pnode.config.virtual import VirtualCpo
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.status import Code
from p2pnode.roaming.ports import StoreFault
from p2pnode.roaming.records import OWN, SessionRecord, SessionState
from p2pnode.roaming.stored import read_stored

DEFAULT_RESERVATION = timedelta(minutes=15)
RUNNING = frozenset({SessionState.AUTHORIZED, SessionState.UNCONFIRMED, SessionState.CHARGING, SessionState.ENDED})


class VirtualCpoBackend:
    """Answers for our CPO role, and lets a person act at its charge points through `commands`."""

    def __init__(
        self,
        settings: VirtualCpo,
        operators: Sequence[str],
        send: Send,
        clock: VirtualClock,
        log: FilteringBoundLogger,
    ) -> None:
        self.site = Site(settings, operators, send, clock, log)
        self.commands = ChargePointActions(self.site).commands

    async def __aenter__(self) -> Self:
        """Ready to answer; cars charge in the background."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop where it stands; `resume` goes on from the stored sessions."""
        await self.site.background.aclose()

    def resume(self, sessions: Iterable[SessionRecord]) -> int:
        """Go on with our sessions that were running when the node ended; returns how many.

        The meter goes on from the energy told last. What the car drew between that and the end of the node is not
        counted: nobody has read it.
        """
        resumed = 0
        for session in sessions:
            point = self.site.points.get(session.evse_key or "")
            is_ours = session.cpo == OWN and session.state in RUNNING
            if not is_ours or point is None or point.charging is not None or session.identification is None:
                continue
            try:
                identification = read_stored(Identification, session.identification)
            except StoreFault:  # it goes on charging nowhere; the others do
                continue
            point.vehicle = point.vehicle or Vehicle()
            now = self.site.clock.now()
            charging = self.site.begin(
                point,
                session.session_id,
                identification,
                min(session.charging_start or now, now),
                emp_partner_session_id=session.emp_partner_session_id,
            )
            charging.count(session.energy or Decimal(0), now)
            if session.state is SessionState.ENDED:
                charging.ended = now
            charging.start_told = session.state is not SessionState.AUTHORIZED
            self.site.start_charging(point, charging)
            resumed += 1
        return resumed

    async def authorize_remote_start(self, request: AuthorizeRemoteStart, body: bytes) -> Acknowledgement:  # noqa: ARG002 - the bytes are for backends that pass them on
        """eRoamingAuthorizeRemoteStart: 603, 501, 700, 602, 601 or 510 where it cannot start."""
        point = self.site.require(request.evse_id)
        point.require_startable(request.session_id, self.site.clock.now())
        if request.session_id is None:
            raise ProtocolError(Code.SESSION_INVALID, "the start has no SessionID")
        charging = self.site.begin(
            point,
            request.session_id,
            request.identification,
            self.site.clock.now(),
            emp_partner_session_id=request.emp_partner_session_id,
            product_id=request.partner_product_id,
        )
        self.site.start_charging(point, charging)
        return acknowledge(request)

    async def authorize_remote_stop(self, request: AuthorizeRemoteStop, body: bytes) -> Acknowledgement:  # noqa: ARG002 - as above
        """eRoamingAuthorizeRemoteStop: 400 where this session does not charge at the EVSE."""
        point = self.site.require(request.evse_id)
        point.require_working()
        charging = point.charging
        if charging is None or session_key(charging.session_id) != session_key(request.session_id):
            raise ProtocolError(Code.SESSION_INVALID, f"this session does not charge at {request.evse_id}")
        self.site.background.start(self.site.finish(point, charging), "finishing")
        return acknowledge(request)

    async def authorize_remote_reservation_start(
        self,
        request: AuthorizeRemoteReservationStart,
        body: bytes,  # noqa: ARG002 - as above
    ) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStart; Duration in minutes, a quarter of an hour without one."""
        point = self.site.require(request.evse_id)
        point.require_reservable(request.session_id, self.site.clock.now())
        if request.session_id is None:
            raise ProtocolError(Code.SESSION_INVALID, "the reservation has no SessionID")
        duration = timedelta(minutes=request.duration) if request.duration else DEFAULT_RESERVATION
        self.site.reserve(point, request.session_id, duration)
        return acknowledge(request)

    async def authorize_remote_reservation_stop(
        self,
        request: AuthorizeRemoteReservationStop,
        body: bytes,  # noqa: ARG002 - as above
    ) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStop: 400 where this session has not reserved the EVSE."""
        point = self.site.require(request.evse_id)
        held = point.reserved_at(self.site.clock.now())
        if held is None or session_key(held.session_id) != session_key(request.session_id):
            raise ProtocolError(Code.SESSION_INVALID, f"this session has not reserved {request.evse_id}")
        point.reservation = None
        self.site.tell_status(point)
        return acknowledge(request)
