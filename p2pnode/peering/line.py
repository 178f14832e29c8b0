"""The connections kept to one peer, and the certainty that it is that peer at their other end."""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509

from p2pnode.config.node import LimitsSection
from p2pnode.config.peers import PeerEntry
from p2pnode.config.pins import public_key_pin
from p2pnode.peering.reply import SOFTWARE
from p2pnode.peering.tls import client_context
from p2pnode.peering.trust import Credentials, credentials_of

KEPT_SECONDS = 15.0
"""How long an idle connection is kept: less than servers do, so that they do not close it under a request."""


class WrongPeerError(Exception):
    """Another party than the peer answers at its url; nothing was sent to it."""


class Proof(aiohttp.Fingerprint):
    """Looks at the certificate of each new connection before a request goes out on it."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(bytes(32))  # the digest of the base class is not used
        self._credentials = credentials

    def check(self, transport: asyncio.Transport) -> None:
        """Raise WrongPeerError, and end the connection, where the certificate is not the peer's."""
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        problem = "no certificate was shown" if der is None else _problem(self._credentials, der)
        if problem:
            transport.abort()
            raise WrongPeerError(problem)


def _problem(credentials: Credentials, der: bytes) -> str:
    """Why a certificate is not the peer's. One known by its CA alone has been verified in the handshake, by host."""
    if not credentials.pins:
        return ""
    certificate = x509.load_der_x509_certificate(der)
    pin = public_key_pin(certificate)
    if not credentials.is_of(certificate, pin):
        return f"its public key is {pin}, which is not the peer's"
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        return "its certificate is not valid now"
    return ""


@dataclass(slots=True)
class Line:
    """A client session for one version of a peer's entry. Retired, it closes when its last call is done."""

    peer: PeerEntry
    session: aiohttp.ClientSession
    tls: ssl.SSLContext | None
    connect_seconds: float
    calls: int = 0
    is_retired: bool = field(default=False)

    async def release(self) -> None:
        """One call less."""
        self.calls -= 1
        if self.is_retired and self.calls == 0:
            await self.session.close()

    async def retire(self) -> None:
        """Take no more calls."""
        self.is_retired = True
        if self.calls == 0:
            await self.session.close()


async def open_line(peer: PeerEntry, limits: LimitsSection, certificate: Path | None, key: Path | None) -> Line:
    """A line to the peer; no connection is made yet. Raises TrustError where certificate files cannot be used."""
    is_encrypted = peer.url is not None and urlsplit(peer.url).scheme == "https"
    proof: aiohttp.Fingerprint | bool = True
    tls = None
    if is_encrypted:
        credentials = await asyncio.to_thread(credentials_of, peer)
        tls = await asyncio.to_thread(client_context, certificate, key, credentials)
        proof = Proof(credentials)
    connector = aiohttp.TCPConnector(
        limit=limits.peer_connections, keepalive_timeout=KEPT_SECONDS, ssl=proof, ttl_dns_cache=30
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": SOFTWARE, "Accept": "application/json", "Content-Type": "application/json"},
        timeout=aiohttp.ClientTimeout(total=None),
    )
    return Line(peer, session, tls, limits.connect_seconds)
