"""Calling peers: one message out, its answer or the reason why there is none."""

import asyncio
import io
import logging
import os
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from multidict import CIMultiDictProxy
from yarl import URL

from p2pnode.config.node import LimitsSection
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import code_of, read_answer, read_page
from p2pnode.oicp.authorization import AuthorizationStart, AuthorizationStop
from p2pnode.oicp.dialects import hint_for, path_of, write_request
from p2pnode.oicp.errors import NoAnswer, PeerError, Refused, Unreachable, Unreadable
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import MEBIBYTE, PUSH_LIMIT, AnyOperation, Operation, Role
from p2pnode.oicp.status import StatusCode
from p2pnode.peering.bodies import WRITTEN_IN_THE_LOOP, gathered
from p2pnode.peering.line import Line, WrongPeerError, open_line
from p2pnode.peering.reply import PROCESS_ID_HEADER, REACHED_HEADER
from p2pnode.peering.signing import Exchange, Signatures
from p2pnode.peering.trust import TrustError
from p2pnode.roaming.ports import PeerAnswer
from p2pnode.roaming.records import CallOutcome, PageRequest, Verb

Answer = TypeVar("Answer", bound=OicpModel)
E = TypeVar("E", bound=BaseException)

SMALL_ANSWERS = frozenset({Acknowledgement, AuthorizationStart, AuthorizationStop})
CONNECTING_SHARE = 0.8
"""The share of a call's time that connecting may take, so that the two can be told apart when they run out."""

WRITTEN_AT_ONCE = 16384
"""A body up to this many bytes goes out together with its head."""

SHOWN_LIMIT = 200
MOST_PREPARED = 100
"""How many peers are prepared for; each costs 1 ms of work and some 30 KB."""
LOGGER = logging.getLogger("p2pnode.peering")


def answer_limit(operation: AnyOperation) -> int:
    """The largest answer that is read, in bytes."""
    return MEBIBYTE if operation.answer in SMALL_ANSWERS else PUSH_LIMIT


def url_of(peer: PeerEntry, operation: AnyOperation, caller_id: str, page: PageRequest | None) -> URL:
    """Where the operation is called at the peer, `*` in ids as it is. Raises Unreachable where the peer has no url."""
    if peer.url is None:
        raise Unreachable(peer.name, "the peer has no url: it is only listened to")
    path = operation.url_path(quote(caller_id, safe="*+"), path_of(peer.dialect, operation))
    query = f"?page={page.page}&size={page.size}" if page is not None and operation.paged else ""
    return URL(f"{peer.url}{path}{query}", encoded=True)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Call:
    """What goes out, and how long and how large its answer may be."""

    url: URL
    body: bytes
    seconds: float
    limit: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Raw:
    """An answer as it came."""

    http: int
    headers: CIMultiDictProxy[str]
    body: bytes


