"""The peer face: the operation table served to the peers of the table, each known by its certificate."""

import asyncio
from typing import TYPE_CHECKING

from p2pnode.config.node import NodeSection, PeerFaceSection
from p2pnode.peering.card import node_card
from p2pnode.peering.face import FaceParts, OicpFace
from p2pnode.peering.http_signatures import VerifyKey
from p2pnode.peering.identity import ByCertificate, ByIdentifier, ByProxyHeader, CallerPolicy
from p2pnode.peering.signing import read_key
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.tls import ServerTls
from p2pnode.peering.trust import TrustError

if TYPE_CHECKING:
    from collections.abc import Callable


class PeerFace(OicpFace):
    """Serves the peers. A changed table takes effect by itself, a changed certificate after `reload`."""

    def __init__(self, settings: PeerFaceSection, node: NodeSection, peers: PeerTableHolder, parts: FaceParts) -> None:
        super().__init__(settings.host, settings.port, _policy(settings, peers, parts), parts)
        self._settings = settings
        self._node = node
        self._peers = peers
        self._stop_listening: Callable[[], None] | None = None

    async def start(self) -> None:
        """Read the certificates and listen. Raises TrustError or OSError."""
        await self.reload()
        await super().start()
        self._stop_listening = self._peers.listen(self.reload)

    async def stop(self) -> None:
        """As `OicpFace.stop`."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        await super().stop()

    async def reload(self) -> None:
        """Read our certificate and the peers' again, for every handshake from now on; open connections stay.

        Raises TrustError, and then changes nothing.
        """
        await asyncio.to_thread(self._read_certificates)

    def _read_certificates(self) -> None:
        settings = self._settings
        encrypted = settings.tls == "on"
        shown = settings.certificate if encrypted else None
        card = node_card(self._node, self.parts.offered, shown, _signing_key(settings))
        if encrypted:
            anchors = self._peers.trust.anchors()
            if self.tls is None:
                self.tls = ServerTls(settings.certificate, settings.key, anchors)
            else:
                self.tls.reload(settings.certificate, settings.key, anchors)
        self.card = card


def _signing_key(settings: PeerFaceSection) -> VerifyKey | None:
    """What our signatures are checked with. None where the key of our certificate is of a kind that does not sign."""
    try:
        return read_key(settings.signing_key or settings.key).public
    except TrustError:
        if settings.signing_key is not None:
            raise
        return None


def _policy(settings: PeerFaceSection, peers: PeerTableHolder, parts: FaceParts) -> CallerPolicy:
    if settings.tls == "on":
        return ByCertificate(peers)
    if settings.proxies:
        return ByProxyHeader(peers, settings.proxies, settings.proxy_header, parts.now)
    return ByIdentifier(peers.current)
