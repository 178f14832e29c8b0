"""The composition root: builds the parts of one node and joins them. Several nodes run in one process."""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from p2pnode import __version__
from p2pnode.backends.commands import Commands
from p2pnode.backends.face import GRACE, BackendFace, passed_on
from p2pnode.backends.http_backend import HttpBackend
from p2pnode.backends.making import BackendParts, commands_of, make_cpo, make_emp
from p2pnode.backends.own_messages import OwnMessages
from p2pnode.backends.virtual_cpo import VirtualCpoBackend
from p2pnode.config import load_node, load_peers
from p2pnode.config.node import NodeConfig
from p2pnode.config.peers import PeerTable
from p2pnode.observe.auditing import Auditing
from p2pnode.observe.events import EventBus
from p2pnode.observe.logs import NodeLog
from p2pnode.observe.metrics import NodeMetrics
from p2pnode.observe.observer import Observer
from p2pnode.observe.status import NodeStatus, PeerStatus
from p2pnode.oicp.errors import OicpError
from p2pnode.oicp.operations import BASE_PATH, Role
from p2pnode.peering.admission import Admission
from p2pnode.peering.client import PeerClient
from p2pnode.peering.face import FaceParts
from p2pnode.peering.limiter import PeerLimiter
from p2pnode.peering.parts import NodeParts
from p2pnode.peering.pending import Pending
from p2pnode.peering.server import PeerFace
from p2pnode.peering.signing import Signatures
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.upkeep import Upkeep
from p2pnode.roaming.background import Background
from p2pnode.roaming.outbox_records import QueueCount
from p2pnode.roaming.party import Limits, OwnParty
from p2pnode.roaming.records import OWN
from p2pnode.roaming.services import Roaming
from p2pnode.store.errors import StoreError
from p2pnode.store.retention import keep_purging
from p2pnode.store.store import SqlStore

