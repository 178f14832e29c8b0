"""Who calls: from the certificate of the connection, from a proxy's header, or from the ids alone in a lab."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from time import time
from urllib.parse import unquote_to_bytes

from aiohttp import hdrs
from aiohttp.web import BaseRequest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.config.pins import read_certificate
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import Role
from p2pnode.oicp.status import Code
from p2pnode.peering.connection import Connection
from p2pnode.peering.table import PeerTableHolder


class CallerPolicy(ABC):
    """How a face tells who calls it."""

    @abstractmethod
    def by_connection(self, request: BaseRequest) -> PeerEntry | None:
        """The peer at the other end of the connection; None where only the ids tell.

        Raises ProtocolError (017, HTTP 401) where the connection is nobody's.
        """

    def by_id(self, role: Role, identifier: str | None) -> PeerEntry | None:
        """The peer that has this id in this role, asked where the connection did not tell; an id proves nothing."""
        del role, identifier
        return None


def shows_certificate(request: BaseRequest) -> bool:
    """Whether the caller has shown a client certificate, and with it that it holds its key."""
    tls = request.get_extra_info("ssl_object")
    return tls is not None and tls.getpeercert(binary_form=True) is not None


def unauthorized(reason: str) -> ProtocolError:
    """The refusal of a caller who is nobody we know: 017, HTTP 401."""
    return ProtocolError(Code.UNAUTHORIZED_ACCESS, reason, http=HTTPStatus.UNAUTHORIZED)


class ByCertificate(CallerPolicy):
    """The client certificate of the TLS connection decides, until it ends, however long the connection goes on.

    It is looked at again whenever the table has changed.
    """

    def __init__(self, peers: PeerTableHolder, clock: Callable[[], float] = time) -> None:
        self._peers = peers
        self._clock = clock

    def by_connection(self, request: BaseRequest) -> PeerEntry | None:
        """As in `CallerPolicy`."""
        connection = request.protocol
        trust = self._peers.trust
        if (
            isinstance(connection, Connection)
            and connection.known_under is trust
            and self._clock() <= connection.known_until
        ):
            return connection.peer
        peer, until = self._peer(request)
        if isinstance(connection, Connection):
            connection.known_under, connection.peer, connection.known_until = trust, peer, until
        return peer

    def _peer(self, request: BaseRequest) -> tuple[PeerEntry, float]:
        """Whose certificate it is, and until when it holds."""
        tls = request.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der is None:
            raise unauthorized("No client certificate was shown.")
        peer = self._peers.trust.peer_of(der)
        read = read_certificate(der)
        if peer is None or read is None:
            raise unauthorized(f"The client certificate with the public key {read and read[1]} is no peer's.")
        until = read[0].not_valid_after_utc.timestamp()
        if self._clock() > until:
            raise unauthorized("The client certificate has ended.")
        return peer, until


ENVOY = "x-forwarded-client-cert"
"""The header of Envoy: the certificate is one of its members, not the whole."""

MEMBER = re.compile(r"""([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"]*)(;|$)""")
REMEMBERED = 256


def _of_pem(text: str) -> bytes | None:
    """The certificate in URL-encoded PEM, as nginx's `$ssl_client_escaped_cert` has it, in DER form; None for none."""
    try:
        return x509.load_pem_x509_certificate(unquote_to_bytes(text)).public_bytes(serialization.Encoding.DER)
    except ValueError:
        return None


def _of_envoy(text: str) -> bytes | None:
    """The `Cert` of an X-Forwarded-Client-Cert; None where there is none, or several proxies have written it."""
    found: list[str] = []
    at = 0
    while at < len(text):
        member = MEMBER.match(text, at)
        if member is None:
            return None  # not of this form, or a comma: what a proxy farther out has said
        if member[1].lower() == "cert":
            found.append(member[2].strip('"'))
        at = member.end()
    return _of_pem(found[0]) if len(found) == 1 else None


class ByProxyHeader(CallerPolicy):
    """A TLS-terminating proxy decided that the caller holds the key of the certificate it passes on in a header."""

    def __init__(
        self, peers: PeerTableHolder, proxies: tuple[str, ...], header: str, now: Callable[[], datetime]
    ) -> None:
        self._peers = peers
        self._proxies = tuple(ip_network(proxy) for proxy in proxies)
        self._header = header
        self._now = now
        read = _of_envoy if header.lower() == ENVOY else _of_pem
        self._certificate = lru_cache(REMEMBERED)(read)
        self._is_listed = lru_cache(REMEMBERED)(self._is_proxy)

    def _is_proxy(self, remote: str | None) -> bool:
        try:
            address = ip_address(remote or "")
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in proxy for proxy in self._proxies)

    def by_connection(self, request: BaseRequest) -> PeerEntry | None:
        """As in `CallerPolicy`. The header counts only where it comes from a listed proxy, and only once."""
        if not self._is_listed(request.remote):
            raise unauthorized("The connection does not come from a listed proxy.")
        values = request.headers.getall(self._header, [])
        if len(values) != 1:
            raise unauthorized("No client certificate was shown.")
        der = self._certificate(values[0])
        if der is None:
            raise unauthorized("The header of the proxy holds no certificate.")
        peer = self._peers.trust.peer_of(der, self._now())
        if peer is None:
            raise unauthorized("The client certificate is no peer's, or not valid now.")
        return peer


class ByIdentifier(CallerPolicy):
    """Plain HTTP in a lab: whoever gives a peer's id is that peer. A page in a browser on this machine never is."""

    def __init__(self, peers: Callable[[], PeerTable]) -> None:
        self._peers = peers

    def by_connection(self, request: BaseRequest) -> PeerEntry | None:
        """Nobody yet: plain HTTP tells nothing, but for a browser that a web page sends here."""
        if hdrs.ORIGIN in request.headers:
            raise unauthorized("A page in a browser does not speak for a peer.")
        return None

    def by_id(self, role: Role, identifier: str | None) -> PeerEntry | None:
        """The enabled peer that has, or bundles, the id; the hub where nobody has it."""
        if identifier is None:
            return None
        table = self._peers()
        if role is Role.CPO:
            peer = table.by_operator(operator_key(identifier))
        else:
            peer = table.by_provider(provider_key(identifier))
        return peer or next((hub for hub in table.peers if hub.hub and hub.enabled), None)
