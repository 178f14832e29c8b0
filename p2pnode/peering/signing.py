"""Signatures as the peer table wants them: made, checked, taken once, and kept as receipts.

A peer with `signatures = "off"` never comes here. One of dialect `wwcp` signs inside its bodies, and nothing of that is
kept.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from aiohttp.web import BaseRequest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from msgspec.structs import replace
from multidict import CIMultiDict, CIMultiDictProxy

from p2pnode.config.node import NodeConfig
from p2pnode.config.passphrase import key_passphrase
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp import operations as ops
from p2pnode.oicp.errors import ProtocolError, Refused, Unreachable, Unreadable
from p2pnode.oicp.operations import MEBIBYTE, AnyOperation
from p2pnode.oicp.status import Code
from p2pnode.peering.bodies import WRITTEN_IN_THE_LOOP
from p2pnode.peering.body_signature import check_body, is_signed, sign_body
from p2pnode.peering.http_signatures import (
    ECDSA_P256,
    Message,
    Signature,
    SignatureProblem,
    SigningKey,
    VerifyKey,
    check_digest,
    content_digest,
    signatures_of,
)
from p2pnode.peering.kept import KEPT, holds_pin, sessions_of
from p2pnode.peering.replay import Seen
from p2pnode.peering.side_work import SideWork
from p2pnode.peering.signed_exchange import (
    SIGNATURE_FIELDS,
    Signed,
    check_answer,
    check_request,
    fields_of,
    sign_answer,
    sign_request,
    written,
)
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.trust import TrustError
from p2pnode.roaming.records import ReceiptRecord, Verb

T = TypeVar("T")

Headers = CIMultiDict[str] | CIMultiDictProxy[str]
Keep = Callable[[ReceiptRecord], asyncio.Future[None]]
"""Hands a receipt to the store; the future is done when it is on disk."""

LOGGER = logging.getLogger("p2pnode.peering")


class Exchange(NamedTuple):
    """A request that was signed, with its body, on its way to an answer; `signed` is None where it was in the body."""

    peer: PeerEntry
    signed: Signed | None
    body: bytes

    @property
    def fields(self) -> Mapping[str, str]:
        """The header fields to send. A proxy that compressed the answer would make its signature worthless."""
        return {**self.signed.message.fields, "Accept-Encoding": "identity"} if self.signed is not None else {}


class Signatures:
    """The signatures of one node, in both directions. A context in which our key is read, again whenever peers change.

    Entering it raises TrustError where a peer wants signatures and our key cannot make them.
    """

    def __init__(
        self,
        peers: PeerTableHolder,
        config: NodeConfig,
        keep: Keep,
        now: Callable[[], datetime],
        logger: logging.Logger = LOGGER,
    ) -> None:
        self._peers = peers
        self._key_file = config.peer_face.signing_key or config.peer_face.key
        self._prefix = config.peer_face.proxy_prefix
        self._window = config.limits.signature_seconds
        self._keep = keep
        self._now = now
        self._logger = logger
        self._key: SigningKey | None = None
        self._seen: dict[str, Seen] = {}
        self._strangers: set[str] = set()
        self._unkept: set[tuple[str, str]] = set()
        self._stop_listening: Callable[[], None] | None = None
        self._beside: SideWork | None = None

    async def __aenter__(self) -> Self:
        await self.reload()
        self._beside = SideWork("signatures")
        self._stop_listening = self._peers.listen(self.reload)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
        if self._beside is not None:
            await self._beside.aclose()

    async def _run(self, work: Callable[[], T], size: int = 0) -> T:
        """The result of `work` on so many bytes: quick work, or for a large body a thread's."""
        if size > WRITTEN_IN_THE_LOOP:
            return await asyncio.to_thread(work)
        return work() if self._beside is None else await self._beside.run(work)

    async def reload(self) -> None:
        """Read our key again. Raises TrustError where the table has peers to sign for and it cannot be used."""
        signing = [peer for peer in self._peers.current().peers if peer.signs and peer.enabled]
        try:
            key = await asyncio.to_thread(read_key, self._key_file)
        except TrustError:
            if signing:
                raise
            return
        if key.public.algorithm != ECDSA_P256 and any(peer.dialect == "wwcp" for peer in signing):
            message = f"{self._key_file} is no key on P-256, which the bodies to WWCP_OICP are signed with"
            raise TrustError(message)
        self._key = key

    async def sign_request(self, peer: PeerEntry, target: str, process_id: str, body: bytes) -> Exchange:
        """Our request to a peer, signed. Its `signed` has the header fields to send, its `body` is what to send."""
        key = self._key
        if key is None:
            raise Unreachable(peer.name, "the key that signs messages to it has not been read")
        if peer.dialect == "wwcp":
            return Exchange(peer, None, await self._run(partial(sign_body, key, body), len(body)))
        return Exchange(peer, sign_request(key, target, process_id, await _digest(body), self._second()), body)

    async def check_request(self, peer: PeerEntry, request: BaseRequest, body: bytes) -> Exchange:
        """A request of a peer, whose `body` is what to read of it; `signed` is None where it came without signature.

        Raises ProtocolError (017, HTTP 401) where its signature does not hold, was taken before, or is missed.
        """
        try:
            if peer.dialect == "wwcp":
                return Exchange(peer, None, await self._plain(peer, body))
            found = self._signature(peer, request.headers)
            if found is None:
                return Exchange(peer, None, body)
            signature, key = found
            fields = _fields(request.headers, signature)
            message = Message(fields, request.method, self._prefix + request.raw_path)
            await _check_digest(fields, body)
            signed = await self._run(partial(check_request, message, signature, key))
            now = self._now().timestamp()
            signature.require_alive(now)
            if (seen := self._seen.get(peer.name)) is None:
                seen = self._seen[peer.name] = Seen(self._window)
            seen.take(signature.value, signature.created, now)
        except SignatureProblem as problem:
            reason = f"Signature: {problem}."
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, reason, http=HTTPStatus.UNAUTHORIZED) from None
        return Exchange(peer, signed, body)

    async def sign_answer(
        self, exchange: Exchange, http: int, process_id: str, body: bytes
    ) -> tuple[Signed | None, bytes]:
        """Our answer to a request, with the body to send: signed where the request was."""
        if self._key is None:
            return None, body
        if exchange.peer.dialect == "wwcp":
            return None, await self._run(partial(sign_body, self._key, body), len(body))
        if exchange.signed is None:
            return None, body
        fields = {"content-digest": await _digest(body), "process-id": process_id}
        return sign_answer(self._key, exchange.signed, http, fields, self._second()), body

    async def plain_answer(self, exchange: Exchange, http: int, body: bytes) -> bytes:
        """The answer without the signature that a peer has put in its body.

        Raises Unreadable where that does not hold, or is missed; an HTTP error needs none.
        """
        if exchange.peer.dialect != "wwcp" or (http != HTTPStatus.OK and not is_signed(body)):
            return body
        try:
            return await self._plain(exchange.peer, body)
        except SignatureProblem as problem:
            raise Unreadable(exchange.peer.name, str(problem)) from None

    async def check_answer(  # noqa: PLR0913 - the parts of an answer
        self, operation: AnyOperation, exchange: Exchange, *, http: int, headers: Headers, body: bytes, code: str
    ) -> None:
        """Check the signature of a peer's answer with this status code, and keep what proves something.

        Raises Unreadable where it does not hold, or is missed under a positive answer; under a negative one, Refused.
        """
        if exchange.signed is None:
            return
        answer = await self._answer(exchange.peer, exchange.signed, http, headers, body, code)
        await self.keep(operation, Verb.SEND, exchange, code=code, answer=answer, body=body)

    async def _answer(  # noqa: PLR0913, PLR0917 - as above
        self, peer: PeerEntry, request: Signed, http: int, headers: Headers, body: bytes, code: str
    ) -> Signed | None:
        try:
            found = self._signature(peer, headers)
            if found is None:
                return None
            fields = _fields(headers, found[0])
            await _check_digest(fields, body)
            found[0].require_alive(self._now().timestamp())
            message = Message(fields, status=http, request=request.message)
            return await self._run(partial(check_answer, message, *found, request))
        except SignatureProblem as problem:
            if code != Code.SUCCESS and "Signature-Input" not in headers:
                raise Refused(peer.name, f"refused, without a signature, with {code}", code, http=http) from None
            raise Unreadable(peer.name, str(problem), http=http) from None

    async def keep(  # noqa: PLR0913 - what a receipt is made of
        self, operation: AnyOperation, verb: Verb, exchange: Exchange, *, code: str, answer: Signed | None, body: bytes
    ) -> None:
        """Keep a request and its positive answer, where both are signed and are of a kind that is kept.

        `body` is the answer's. The store writes the receipt together with what it is asked for next: that of our own
        request with the session it has brought. Waits only where a peer's CDR is about to be acknowledged.
        """
        if answer is None or exchange.signed is None or code != Code.SUCCESS or operation not in KEPT:
            return
        if holds_pin(operation, exchange.body, body):
            self._tell_unkept(exchange.peer, operation)
            return
        receipt = ReceiptRecord(
            "",
            self._now(),
            operation.name,
            verb,
            exchange.peer.name,
            written(exchange.signed.message, exchange.body),
            written(answer.message, body),
            exchange.signed.key.spki,
            answer.key.spki,
        )
        kept = {
            self._keep(replace(receipt, session_key=key)) for key in sessions_of(operation, exchange.body, body) or [""]
        }
        for each in kept:
            each.add_done_callback(self._told)
        if operation is ops.CHARGE_DETAIL_RECORD and verb is Verb.RECEIVE:
            await asyncio.wait(kept)

    def _tell_unkept(self, peer: PeerEntry, operation: AnyOperation) -> None:
        """Log, once for a peer and an operation, that there is a message of which no receipt is kept."""
        if (peer.name, operation.name) not in self._unkept:
            self._unkept.add((peer.name, operation.name))
            self._logger.warning("no receipt is kept of %s with %s: it holds a PIN", operation.name, peer.name)

    def _told(self, kept: asyncio.Future[None]) -> None:
        if not kept.cancelled() and (error := kept.exception()) is not None:
            self._logger.error("a receipt could not be kept: %s", error)

    def _signature(self, peer: PeerEntry, headers: Headers) -> tuple[Signature, VerifyKey] | None:
        """The signature that is by a key of the peer, None where there is none and none is missed."""
        required = peer.signatures == "require"
        if "Signature-Input" not in headers:
            if required:
                raise SignatureProblem("the message is not signed, and a signature is required")
            return None
        keys = self._peers.trust.signing_keys(peer)
        found = signatures_of(_joined(headers, SIGNATURE_FIELDS[1:]))
        for signature in found:
            if (key := keys.get(signature.key_id)) is not None:
                return signature, key
        told = f"{found[0].key_id:.100} is no signing key of {peer.name}"
        if required:
            raise SignatureProblem(told)
        if peer.name not in self._strangers:
            self._strangers.add(peer.name)
            self._logger.warning("%s: its signatures are not looked at", told)
        return None

    async def _plain(self, peer: PeerEntry, body: bytes) -> bytes:
        """The body without the signature in it."""
        if not is_signed(body) and peer.signatures != "require":
            return body
        keys = tuple(self._peers.trust.signing_keys(peer).values())
        return await self._run(partial(check_body, keys, body), len(body))

    def _second(self) -> int:
        return int(self._now().timestamp())


