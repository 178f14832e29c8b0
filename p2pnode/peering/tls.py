"""TLS contexts: one for the face that peers reach, one for each peer that is called.

Both sides show certificates. A certificate is accepted in the handshake where it chains to something the peer table
trusts; which peer it is, is decided afterwards.
"""

import logging
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from p2pnode.config.passphrase import key_passphrase
from p2pnode.peering.trust import Credentials, TrustError, to_pem

LOGGER = logging.getLogger("p2pnode.peering")
TOLD_AGAIN = 60.0
"""Seconds until the same reason of a failed handshake is logged again."""


class ServerTls:
    """The TLS of a face whose certificate and trusted peers can change while connections stay open.

    `logger` is told of certificates that are refused in the handshake, `on_refusal` of the reason of every handshake
    that fails.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        anchors: str,
        logger: logging.Logger = LOGGER,
        on_refusal: Callable[[str], None] | None = None,
    ) -> None:
        """Raises TrustError where the certificate or key cannot be used."""
        self._current = _server_context(certificate, key, anchors)
        self.context = _server_context(certificate, key, anchors)
        self.context.sni_callback = self._choose
        self.context.sslobject_class = _telling(_Refusals(logger, on_refusal))

    def reload(self, certificate: Path, key: Path, anchors: str) -> None:
        """Use these for every handshake from now on. Raises TrustError, and then changes nothing."""
        self._current = _server_context(certificate, key, anchors)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called for every handshake, also one that names no server."""
        connection.context = self._current


class _Refusals:
    """Tells why handshakes fail, and logs why certificates are refused, each reason once in a while: anybody can."""

    def __init__(self, logger: logging.Logger, tell: Callable[[str], None] | None) -> None:
        self._logger = logger
        self._tell = tell
        self._told_at: dict[str, float] = {}

    def note(self, error: ssl.SSLError) -> None:
        """Note a handshake that failed. The address and name of the client are not known here."""
        if self._tell is not None:
            self._tell(error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or "")
        if not isinstance(error, ssl.SSLCertVerificationError):
            return
        now = monotonic()
        if now - self._told_at.get(error.verify_message, -TOLD_AGAIN) < TOLD_AGAIN:
            return
        self._told_at[error.verify_message] = now
        self._logger.warning(
            "a client certificate is refused: %s; if it is a partner's or our backend's, it is not entered here",
            error.verify_message,
        )


def _telling(refusals: _Refusals) -> type[ssl.SSLObject]:
    """Connections that tell of a handshake that fails, here and to the other side.

    An event loop drops a connection whose handshake fails, and with it the alert that says why: the other side sees a
    lost connection, after which nobody knows what became of its request. So the failure is held back until the alert is
    written and the other side has sent something, hung up, or used up its time.
    """

    class Handshake(ssl.SSLObject):
        failure: ssl.SSLError | None = None

        def do_handshake(self) -> None:
            if self.failure is not None:
                raise self.failure
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                self.failure = error
                refusals.note(error)
                raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the alert is to be written") from error

    return Handshake


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
        _require_private(key)
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


def _require_private(key: Path) -> None:
    """Raise TrustError where every user of the machine may read or replace the key; a group may be trusted with it."""
    if key.stat().st_mode & stat.S_IRWXO:
        message = f"{key} is open to every user of this machine, who could pass as this node: chmod 600 {key}"
        raise TrustError(message)
