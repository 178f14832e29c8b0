"""Discovery: nodes on the same network announce themselves as `_oicp._tcp.local.` and find each other.

An announcement is no proof of anything: who is discovered is pending, like who asks. Anybody on the network can
announce anything, any number of times, so everything here is bounded: names that wait to be looked up, look-ups at a
time, and nodes that are kept.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Self

from cryptography import x509
from pydantic import ValidationError
from zeroconf import (  # type: ignore[attr-defined]  # some of these are documented, but not in its __all__
    DNSOutgoing,  # pyright: ignore[reportPrivateImportUsage]  # as above
    DNSQuestion,  # pyright: ignore[reportPrivateImportUsage]  # as above
    Error,
    InterfaceChoice,
    IPVersion,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
    current_time_millis,
    get_all_addresses,  # pyright: ignore[reportPrivateImportUsage]  # as above
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from p2pnode import __version__
from p2pnode.config import ConfigError
from p2pnode.config.settings import is_loopback
from p2pnode.oicp.operations import BASE_PATH, Role
from p2pnode.peering.admission import Admission, NotAccepted
from p2pnode.peering.card import EVERYWHERE, Card
from p2pnode.peering.meeting import NotMet, meet
from p2pnode.peering.parts import NodeParts
from p2pnode.peering.pending import Pending, Source
from p2pnode.peering.trust import TrustError, is_party_in, read_chain
from p2pnode.roaming.background import Background

SERVICE = "_oicp._tcp.local."
PIN_SHOWN = 16
"""How many hexadecimal digits of the pin are announced."""

PIN = re.compile(rf"[0-9a-f]{{{PIN_SHOWN}}}")
LOOKED_UP_AT_ONCE = 8
MOST_WAITING = 256
"""How many announced names may wait to be looked up; what comes beyond is let go, and heard again when renewed."""

LOOK_UP_MS = 1000
LONGEST_LIFETIME = 120.0
"""Seconds after which a node has to be heard again, however long it says that its announcement holds."""

ASKED_AGAIN = 0.75
"""The share of its lifetime below which an announcement is asked for again."""

LONGEST_LIST = 200
QUERY, SRV, IN = 0x0000, 33, 1


class Discovery:
    """Announces this node and keeps the list of those discovered. An async context manager.

    `pin` is this node's, `port` where its peer face listens, `tell` hears of every newcomer.
    """

    def __init__(
        self, parts: NodeParts, admission: Admission, pin: str, port: int, tell: Callable[[Pending], None]
    ) -> None:
        self._parts = parts
        self._settings = parts.config.discovery
        self._admission = admission
        self._own = pin.removeprefix("sha256:")[:PIN_SHOWN]
        self._port = port
        self._tell = tell
        self._waiting: dict[str, None] = {}
        self._found: set[str] = set()
        self._lost: dict[str, int] = {}
        self._peers: set[str] = set()
        self._crowded_out: dict[str, None] = {}
        self._wanted = asyncio.Event()
        self._background = Background()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Announce and look around. Raises OSError where no interface can be used, TrustError for a CA file."""
        self._ca = await asyncio.to_thread(read_chain, self._settings.lab_ca) if self._settings.lab_ca else []
        used = list(self._settings.addresses) or InterfaceChoice.All
        self._zeroconf = AsyncZeroconf(interfaces=used, ip_version=IPVersion.V4Only)
        self._stack.push_async_callback(self._zeroconf.async_close)
        self._stack.push_async_callback(self._background.aclose)
        try:
            if (announced := await asyncio.to_thread(self._announcement)) is not None:
                await self._zeroconf.async_register_service(announced)  # pyright: ignore[reportUnknownMemberType]  # half typed
                self._stack.push_async_callback(self._withdraw, announced)
            browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._heard])
            self._stack.push_async_callback(browser.async_cancel)
            self._stack.callback(self._parts.peers.listen(self._look_again))
            for number in range(LOOKED_UP_AT_ONCE):
                self._background.start(self._look_up(), f"looking up who is announced, {number}")
            self._background.start(self._watch(), "watching whether those discovered are still there")
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _announcement(self) -> ServiceInfo | None:
        """What is announced of this node; None where nobody else could reach it."""
        node, host = self._parts.config.node, self._parts.config.peer_face.host
        only_here = all(is_loopback(address) for address in self._settings.addresses) and self._settings.addresses
        if is_loopback(host) and not only_here:
            self._parts.log.warning("not_announced", problem="peer_face.host is reached from this machine only")
            return None
        usable = self._settings.addresses or tuple(one for one in get_all_addresses() if not is_loopback(one))
        addresses = usable if host in EVERYWHERE else ("127.0.0.1" if host == "localhost" else host,)
        label = f"{node.name[:40]}-{self._own[:8]}"
        seconds = self._settings.lifetime_seconds
        return ServiceInfo(
            SERVICE,
            f"{label}.{SERVICE}",
            port=self._port,
            addresses=[socket.inet_aton(address) for address in addresses],
            server=f"{label.replace('.', '-').replace('_', '-')}.local.",
            properties={
                "v": "1",
                "name": node.name,
                "roles": ",".join(role.value for role in node.roles),
                "operators": _listed(node.operators),
                "providers": _listed(node.providers),
                "pin": self._own,
                "path": BASE_PATH,
                "version": __version__,
            },
            host_ttl=seconds,
            other_ttl=seconds,
        )

    async def _withdraw(self, announced: ServiceInfo) -> None:
        await (await self._zeroconf.async_unregister_service(announced))  # pyright: ignore[reportUnknownMemberType]  # half typed

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        """Called for every name that is announced, changed or withdrawn, whoever does it."""
        del zeroconf, service_type
        if state_change is ServiceStateChange.Removed:
            self._lost.pop(name, None)
            self._peers.discard(name)
            self._crowded_out.pop(name, None)
            self._waiting.pop(name, None)
            self._lose(name)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting[name] = None
            self._wanted.set()

    async def _look_up(self) -> None:
        """Look up one waiting name after the other."""
        while True:
            await self._wanted.wait()
            if not self._waiting:
                self._wanted.clear()
                continue
            name, _ = self._waiting.popitem()
            try:
                pending = await self._resolved(name)
                if pending is not None:
                    await self._keep(pending)
            except Exception:  # whatever a stranger announces, the look-ups go on
                self._parts.log.debug("announcement_unusable", exc_info=True)

    async def _resolved(self, name: str) -> Pending | None:
        """The node that is announced under a name; None where it is none, or this one."""
        zeroconf = self._zeroconf.zeroconf
        try:
            info = AsyncServiceInfo(SERVICE, name)
            if not info.load_from_cache(zeroconf) and not await info.async_request(zeroconf, LOOK_UP_MS):
                return None
        except (Error, ValueError):
            return None
        told = {key: value or "" for key, value in info.decoded_properties.items()}
        addresses = info.parsed_addresses(IPVersion.V4Only)
        if not addresses or not info.port or not PIN.fullmatch(told.get("pin", "")) or told["pin"] == self._own:
            return None
        try:
            return Pending(
                key=name,
                source=Source.DISCOVERY,
                name=told.get("name", ""),
                operators=tuple(filter(None, told.get("operators", "").split(","))),
                providers=tuple(filter(None, told.get("providers", "").split(","))),
                url=f"https://{addresses[0]}:{info.port}{_path(told)}",
                pin=f"sha256:{told['pin']}",
                address=addresses[0],
                at=self._parts.now(),
            )
        except ValidationError:
            return None

    async def _keep(self, pending: Pending) -> None:
        if self._parts.peers.trust.knows_like(pending.pin):
            if len(self._peers) < MOST_WAITING:
                self._peers.add(pending.key)
            return
        if not self._admission.pending.found(pending):
            if len(self._crowded_out) < MOST_WAITING:
                self._crowded_out[pending.key] = None
            return
        is_new = pending.key not in self._found
        self._found.add(pending.key)
        if is_new:
            self._tell(pending)
        if self._ca:
            await self._accept(pending)

    async def _accept(self, pending: Pending) -> None:
        """Make a node of our lab a peer."""
        try:
            met = await meet(pending.url or "")
            require_issued(met.card, pending, self._ca, self._parts.now())
            await self._admission.enter(met.card, met.card.name, met.url)
        except (NotMet, NotAccepted, ConfigError, TrustError) as error:
            self._parts.log.info("not_accepted", name=pending.name, problem=str(error))

    async def _watch(self) -> None:
        """Ask those discovered again before their announcement ends, and forget those that do not answer.

        Those forgotten are asked again now and then: they may have been out of reach, and are not announced anew.
        """
        tick = min(1.0, self._settings.lifetime_seconds / 4)
        patience = max(5, round(self._settings.lifetime_seconds / tick))
        while True:
            await asyncio.sleep(tick)
            self._look_at_crowded_out()
            now = current_time_millis()
            for name in tuple(self._found):
                left = self._left(name, now)
                if left <= 0:
                    self._lose(name)
                    if len(self._lost) < MOST_WAITING:
                        self._lost[name] = patience
                elif left < ASKED_AGAIN:
                    self._ask(name)
            for name, ticks in tuple(self._lost.items()):
                if self._left(name, now) > 0:
                    del self._lost[name]
                    self._heard(self._zeroconf.zeroconf, SERVICE, name, ServiceStateChange.Updated)
                elif ticks:
                    self._lost[name] = ticks - 1
                else:
                    self._lost[name] = patience
                    self._ask(name)

    def _look_at_crowded_out(self) -> None:
        """Look up again those that found no room, once there is some."""
        if self._crowded_out and self._admission.pending.has_room:
            again, self._crowded_out = self._crowded_out, {}
            for name in again:
                self._heard(self._zeroconf.zeroconf, SERVICE, name, ServiceStateChange.Updated)

    def _ask(self, name: str) -> None:
        question = DNSOutgoing(QUERY)
        question.add_question(DNSQuestion(name, SRV, IN))
        self._zeroconf.zeroconf.async_send(question)

    def _left(self, name: str, now: float) -> float:
        """The share of its lifetime that an announcement has left."""
        record = self._zeroconf.zeroconf.cache.get_by_details(name, SRV, IN)
        if record is None:
            return 0.0
        lifetime = min(float(record.ttl), LONGEST_LIFETIME) * 1000
        return (record.created + lifetime - now) / lifetime if lifetime else 0.0

    def _lose(self, name: str) -> None:
        self._found.discard(name)
        self._admission.pending.lost(name)

    async def _look_again(self) -> None:
        """Another peer table: who has become a peer is pending no more, who is a peer no more may be pending again."""
        trust = self._parts.peers.trust
        again, self._peers = self._peers, set()
        for pending in self._admission.pending.all():
            if pending.key in self._found and trust.knows_like(pending.pin):
                self._lose(pending.key)
                again.add(pending.key)
        for name in again:
            self._heard(self._zeroconf.zeroconf, SERVICE, name, ServiceStateChange.Updated)