class PeerClient:
    """Calls peers over connections that are kept. Changed entries and certificates are taken up by the next call.

    `certificate` and `key` are shown to peers that are called over TLS. `on_call` hears of every call.
    """

    def __init__(  # noqa: PLR0913 - the parts of a client
        self,
        on_call: Callable[[CallOutcome], None],
        *,
        limits: LimitsSection | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        signatures: Signatures | None = None,
        now: Callable[[], datetime] = _now,
        logger: logging.Logger = LOGGER,
    ) -> None:
        self._on_call = on_call
        self._logger = logger
        self._limits = limits or LimitsSection()
        self._certificate = certificate
        self._key = key
        self._signatures = signatures
        self._now = now
        self._lines: dict[str, Line] = {}
        self._hinted: set[str] = set()
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def reload(self) -> None:
        """Make new connections for all calls from now on: our certificate, or a peer's files, have changed."""
        async with self._opening:  # a line that is being made with the former files is retired, too
            lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.retire()

    async def prepare(self, peers: Iterable[PeerEntry]) -> None:
        """Do for the first `MOST_PREPARED` of the peers what a first call would have to wait for; nothing is connected.

        What is wrong with a peer's files is told to whoever calls it.
        """
        called = (peer for peer in peers if peer.enabled and peer.url is not None)
        for peer in islice(called, MOST_PREPARED):
            with suppress(TrustError):
                await self._line(peer)

    async def close(self) -> None:
        """End all connections."""
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.session.close()

    async def call(  # noqa: PLR0913 - the arguments of the protocol it implements
        self,
        peer: PeerEntry,
        operation: Operation[Any, Answer],
        body: bytes,
        *,
        caller_id: str,
        process_id: str,
        page: PageRequest | None = None,
        deadline: float | None = None,
        reached: Sequence[str] = (),
    ) -> PeerAnswer[Answer]:
        """As `PeerCaller.call`."""
        begun = perf_counter()
        seconds = operation.deadline if deadline is None else deadline
        http, code, detail = 0, "", ""
        try:
            url = url_of(peer, operation, caller_id, page)
            written = await _written(peer, operation, body)
            signed: Exchange | None = None
            fields: Mapping[str, str] = {PROCESS_ID_HEADER: process_id}
            if peer.signs and self._signatures is not None:
                signed = await self._signatures.sign_request(peer, url.raw_path_qs, process_id, written)
                written, fields = signed.body, signed.fields or fields
            if reached and peer.dialect == "oicp":  # a foreign hub has no use for the names of our partners
                fields = {**fields, REACHED_HEADER: ",".join(reached)}
            call = _Call(url, written, seconds, answer_limit(operation), fields)
            raw = await self._exchange(peer, call)
            http = raw.http
            if signed is not None and self._signatures is not None:
                raw = replace(raw, body=await self._signatures.plain_answer(signed, raw.http, raw.body))
            answer = _answer(operation, peer, raw, (perf_counter() - begun) * 1000)
            told = code_of(answer.answer)
            if signed is not None and self._signatures is not None:
                await self._signatures.check_answer(
                    operation, signed, http=raw.http, headers=raw.headers, body=raw.body, code=told
                )
            code = told
            self._hint(peer, answer.answer)
        except PeerError as error:
            http = error.http or http
            code = error.peer_code if isinstance(error, Refused) else error.code.value
            if isinstance(error, Unreachable | NoAnswer):  # others may hold what the peer wrote
                detail = error.reason
            self._hint_at(peer, code, str(error))
            raise
        finally:
            if code:  # a call that was cancelled tells nothing about the peer
                ms = (perf_counter() - begun) * 1000
                at = self._now()
                outcome = CallOutcome(operation.name, Verb.SEND, peer.name, http, code, ms, process_id, at, detail)
                self._on_call(outcome)
        return answer

    def _hint(self, peer: PeerEntry, answer: OicpModel) -> None:
        status = getattr(answer, "status_code", None)
        if isinstance(status, StatusCode):
            self._hint_at(peer, status.code, f"{status.description or ''} {status.additional_info or ''}")

    def _hint_at(self, peer: PeerEntry, code: str, told: str) -> None:
        """Tell people once of a fault that is known to be the peer's."""
        hint = hint_for(code, told)
        if hint is not None and peer.name not in self._hinted:
            self._hinted.add(peer.name)
            self._logger.warning("%s: %s", peer.name, hint)

    async def _exchange(self, peer: PeerEntry, call: _Call) -> _Raw:
        """The answer as it came. Raises PeerError."""
        try:
            async with asyncio.timeout(call.seconds):
                line = await self._line(peer)
                line.calls += 1
                try:
                    return await _post(line, call)
                finally:
                    await line.release()
        except PeerError:
            raise
        except (TrustError, WrongPeerError) as error:
            raise Unreachable(peer.name, str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(peer, call, error) from error

    async def _line(self, peer: PeerEntry) -> Line:
        """The line to the peer as its entry is now."""
        line = self._lines.get(peer.name)
        if line is None or (line.peer is not peer and line.peer != peer):
            async with self._opening:
                line = self._lines.get(peer.name)
                if line is None or line.peer != peer:
                    if line is not None:
                        await line.retire()
                    line = await open_line(peer, self._limits, self._certificate, self._key)
                    self._lines[peer.name] = line
        return line


async def _written(peer: PeerEntry, operation: AnyOperation, body: bytes) -> bytes:
    """The body as the peer's dialect has it; a large one is rewritten beside the loop."""
    provider_id = next(iter(peer.ids(Role.EMP)), None)
    if peer.dialect == "oicp" or len(body) <= WRITTEN_IN_THE_LOOP:
        return write_request(peer.dialect, operation, body, provider_id=provider_id)
    return await asyncio.to_thread(write_request, peer.dialect, operation, body, provider_id=provider_id)


async def _post(line: Line, call: _Call) -> _Raw:
    """Send and receive, a second time where the first found a kept connection closed and sent nothing."""
    try:
        return await _post_once(line, call)
    except aiohttp.ClientOSError as error:
        if not _nothing_was_sent(error, call):
            raise
    return await _post_once(line, call)


async def _post_once(line: Line, call: _Call) -> _Raw:
    data = call.body if len(call.body) <= MEBIBYTE else io.BytesIO(call.body)
    connecting = min(line.connect_seconds, call.seconds * CONNECTING_SHARE)
    async with line.session.post(
        call.url,
        data=data,
        headers=call.fields,
        allow_redirects=False,
        ssl=line.tls if line.tls is not None else True,
        server_hostname=line.peer.tls_name if line.tls is not None else None,
        timeout=aiohttp.ClientTimeout(total=None, connect=connecting),
    ) as response:
        told, http = f"the answer is larger than {call.limit} bytes", response.status
        raw = await gathered(response.content, call.limit, lambda: Unreadable(line.peer.name, told, http=http))
        return _Raw(response.status, response.headers, raw)


def _answer(operation: Operation[Any, Answer], peer: PeerEntry, raw: _Raw, ms: float) -> PeerAnswer[Answer]:
    content_type = raw.headers.get("Content-Type")
    if operation.answer_records:
        page = read_page(operation, peer.name, raw.http, content_type, raw.body)
        return PeerAnswer(page.message, raw.body, raw.http, ms, page.records)
    answer = read_answer(operation, peer.name, raw.http, content_type, raw.body)
    return PeerAnswer(answer, raw.body, raw.http, ms)


def _nothing_was_sent(error: BaseException, call: _Call) -> bool:
    """Whether the connection was found closed by the first write; a small request is written at once, as a whole."""
    return len(call.body) <= WRITTEN_AT_ONCE and _cause(error, aiohttp.ClientConnectionResetError) is not None


def _failure(peer: PeerEntry, call: _Call, error: BaseException) -> PeerError:
    """What a failure on the wire means for the request: not sent, perhaps processed, or answered unreadably."""
    told = in_words(error)[:SHOWN_LIMIT]
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return Unreachable(peer.name, told)
    if isinstance(error, TimeoutError):
        return NoAnswer(peer.name, f"no answer within {call.seconds:g} seconds")
    alert = _cause(error, ssl.SSLError)
    if alert is not None and "ALERT" in (alert.reason or ""):
        why = (alert.reason or "").removeprefix("TLSV1_").removeprefix("SSLV3_").replace("_", " ").lower()
        return Unreachable(peer.name, f"it does not accept our certificate, which it has to know: {why}")
    if call.url.scheme == "https" and isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError):
        told = f"{told} (so ends a connection, too, if a peer does not take our certificate)"
    if _nothing_was_sent(error, call):
        return Unreachable(peer.name, told)
    if isinstance(error, aiohttp.ClientResponseError) or _cause(error, ContentEncodingError) is not None:
        return Unreadable(peer.name, told)
    return NoAnswer(peer.name, told)


def in_words(error: BaseException) -> str:
    """The failure in words for people; one that has none here in the library's."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        refused = error.certificate_error
        reason = refused.verify_message if isinstance(refused, ssl.SSLCertVerificationError) else refused
        return f"the certificate shown at {error.host}:{error.port} is not trusted here: {reason}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the host name {error.host} is not known: {error.os_error.strerror}"
    if isinstance(error, aiohttp.ClientConnectorError):
        failed, place = error.os_error, f"{error.host}:{error.port}"
        if isinstance(failed, ssl.SSLError):
            return f"no TLS connection to {place}, perhaps it is a port for plain HTTP: {failed.reason or failed}"
        return f"nobody can be reached at {place}: {os.strerror(failed.errno) if failed.errno else failed}"
    return f"{type(error).__name__}: {error}"


def _cause(error: BaseException, kind: type[E]) -> E | None:
    """The error of this kind among the causes of an error."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, kind):
        seen = seen.__cause__ or seen.__context__
    return seen
