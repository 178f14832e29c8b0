"""The TLS of the admin face, on both sides: the face, and the command line that knows it by its key."""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from p2pnode.config.node import NodeConfig
from p2pnode.config.peers import PeerEntry
from p2pnode.config.pins import public_key_pin
from p2pnode.peering.line import Proof
from p2pnode.peering.tls import ServerTls, client_context
from p2pnode.peering.trust import Credentials, read_anchors, read_chain, to_pem

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How the command line reaches the face: what it shows, and what it compares the face's certificate with."""

    context: ssl.SSLContext
    proof: Proof


class FaceTls:
    """The TLS of the face as its configuration has it."""

    def __init__(self, config: NodeConfig) -> None:
        face = config.admin_face
        self._name = config.node.name
        self._certificate: Path = face.certificate or config.peer_face.certificate
        self._key: Path = face.key or config.peer_face.key
        self._client_ca = face.client_ca

    def server(self) -> ServerTls:
        """What the face listens with. Raises TrustError."""
        return ServerTls(self._certificate, self._key, self._anchors())

    def reload(self, tls: ServerTls) -> None:
        """Read the files again, for every handshake from now on. Raises TrustError, and then changes nothing."""
        tls.reload(self._certificate, self._key, self._anchors())

    def client(self) -> ClientTls:
        """What the command line calls with: whoever may read the face's key may administrate. Raises TrustError."""
        pins = frozenset({public_key_pin(self._leaf())})
        known = Credentials(PeerEntry(name=self._name), pins, (), ())
        shows = self._client_ca is not None
        certificate, key = (self._certificate, self._key) if shows else (None, None)
        return ClientTls(client_context(certificate, key, known), Proof(known))

    def _anchors(self) -> str:
        """Whose client certificates are let through: those of the CAs, and the face's own."""
        if self._client_ca is None:
            return ""
        return read_anchors(self._client_ca) + to_pem([self._leaf()])

    def _leaf(self) -> x509.Certificate:
        return read_chain(self._certificate)[0]