def require_issued(card: Card, pending: Pending, authorities: Sequence[x509.Certificate], at: datetime) -> None:
    """Raise NotAccepted unless it is who was announced, with a certificate of our lab's CA that names its ids."""
    if not card.pin.startswith(pending.pin):
        raise NotAccepted("it has another key than was announced")
    leaf = x509.load_pem_x509_certificates(card.certificate.encode())[0]
    for ca in authorities:
        with contextlib.suppress(Exception):  # whatever is wrong with it, this CA did not issue it
            leaf.verify_directly_issued_by(ca)
            break
    else:
        raise NotAccepted("its certificate is not of the lab's CA")
    if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        raise NotAccepted("its certificate is not valid now")
    claims = ((Role.CPO, card.operators), (Role.EMP, card.providers))
    missing = [text for role, ids in claims for text in ids if not is_party_in(leaf, role, text)]
    if missing:
        raise NotAccepted(f"its certificate does not name {', '.join(missing)}: OperatorIDs with *, ProviderIDs with -")


def _listed(ids: tuple[str, ...]) -> str:
    """Ids as one text, no longer than an announcement takes; the card has them all."""
    text = ",".join(ids)
    return text if len(text) <= LONGEST_LIST else text[:LONGEST_LIST].rpartition(",")[0]


def _path(told: Mapping[str, str]) -> str:
    path = told.get("path", "")
    return path if path.startswith("/") else BASE_PATH
