"""The backend face: to our own backend the node is what Hubject would be, at the same paths, with the same answers."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp.web import BaseRequest

from p2pnode.config.backend import BackendFaceSection
from p2pnode.config.node import NodeSection
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.errors import PeerError, ProtocolError
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import BASE_PATH
from p2pnode.peering.face import FaceParts, OicpFace, Receive
from p2pnode.peering.identity import CallerPolicy, shows_certificate, unauthorized
from p2pnode.peering.tls import ServerTls
from p2pnode.peering.trust import read_anchors
from p2pnode.roaming.ports import Outgoing, Received, onward

Deliver = Callable[[Outgoing[Any]], Awaitable[OicpModel | bytes]]

GRACE = 5.0
"""Seconds beyond an operation's limit: the limit is kept where peers are asked, and its outcome is to be told."""


class OwnBackend(CallerPolicy):
    """Whoever shows what the face asks for, the token, a client certificate or both, speaks for our own party.

    Where it asks for neither, every program on this machine is our party. A page in a browser never is.
    """

    def __init__(self, node: NodeSection, settings: BackendFaceSection) -> None:
        self._party = PeerEntry(
            name="backend", operators=node.operators, providers=node.providers, pull_authentication_data=True
        )
        self._token = settings.token
        self._asks_certificate = settings.client_ca is not None

    def by_connection(self, request: BaseRequest) -> PeerEntry | None:
        """As in `CallerPolicy`."""
        if self._token is not None:
            _require_token(request, self._token)
        if self._asks_certificate:
            _require_certificate(request)
        if "Origin" in request.headers:
            raise unauthorized("A page in a browser does not speak for this party.")
        return self._party


class BackendFace(OicpFace):
    """Serves our own backend. A changed certificate takes effect after `reload`."""

    def __init__(self, settings: BackendFaceSection, node: NodeSection, parts: FaceParts) -> None:
        """`parts.receive` is `passed_on` to the send verb of every operation, `parts.grace` is `GRACE`."""
        super().__init__(settings.host, settings.port, OwnBackend(node, settings), parts)
        self._settings = settings

    @property
    def url(self) -> str:
        """The OICP base our backend uses in place of Hubject's."""
        scheme = "https" if self._settings.certificate is not None else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{BASE_PATH}"

    async def start(self) -> None:
        """Read the certificates and listen. Raises TrustError or OSError."""
        await self.reload()
        await super().start()

    async def reload(self) -> None:
        """Read the certificates again, for every handshake from now on. Raises TrustError, and then changes nothing."""
        await asyncio.to_thread(self._read_certificates)

    def _read_certificates(self) -> None:
        certificate, key = self._settings.certificate, self._settings.key
        if certificate is None or key is None:
            return
        anchors = read_anchors(self._settings.client_ca) if self._settings.client_ca is not None else ""
        if self.tls is None:
            self.tls = ServerTls(certificate, key, anchors, self.parts.logger)
        else:
            self.tls.reload(certificate, key, anchors)


def passed_on(deliver: Deliver) -> Receive:
    """What becomes of a message of our backend: it goes out as it came, and the answer is what the hub would say."""

    async def receive(received: Received[Any]) -> OicpModel | bytes:
        try:
            return await deliver(onward(received))
        except PeerError as error:
            raise ProtocolError(error.code, str(error)) from error

    return receive


def _require_token(request: BaseRequest, token: str) -> None:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), token.encode())
    if scheme.lower() != "bearer" or not same:
        raise unauthorized("The bearer token is missing or wrong.")


def _require_certificate(request: BaseRequest) -> None:
    """The handshake has accepted none but those the CAs vouch for; here it matters that one was shown."""
    if not shows_certificate(request):
        raise unauthorized("No client certificate was shown.")
