"""What a driver does with the app of the virtual EMP, and what the EMP's staff does."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from p2pnode.backends.commands import CommandError, CommandResult, Commands
from p2pnode.backends.sending import Send
from p2pnode.config.virtual import VirtualDriver
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.authentication import PushAuthenticationData
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.identification import Identification, RemoteIdentification
from p2pnode.oicp.identifiers import evco_key
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_RESERVATION_STOP,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    PUSH_AUTHENTICATION_DATA,
)
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.scalars import ActionType


class Provider(Protocol):
    """The EMP whose app this is."""

    @property
    def providers(self) -> tuple[str, ...]:
        """Its ProviderIDs, the principal one first."""
        ...

    @property
    def drivers(self) -> tuple[VirtualDriver, ...]:
        """Its drivers."""
        ...

    @property
    def accounts(self) -> Mapping[str, Any]:
        """What it was told of each session."""
        ...

    async def authentication_data(
        self, action: ActionType, names: Sequence[str] | None = None
    ) -> PushAuthenticationData:
        """The media of its drivers."""
        ...


class AppActions:
    """Actions by name. A driver is named by its EvcoID."""

    def __init__(self, provider: Provider, send: Send) -> None:
        self._provider = provider
        self._send = send
        self.commands = Commands(
            self.sessions,
            self.publish,
            self.remote_start,
            self.remote_stop,
            self.reserve,
            self.cancel_reservation,
        )

    async def sessions(self) -> CommandResult:
        """What the EMP was told of each session."""
        return {
            "sessions": [
                {
                    "session_id": account.session_id,
                    "evse_id": account.evse_id,
                    "notifications": list(account.notifications),
                    "energy": str(account.energy) if account.energy is not None else None,
                    "settled": account.settled,
                }
                for account in self._provider.accounts.values()
            ]
        }

    async def publish(
        self, action: ActionType = ActionType.FULL_LOAD, drivers: list[str] | None = None
    ) -> CommandResult:
        """Publish the authentication data of all drivers, or of those named."""
        message = await self._provider.authentication_data(action, drivers)
        answer = await self._send(PUSH_AUTHENTICATION_DATA, message)
        return _outcome(answer, published=len(message.provider_authentication_data.authentication_data_record))

    async def remote_start(
        self, evse_id: str, evco_id: str, session_id: str | None = None, product_id: str | None = None
    ) -> CommandResult:
        """Start charging from the app; `session_id` of a reservation takes it up."""
        request = AuthorizeRemoteStart(
            session_id=session_id,
            provider_id=self._provider.providers[0],
            evse_id=evse_id,
            identification=self._identify(evco_id),
            partner_product_id=product_id,
        )
        return _outcome(await self._send(AUTHORIZE_REMOTE_START, request))

    async def remote_stop(self, session_id: str, evse_id: str) -> CommandResult:
        """Stop charging from the app."""
        provider_id = self._provider.providers[0]
        request = AuthorizeRemoteStop(session_id=session_id, provider_id=provider_id, evse_id=evse_id)
        return _outcome(await self._send(AUTHORIZE_REMOTE_STOP, request))

    async def reserve(self, evse_id: str, evco_id: str, duration: int | None = None) -> CommandResult:
        """Reserve a charging point, for so many minutes."""
        request = AuthorizeRemoteReservationStart(
            provider_id=self._provider.providers[0],
            evse_id=evse_id,
            identification=self._identify(evco_id),
            duration=duration,
        )
        return _outcome(await self._send(AUTHORIZE_REMOTE_RESERVATION_START, request))

    async def cancel_reservation(self, session_id: str, evse_id: str) -> CommandResult:
        """Give a reservation back."""
        provider_id = self._provider.providers[0]
        request = AuthorizeRemoteReservationStop(session_id=session_id, provider_id=provider_id, evse_id=evse_id)
        return _outcome(await self._send(AUTHORIZE_REMOTE_RESERVATION_STOP, request))

    def _identify(self, evco_id: str) -> Identification:
        known = {evco_key(driver.evco_id) for driver in self._provider.drivers if driver.evco_id}
        if evco_key(evco_id) not in known:
            raise CommandError("no driver of this provider has that EvcoID")
        return Identification(remote_identification=RemoteIdentification(evco_id=evco_id))


def _outcome(answer: Acknowledgement, **more: object) -> CommandResult:
    status = answer.status_code
    return {
        "result": bool(answer.result),
        "code": status.code,
        "reason": status.additional_info or status.description,
        "session_id": answer.session_id,
        **more,
    }
