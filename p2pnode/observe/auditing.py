"""What of a node's life goes into its audit log, besides what it refuses: `Observer` sees that."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from types import TracebackType
from typing import Any

from p2pnode import __version__
from p2pnode.config.node import AuditSection
from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.observe.audit import AuditLog
from p2pnode.observe.observer import Observer
from p2pnode.oicp.answers import code_of
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.status import Code
from p2pnode.roaming.ports import Received

Receive = Callable[[Received[Any]], Awaitable[OicpModel | bytes]]


class Auditing:
    """Keeps the audit log while its context lasts: the start and end of the node, its peers, its authorizations."""

    def __init__(
        self,
        settings: AuditSection,
        observer: Observer,
        peers: Callable[[], PeerTable],
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._peers = peers
        self._now = now
        self._known: dict[str, PeerEntry] = {}

    def __enter__(self) -> None:
        """Open the file and note the start. Raises OSError where it cannot be written."""
        if self._settings.enabled:
            self._observer.audit_log = AuditLog(self._settings.path, self._now, self._settings.most_bytes)
            self._known = {peer.name: peer for peer in self._peers().peers}
            self._observer.audit("started", version=__version__, peers=sorted(self._known))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        log, self._observer.audit_log = self._observer.audit_log, None
        if log is not None:
            log.write("stopped")
            log.close()

    def note_peers(self) -> None:
        """Note how the peer table differs from what it was: after every replacement."""
        former, self._known = self._known, {peer.name: peer for peer in self._peers().peers}
        changed = sorted(name for name in former.keys() & self._known.keys() if former[name] != self._known[name])
        added, removed = sorted(self._known.keys() - former.keys()), sorted(former.keys() - self._known.keys())
        if added or changed or removed:
            self._observer.audit("peers", added=added, changed=changed, removed=removed)

    def receiving(self, receive: Receive) -> Receive:
        """What receives messages, with a line for every start and stop that a peer asks for, where that is wanted."""
        if not self._settings.enabled or self._settings.authorizations == "off":
            return receive

        async def noted(received: Received[Any]) -> OicpModel | bytes:
            identification = getattr(received.message, "identification", None)
            if not isinstance(identification, Identification):
                return await receive(received)
            code = ""
            try:
                answer = await receive(received)
                code = Code.SUCCESS.value if isinstance(answer, bytes) else code_of(answer)
            except ProtocolError as error:
                code = error.code.value
                raise
            finally:
                self._note_authorization(received, identification, code)
            return answer

        return noted

    def _note_authorization(self, received: Received[Any], identification: Identification, code: str) -> None:
        shown = identification.masked()
        if self._settings.authorizations == "full" and identification.kind is not None:
            shown = f"{identification.kind} {identification.uid or identification.evco_id}"
        self._observer.audit(
            "authorization",
            peer=received.peer.name,
            operation=received.operation.name,
            session=received.message.session_id or "",
            identification=shown,
            code=code,
            process_id=received.process_id,
        )
