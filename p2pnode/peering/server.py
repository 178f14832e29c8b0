"""The peer face: the operation table served to the peers of the table, each known by its certificate."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from p2pnode.config.node import NodeConfig, PeerFaceSection
from p2pnode.config.peers import PeerEntry
from p2pnode.peering.card import node_card
from p2pnode.peering.face import FaceParts, OicpFace
from p2pnode.peering.identity import ByCertificate, ByIdentifier, ByProxyHeader, CallerPolicy
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.tls import ServerTls

if TYPE_CHECKING:
    from collections.abc import Callable


class PeerFace(OicpFace):
    """Serves the peers. A changed table takes effect by itself, a changed certificate after `reload`."""

    def __init__(self, config: NodeConfig, peers: PeerTableHolder, parts: FaceParts) -> None:
        settings = config.peer_face
        super().__init__(settings.host, settings.port, _policy(settings, peers, parts), parts)
        self._config = config
        self._peers = peers
        self._stop_listening: Callable[[], None] | None = None
        if settings.tls == "on":
            self.peer_at = self._known_at

    async def start(self) -> None:
        """Read the certificates and listen. Raises TrustError or OSError."""
        await self.reload()
        await super().start()
        self.card = await asyncio.to_thread(self._card)  # now that the port is known
        self._stop_listening = self._peers.listen(self.reload)

    def _known_at(self, transport: asyncio.BaseTransport) -> PeerEntry | None:
        """The peer whose certificate was shown in the handshake."""
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        return self._peers.trust.peer_of(der) if der is not None else None

    async def stop(self) -> None:
        """As `OicpFace.stop`."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        await super().stop()

    @property
    def pin(self) -> str:
        """The pin peers know this node by; empty where it shows no certificate."""
        return str((self.card or {}).get("pin") or "")

    async def reload(self) -> None:
        """Read our certificate and the peers' again, for every handshake from now on; open connections stay.

        Raises TrustError, and then changes nothing.
        """
        await asyncio.to_thread(self._read_certificates)

    def _read_certificates(self) -> None:
        settings = self._config.peer_face
        card = self._card()
        if settings.tls == "on":
            anchors = self._peers.trust.anchors()
            if self.tls is None:
                self.tls = ServerTls(
                    settings.certificate, settings.key, anchors, self.parts.logger, self.parts.on_stranger
                )
            else:
                self.tls.reload(settings.certificate, settings.key, anchors)
        self.card = card

    def _card(self) -> Mapping[str, object]:
        return node_card(self._config, self.parts.offered, self.port)


def _policy(settings: PeerFaceSection, peers: PeerTableHolder, parts: FaceParts) -> CallerPolicy:
    if settings.tls == "on":
        return ByCertificate(peers)
    if settings.proxies:
        return ByProxyHeader(peers, settings.proxies, settings.proxy_header, parts.now)
    return ByIdentifier(peers.current)