LATEST_SESSIONS = 10_000
"""How many of the most recent sessions are looked through for those that were running when the node ended."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Node:
    """One party's node. Runs while its context lasts."""

    def __init__(
        self,
        config: NodeConfig,
        peers: PeerTable,
        *,
        directory: Path | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.config = config
        self.directory = directory
        self.now = now
        self.peers = PeerTableHolder(peers)
        log = NodeLog(config.log, config.node.name)
        self.log = log.logger
        self.library_log = log.library
        self.observer = Observer(log, NodeMetrics(__version__), EventBus(), now)
        self.auditing = Auditing(config.audit, self.observer, self.peers.current, now)
        self.started_at = now()
        self._parts = NodeParts(config, directory, self.peers, self.log, now)
        self.upkeep = Upkeep(self._parts, self.observer.metrics.certificates)
        self.admission = Admission(self._parts, self.upkeep.reload, self._tell_of_pending, lambda: self.face.pin)
        self.own = OwnMessages(config.node, self.peers.current, lambda: self.roaming, lambda: self.store)
        self.backend_face: BackendFace | None = None
        self._stack = AsyncExitStack()
        self._background = Background()
        self._stopping = asyncio.Event()

    @classmethod
    def from_directory(cls, directory: Path) -> Self:
        """The node that `p2pnode init` made in this directory. Raises ConfigError."""
        config = load_node(directory)
        return cls(config, load_peers(directory, config.node), directory=directory)

    async def __aenter__(self) -> Self:
        """Open the store, resume what was running, and listen for peers."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        config, enter = self.config, self._stack.enter_async_context
        if self.directory is not None:
            self._stack.enter_context(self.auditing)
        self.store = await enter(
            SqlStore.open(
                config.store.path, now=self.now, lock_timeout=config.store.lock_seconds, left_out=self._row_left_out
            )
        )
        signatures = await enter(Signatures(self.peers, config, self.store.keep_receipt, self.now, self.library_log))
        self.client = await enter(self._client(signatures))
        self._stack.callback(self.peers.listen(self.client.reload))
        self._stack.callback(self.peers.listen(self._tell_of_peers))
        parts = BackendParts(
            config, self.directory or Path(), self.own.send, self.now, self.observer.backend_call, self.log
        )
        self.cpo = make_cpo(parts)
        self.emp = make_emp(parts)
        await self._enter_backends(that_send=False)
        self.roaming = await enter(self._roaming())
        self.face = self._peer_face(signatures)
        await self._enter_backends(that_send=True)
        await self._listen()
        if isinstance(self.cpo, VirtualCpoBackend):
            resumed = self.cpo.resume(await self.store.sessions(LATEST_SESSIONS))
            self.log.info("resumed", sessions=resumed)
        self._begin_background()
        gc.collect()
        gc.freeze()
        self.log.info("started", version=__version__, peers=len(self.peers.current().peers), url=self.peer_url)

    def _client(self, signatures: Signatures) -> PeerClient:
        face = self.config.peer_face
        return PeerClient(
            self.observer.call,
            limits=self.config.limits,
            certificate=face.certificate if face.shows_identity else None,
            key=face.key if face.shows_identity else None,
            signatures=signatures,
            now=self.now,
            logger=self.library_log,
        )

    def _roaming(self) -> Roaming:
        config = self.config
        return Roaming(
            OwnParty(config.node.operators, config.node.providers),
            peers=self.peers.current,
            store=self.store,
            caller=self.client,
            cpo=self.cpo,
            emp=self.emp,
            now=self.now,
            limits=Limits.of(config.roaming, config.outbox, config.store),
            relay=config.node.relay,
            checked=self.observer.cdr_checked,
            caught_up=self.observer.caught_up,
        )

    def _peer_face(self, signatures: Signatures) -> PeerFace:
        parts = FaceParts(
            receive=self.auditing.receiving(self.roaming.receive),
            offered=tuple(self.roaming.receivers),
            on_call=self.observer.call,
            limits=self.config.limits,
            now=self.now,
            logger=self.library_log,
            signatures=signatures,
            limiter=PeerLimiter(self.config.limits),
            on_stranger=lambda reason: self.observer.audit("handshake_refused", reason=reason),
            on_probe=self.observer.probed,
        )
        return PeerFace(self.config, self.peers, parts)

    async def _listen(self) -> None:
        """Resume what was under way, then open the faces, and be found."""
        config, enter = self.config, self._stack.enter_async_context
        if config.peer_face.pairing and config.peer_face.shows_identity:
            await self.admission.load()
            self.face.pairing = self.admission
        await self.client.prepare(self.peers.current().peers)
        await self.roaming.resume()
        await enter(self.face)
        if config.discovery.enabled and config.peer_face.shows_identity:
            await enter(self._discovery())
        if config.backend_face.enabled:
            self.backend_face = await enter(self._backend_face())
            self._stack.callback(self.peers.listen(self.backend_face.reload))

    def _begin_background(self) -> None:
        self._stack.push_async_callback(self._background.aclose)
        self._background.start(self._publish_at_start(), "delivery of what peers have missed")
        purging = keep_purging(self.store, self.config.store, self.now, self.log)
        self._background.start(purging, "forgetting what is old")
        self._background.start(self.upkeep.watch_expiry(), "watching for certificates that end")
        self._background.start(self.upkeep.watch_files(), "watching the peer table and certificates")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let requests in flight finish, then close everything in the reverse order of the start."""
        await self._stack.aclose()
        self.log.info("stopped")

    def _row_left_out(self, problem: str) -> None:
        self.log.warning("row_left_out", problem=problem, hint="`p2pnode store check` names it")

    async def _publish_at_start(self) -> None:
        """Publish what of the virtual charge points is not published yet, then what peers have missed."""
        if isinstance(self.cpo, VirtualCpoBackend) and self.config.cpo.virtual.publish_at_start:
            try:
                keys = tuple(self.cpo.site.points)
                known = {key for key in keys if await self.store.evse(key, OWN) is not None}
                told = {record.evse_key: record.status for record in await self.store.statuses((OWN,), evse_keys=keys)}
                await self.roaming.meet_peers()
                await self.cpo.site.publish_news(known, told)
            except (OicpError, StoreError) as error:
                self.log.warning("not_published", problem=str(error))
        await self._publish_pending()

    async def _publish_pending(self) -> None:
        """Send what they have missed to peers that were away when the node ended, or are new in the table."""
        try:
            for problem in await self.roaming.publish_pending():
                self.log.warning("not_delivered", problem=problem)
        except (OicpError, StoreError) as error:
            self.log.warning("not_delivered", problem=str(error))

    async def _enter_backends(self, *, that_send: bool) -> None:
        """Enter the backends that send messages by themselves, or those that are only called.

        The former have to end before the roaming services, the latter to outlive them.
        """
        for backend in (self.cpo, self.emp):
            if isinstance(backend, AbstractAsyncContextManager) and isinstance(backend, HttpBackend) is not that_send:
                await self._stack.enter_async_context(cast("AbstractAsyncContextManager[object]", backend))
            if isinstance(backend, HttpBackend) and not that_send:
                self._stack.callback(self.peers.listen(backend.reload))

    def _backend_face(self) -> BackendFace:
        parts = FaceParts(
            receive=passed_on(self.roaming.send),
            offered=tuple(self.roaming.senders),
            on_call=self.observer.backend_call,
            limits=self.config.limits,
            now=self.now,
            logger=self.library_log,
            grace=GRACE,
        )
        return BackendFace(self.config.backend_face, self.config.node, parts)

    @property
    def commands(self) -> Mapping[Role, Commands | None]:
        """What a person can do at the backend of each role by name; None where it has no such commands."""
        return {Role.CPO: commands_of(self.cpo), Role.EMP: commands_of(self.emp)}

    @property
    def peer_url(self) -> str:
        """The OICP base that peers reach this node at."""
        face = self.config.peer_face
        scheme = "https" if face.tls == "on" else "http"
        host = f"[{face.host}]" if ":" in face.host else face.host
        return f"{scheme}://{host}:{self.face.port}{BASE_PATH}"

    def reload(self) -> None:
        """Read the peer table and all certificates again, in the background; what is wrong with them is logged."""
        self._background.start(self.upkeep.reload_or_tell(), "reading the peer table again")

    def _discovery(self) -> AbstractAsyncContextManager[object]:
        from p2pnode.peering.discovery import Discovery  # noqa: PLC0415 - zeroconf takes time to load, few need it

        return Discovery(self._parts, self.admission, self.face.pin, self.face.port, self._tell_of_pending)

    def _tell_of_pending(self, pending: Pending) -> None:
        self.observer.event("pending", name=pending.name, source=pending.source, spki=pending.pin)

    async def _tell_of_peers(self) -> None:
        self.roaming.outbox.wake()
        self._background.start(self.client.prepare(self.peers.current().peers), "preparing calls to peers")
        self._background.start(self._publish_pending(), "delivery of what peers have missed")
        self.auditing.note_peers()
        self.observer.event("peers", count=len(self.peers.current().peers))

    async def status(self) -> NodeStatus:
        """Everything a person asks first."""
        node = self.config.node
        health, breaker = self.observer.health, self.roaming.breakers.of
        outbox = await self.store.outbox_counts()
        return NodeStatus(
            name=node.name,
            version=__version__,
            operators=node.operators,
            providers=node.providers,
            started_at=self.started_at,
            at=self.now(),
            faces=self.faces(),
            pin=self.face.pin,
            certificate_until=self.upkeep.until,
            warnings=(*self.upkeep.warnings(), *self._backend_warnings()),
            peers=tuple(
                PeerStatus.of(peer, health(peer.name), outbox.get(peer.name, QueueCount()), breaker(peer.name))
                for peer in self.peers.current().peers
            ),
            outbox=outbox.get(OWN, QueueCount()),
            cells=self.observer.metrics.cells(),
        )

    def _backend_warnings(self) -> Iterator[str]:
        for backend in (self.cpo, self.emp):
            if isinstance(backend, HttpBackend):
                yield from backend.warnings()

    async def measure(self) -> None:
        """Bring the numbers that are not counted message by message up to date."""
        names = [peer.name for peer in self.peers.current().peers]
        breakers = {name: self.roaming.breakers.of(name).state for name in names}
        self.observer.metrics.outbox(await self.store.outbox_counts(), breakers)

    def faces(self) -> Mapping[str, str]:
        """The URL of each face that listens."""
        peer = {"peer": self.peer_url}
        return peer if self.backend_face is None else {**peer, "backend": self.backend_face.url}

    def stop(self) -> None:
        """Ask the node to end; `stopped` returns then."""
        self._stopping.set()

    async def stopped(self) -> None:
        """Wait until somebody asks the node to end."""
        await self._stopping.wait()
