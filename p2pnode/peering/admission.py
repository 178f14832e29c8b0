"""Who becomes a peer: takes requests to be paired, keeps them pending, and enters those that a person accepts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from p2pnode.config import PeerEntry, load_peers, save_peer
from p2pnode.config.errors import ConfigError
from p2pnode.config.node import NodeConfig
from p2pnode.peering.card import Card, CardError
from p2pnode.peering.pairing import read_request
from p2pnode.peering.parts import NodeParts
from p2pnode.peering.pending import Pending, PendingPeers, Source
from p2pnode.peering.trust import PeerTrust, TrustError

PENDING_FILE = "pending.json"


class NotAccepted(Exception):
    """A pending node cannot become a peer; the sentence says why."""


class Admission:
    """The pending nodes of one node, and their way into its peer table.

    `tell` hears of those that are new; `own_pin` is the pin of this node now.
    """

    def __init__(
        self,
        parts: NodeParts,
        reload: Callable[[], Awaitable[object]],
        tell: Callable[[Pending], None],
        own_pin: Callable[[], str],
    ) -> None:
        self._config, self._directory = parts.config, parts.directory
        self._peers, self._log, self._now = parts.peers, parts.log, parts.now
        file = None if parts.directory is None else parts.directory / PENDING_FILE
        self.pending = PendingPeers(file, parts.now)
        self._reload = reload
        self._tell = tell
        self._own_pin = own_pin
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Remember who was pending before a restart."""
        await asyncio.to_thread(self.pending.load)

    def admit(self, address: str) -> None:
        """Count a request from an address. Raises ProtocolError (HTTP 429) where there are too many."""
        self.pending.admit(address)

    async def take(self, body: bytes, address: str) -> Mapping[str, str]:
        """The answer to a request to be paired. It has no effect but that whoever asks is pending.

        Raises ProtocolError.
        """
        card = read_request(body, self._own_pin(), self._now())
        if self._peers.trust.with_pin(card.pin) is not None:
            return {"state": "accepted"}
        pending = Pending(
            key=card.pin,
            source=Source.REQUEST,
            name=card.name,
            operators=card.operators,
            providers=card.providers,
            url=card.url,
            pin=card.pin,
            address=address,
            at=self._now(),
            card=card,
        )
        async with self._changing:
            if self.pending.ask(pending):
                self._log.info("asked_to_pair", name=card.name, spki=card.pin, address=address)
                self._tell(pending)
            await self._save()
        return {"state": "pending"}

    async def accept(self, key: str, name: str, digest: str, url: str | None = None) -> PeerEntry:
        """Enter the pending node with this key in the peer table, under a name. Raises NotAccepted.

        `digest` is that of the `Pending` which was shown to whoever accepts: it may have asked with another card since.
        """
        async with self._changing:
            pending = self.pending.get(key)
            if pending is None or pending.card is None:
                raise NotAccepted("nobody who asked is pending with this key")
            if digest != pending.digest:
                raise NotAccepted("its card is not the one that was shown: it has asked again with another")
            entry = await enter(self._config, self._directory, pending.card, name, url or pending.url)
            await self._reload()
            self.pending.discard([key])
            await self._save()
        self._log.info("peer_accepted", name=name, spki=pending.pin)
        return entry

    async def enter(self, card: Card, name: str, url: str | None) -> None:
        """Enter the node of a card in the peer table, as nobody need be asked. Raises NotAccepted.

        A peer of this name stays as it is: only a person lets one be changed.
        """
        async with self._changing:
            await enter(self._config, self._directory, card, name, url, is_new=True)
            await self._reload()
        self._log.info("peer_accepted", name=name, spki=card.pin)

    async def reject(self, key: str) -> None:
        """Forget the pending node with this key. Raises NotAccepted where there is none."""
        if self.pending.get(key) is None:
            raise NotAccepted("nobody is pending with this key")
        async with self._changing:
            self.pending.discard([key])
            await self._save()

    async def _save(self) -> None:
        try:
            await asyncio.to_thread(self.pending.save, self.pending.asked())
        except OSError as error:
            self._log.warning("pending_not_saved", problem=str(error))


async def enter(  # noqa: PLR0913 - what is entered, where, and how
    config: NodeConfig, directory: Path | None, card: Card, name: str, url: str | None, *, is_new: bool = False
) -> PeerEntry:
    """Write the node of a card into `peers.d/`, where `is_new` only under a name that is free. Raises NotAccepted."""
    if directory is None:
        raise NotAccepted("a node without a directory has no peer table to write to")
    if (taken := card.claims(config)) is not None:
        raise NotAccepted(f"it claims {taken}, which is an id of this node")
    if not card.operators and not card.providers:
        raise NotAccepted("its card names neither an operator nor a provider")
    try:
        trust = await asyncio.to_thread(lambda: PeerTrust(load_peers(directory)))
        known = trust.table.get(name)
        for pin in (card.pin, card.next_pin):
            other = trust.with_pin(pin) if pin is not None else None
            if other is not None and other.name != name:
                raise NotAccepted(f"its key, or its next one, is that of peer {other.name!r}")
        entry = card.entry(name, url)
        if known is not None:
            if is_new:
                raise NotAccepted(f"there is a peer {name!r} already")
            entry = _renewed(known, entry, card.pin, trust)
        await asyncio.to_thread(save_peer, directory, entry, card.certificate)
    except (CardError, ConfigError, TrustError) as error:
        raise NotAccepted(str(error)) from error
    except OSError as error:
        raise NotAccepted(f"the entry cannot be written: {error.strerror}") from error
    return entry


def _renewed(known: PeerEntry, entry: PeerEntry, pin: str, trust: PeerTrust) -> PeerEntry:
    """A peer met again: what its card says is new, what was agreed with it stays. Raises NotAccepted.

    It is the same by the key that it has now and has proven, `pin`: whoever takes a peer's name, or says that its next
    key is a peer's, does not take its place.
    """
    credentials = trust.credentials(known)
    if pin not in (known.pins if credentials is None else credentials.pins):
        raise NotAccepted(f"there is a peer {known.name!r} already, and it has another key")
    said = ("url", "operators", "providers", "pins", "signing_keys")
    return known.model_copy(update={name: getattr(entry, name) for name in said})
