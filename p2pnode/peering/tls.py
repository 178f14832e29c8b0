"""TLS contexts: one for the face that peers reach, one for each peer that is called.

Both sides show certificates. A certificate is accepted in the handshake where it chains to something the peer table
trusts; which peer it is, is decided afterwards.
"""

import ssl
from pathlib import Path

from p2pnode.config.passphrase import key_passphrase
from p2pnode.peering.trust import Credentials, TrustError, to_pem


class ServerTls:
    """The TLS of a face whose certificate and trusted peers can change while connections stay open."""

    def __init__(self, certificate: Path, key: Path, anchors: str) -> None:
        """Raises TrustError where the certificate or key cannot be used."""
        self._current = _server_context(certificate, key, anchors)
        self.context = _server_context(certificate, key, anchors)
        self.context.sni_callback = self._choose

    def reload(self, certificate: Path, key: Path, anchors: str) -> None:
        """Use these for every handshake from now on. Raises TrustError, and then changes nothing."""
        self._current = _server_context(certificate, key, anchors)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called for every handshake, also one that names no server."""
        connection.context = self._current


def _server_context(certificate: Path, key: Path, anchors: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _own(context, certificate, key)
    if anchors:
        context.load_verify_locations(cadata=anchors)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # A resumed session would bring back a client certificate that is not looked at again.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def client_context(certificate: Path | None, key: Path | None, credentials: Credentials) -> ssl.SSLContext:
    """The context for calls to one peer, showing our certificate where there is one. Raises TrustError.

    The host's name matters only for a peer that is known by its CA alone; where nothing is known of it, the CAs of the
    machine vouch for it. A peer known by pins alone is not verified here at all: whoever uses the context compares the
    pin after the handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None and key is not None:
        _own(context, certificate, key)
    context.check_hostname = not credentials.pins
    anchors = to_pem((*credentials.certificates, *credentials.authorities))
    if anchors:
        context.load_verify_locations(cadata=anchors)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    elif credentials.pins:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_default_certs()
    return context


def _own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_passphrase)
    except FileNotFoundError as error:
        missing = certificate if not certificate.exists() else key
        message = f"{missing} does not exist"
        raise TrustError(message) from error
    except (OSError, ValueError) as error:
        message = (
            f"{certificate} and {key} are not a certificate in PEM form and its key, or its passphrase is not known"
        )
        raise TrustError(message) from error


def _passphrase() -> bytes:
    """Asked for only where the key is encrypted. Without one: an error, instead of a question on the terminal."""
    passphrase = key_passphrase()
    if passphrase is None:
        raise ValueError
    return passphrase