def read_key(file: Path) -> SigningKey:
    """The key in a PEM file. Raises TrustError where it is not one that signs, or its passphrase is not known."""
    try:
        pem = file.read_bytes()
        try:
            return SigningKey(serialization.load_pem_private_key(pem, password=key_passphrase()))
        except TypeError:  # it is not encrypted
            return SigningKey(serialization.load_pem_private_key(pem, password=None))
    except OSError as error:
        message = f"{file}, the key that signs messages, cannot be read: {error.strerror}"
        raise TrustError(message) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"{file} holds no private key that signs messages: PEM, on P-256 or Ed25519"
        raise TrustError(message) from error


def _joined(headers: Headers, names: Iterable[str]) -> dict[str, str]:
    """Those of the header fields that are there, several of one name joined."""
    found: dict[str, str] = {}
    for name in names:
        if values := headers.getall(name, None):
            found[name] = ", ".join(values)
    return found


def _fields(headers: Headers, signature: Signature) -> dict[str, str]:
    """The header fields that the signature covers, and its own. Raises SignatureProblem for a compressed message."""
    if "Content-Encoding" in headers:
        raise SignatureProblem("a signed message is not compressed")
    return _joined(headers, fields_of(signature.covered))


async def _digest(body: bytes) -> str:
    return content_digest(body) if len(body) <= MEBIBYTE else await asyncio.to_thread(content_digest, body)


async def _check_digest(fields: dict[str, str], body: bytes) -> None:
    field = fields.get("content-digest", "")
    if len(body) <= MEBIBYTE:
        check_digest(field, body)
    else:
        await asyncio.to_thread(check_digest, field, body)
