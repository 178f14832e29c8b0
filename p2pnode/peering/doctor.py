"""Examining the way to a peer, step by step, as a call would go it. Nothing is changed anywhere.

An operation is probed with a body that is no message (`[]`): who knows us and takes our id answers that it is none, and
does nothing. A node takes these requests for what they are: they are no messages to it, and one line in its audit log.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509

from p2pnode.config.node import NodeConfig
from p2pnode.config.peers import PeerEntry
from p2pnode.config.pins import public_key_pin
from p2pnode.oicp.codec import members_in, members_of
from p2pnode.oicp.operations import OPERATIONS, AnyOperation, Role
from p2pnode.oicp.status import Code
from p2pnode.peering.bodies import PROBE, gathered
from p2pnode.peering.card import CARD_LIMIT, CARD_PATH, Card, CardError, read_card
from p2pnode.peering.client import url_of
from p2pnode.peering.finding import Finding, fails, well
from p2pnode.peering.line import Line, WrongPeerError, open_line
from p2pnode.peering.meeting import stranger_context
from p2pnode.peering.reply import PROBE_HEADER
from p2pnode.peering.trust import Credentials, PeerTrust, TrustError

SECONDS = 10.0
SKEW = timedelta(seconds=30)
TIMES = 5
FOREIGN = {Role.CPO: "XX*NOT", Role.EMP: "XX-NOT"}
"""Ids that are nobody's: a peer that binds ids to keys refuses them."""

OURS_UNKNOWN = "the partner accepts this node: p2pnode peer accept, or imports its card"
THEIR_PIN = "compare its pin again, by telephone: p2pnode peer add URL"


@dataclass(frozen=True, slots=True)
class Patient:
    """The peer that is examined, the table it is known by, and our own node."""

    entry: PeerEntry
    trust: PeerTrust
    own: NodeConfig
    now: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    code: str
    date: str
    body: bytes


async def examine(patient: Patient) -> AsyncIterator[Finding]:
    """One finding after the other; those that need what failed are left out."""
    entry = patient.entry
    if not entry.enabled or entry.url is None:
        told = "it has no url: it is only listened to" if entry.enabled else "it is switched off"
        yield fails("entry", told, "correct its entry in the peer table")
        return
    parts = urlsplit(entry.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    async for finding in _connection(host, port):
        yield finding
        if not finding.is_well:
            return
    is_encrypted = parts.scheme == "https"
    if is_encrypted:
        async for finding in _encryption(patient, host, port):
            yield finding
    face = patient.own.peer_face
    shown = (face.certificate, face.key) if face.shows_identity else (None, None)
    try:
        line = await open_line(entry, patient.own.limits, *shown)
    except TrustError as error:
        yield fails("certificates", str(error), "p2pnode pki check")
        return
    try:
        async for finding in _conversation(patient, line, f"{parts.scheme}://{parts.netloc}"):
            yield finding
    finally:
        await line.session.close()


async def _connection(host: str, port: int) -> AsyncIterator[Finding]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        yield well("name", f"{host} is {', '.join(dict.fromkeys(str(one[4][0]) for one in found))}")
    except OSError as error:
        yield fails("name", f"{host} is not known: {error.strerror}", "correct the host in its url, or ask its DNS")
        return
    begun = perf_counter()
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        yield well("TCP", f"port {port} is open, {(perf_counter() - begun) * 1000:.1f} ms")
    except (OSError, TimeoutError) as error:
        told = os.strerror(error.errno) if error.errno else "no answer"
        yield fails("TCP", f"port {port}: {told}", "does its node run, and does its firewall let this machine in?")


async def _encryption(patient: Patient, host: str, port: int) -> AsyncIterator[Finding]:
    """What the peer shows in a handshake that believes everything."""
    try:
        context = await asyncio.to_thread(stranger_context)
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        tls: Any = writer.get_extra_info("ssl_object")
        version, der = str(tls.version()), tls.getpeercert(binary_form=True)
        writer.close()
    except (OSError, TimeoutError) as error:
        yield fails("TLS", f"{type(error).__name__}: {error}", "is it a port for plain HTTP, or TLS older than 1.2?")
        return
    yield well("TLS", version)
    credentials = patient.trust.credentials(patient.entry)
    if der is None or credentials is None:
        yield fails("certificate", "it shows none", "its node has to show one")
        return
    for finding in _certificate(patient, credentials, x509.load_der_x509_certificate(der), der):
        yield finding


def _certificate(patient: Patient, credentials: Credentials, shown: x509.Certificate, der: bytes) -> Sequence[Finding]:
    pin, entry = public_key_pin(shown), patient.entry
    issuer = shown.issuer.rfc4514_string()
    anchored = any(_is_issuer(one, shown) for one in (*credentials.certificates, *credentials.authorities))
    if not credentials.certificates and not credentials.authorities:
        chain = fails("chain", "only its pin is known: it can be called, but its calls are not let in", THEIR_PIN)
    elif anchored:
        chain = well("chain", f"issued by {issuer}")
    else:
        chain = fails(
            "chain", f"issued by {issuer}, which its entry does not know", "take up its new certificate or CA"
        )
    known = credentials.is_of(shown, pin)
    told = f"{pin}{'' if known else f' is not one of {len(credentials.pins)} known'}"
    until = shown.not_valid_after_utc
    lives = shown.not_valid_before_utc <= patient.now <= until
    is_bound = patient.trust.peer_of(der) is entry
    ids = ", ".join((*entry.operators, *entry.providers)) or "no ids"
    return (
        chain,
        Finding("pin", known, told, THEIR_PIN),
        Finding(
            "validity", lives, f"until {until:%Y-%m-%dT%H:%M:%SZ}", "the partner renews it; are both clocks right?"
        ),
        Finding(
            "its ids", is_bound, f"its key speaks for {ids} here" if is_bound else "its key is no peer's", THEIR_PIN
        ),
    )


def _is_issuer(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    if authority == certificate:
        return True
    with suppress(Exception):  # whatever is wrong with a certificate, it is not issued by this one
        certificate.verify_directly_issued_by(authority)
        return True
    return False


async def _conversation(patient: Patient, line: Line, origin: str) -> AsyncIterator[Finding]:
    """What the peer answers to us as we are."""
    entry = patient.entry
    try:
        answer = await _exchange(line, "GET", f"{origin}{CARD_PATH}")
    except (aiohttp.ClientError, OSError, WrongPeerError, TimeoutError) as error:
        yield fails("HTTP", f"{type(error).__name__}: {error}"[:300], OURS_UNKNOWN)
        return
    yield _clock(answer, patient.now)
    times: list[float] = []
    for _ in range(TIMES):
        begun = perf_counter()
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            await _exchange(line, "GET", f"{origin}{CARD_PATH}")
            times.append((perf_counter() - begun) * 1000)
    if times:
        yield well("latency", f"{median(times):.1f} ms, the median of {len(times)}")
    card: Card | None = None
    if answer.status == HTTPStatus.OK:
        try:
            card = read_card(answer.body)
            yield _card(entry, card)
        except CardError as error:
            yield fails("card", f"it cannot be used: {error}", "ask the partner; is it a node?")
    else:
        yield well("card", "it shows none, so what it serves is not known")
    async for finding in _operations(patient, line, card):
        yield finding


def _clock(answer: _Answer, now: datetime) -> Finding:
    try:
        skew = parsedate_to_datetime(answer.date) - now
    except (ValueError, TypeError):
        return well("clock", "it does not tell its time")
    told = f"{skew.total_seconds():+.0f} s from ours"
    return Finding("clock", abs(skew) <= SKEW, told, "set both clocks by NTP")


def _card(entry: PeerEntry, card: Card) -> Finding:
    said = {*card.operators, *card.providers}
    missing = [text for text in (*entry.operators, *entry.providers) if text not in said]
    more = sorted(said - {*entry.operators, *entry.providers})
    if missing or more:
        told = f"entered but not in its card: {missing or '-'}; in its card but not entered: {more or '-'}"
        return fails("card", told, "agree on the ids, then p2pnode peer add again")
    return well("card", f"{card.name}, {card.software} {card.version}, {len(card.operations)} operations")


async def _operations(patient: Patient, line: Line, card: Card | None) -> AsyncIterator[Finding]:
    """Every operation the card promises, or, without one, that the peer's roles answer."""
    entry, own = patient.entry, patient.own.node
    bound: AnyOperation | None = None
    for operation in OPERATIONS:
        promised = bool(entry.ids(operation.callee)) if card is None else operation.name in card.operations
        ids = own.ids(operation.caller)
        if not promised or not ids or not entry.may_send(operation):
            continue
        finding = await _probed(line, operation, ids[0])
        yield finding
        if finding.is_well and "{" in operation.path:
            bound = operation
    if bound is not None:
        answer = await _probe(line, bound, FOREIGN[bound.caller])
        refused = isinstance(answer, _Answer) and answer.code == Code.UNAUTHORIZED_ACCESS.value
        told = "it takes ours and refuses others" if refused else f"it also takes {FOREIGN[bound.caller]} from us"
        yield Finding("our ids", refused, told, "the partner should bind our ids to our key")


async def _probed(line: Line, operation: AnyOperation, own_id: str) -> Finding:
    answer = await _probe(line, operation, own_id)
    if not isinstance(answer, _Answer):
        return fails(operation.name, answer, "see its log")
    refusals = (
        (answer.status == HTTPStatus.UNAUTHORIZED, "it does not know our key", OURS_UNKNOWN),
        (
            answer.code == Code.UNAUTHORIZED_ACCESS.value,
            f"it refuses our id {own_id}",
            f"the partner enters {own_id} for this node",
        ),
        (
            answer.status == HTTPStatus.NOT_FOUND or answer.code == Code.SERVICE_NOT_AVAILABLE.value,
            "it does not serve it",
            "correct its url, or agree to do without",
        ),
    )
    served = answer.status == HTTPStatus.BAD_REQUEST or answer.code in {Code.DATA_ERROR.value, Code.SYSTEM_ERROR.value}
    if answer.status == HTTPStatus.UNAUTHORIZED and line.peer.signs:
        return well(operation.name, "it refuses a message without a signature, as agreed")
    for is_so, told, remedy in refusals:
        if is_so:
            return fails(operation.name, told, remedy)
    told = "served" if served else f"HTTP {answer.status}, code {answer.code or '-'}"
    return Finding(operation.name, served, told, "ask the partner")


async def _probe(line: Line, operation: AnyOperation, own_id: str) -> _Answer | str:
    """What the peer answers, or why it does not."""
    try:
        return await _exchange(line, "POST", str(url_of(line.peer, operation, own_id, None)), PROBE)
    except (aiohttp.ClientError, OSError, WrongPeerError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"[:300]


async def _exchange(line: Line, method: str, url: str, body: bytes | None = None) -> _Answer:
    async with line.session.request(
        method,
        url,
        data=body,
        headers={PROBE_HEADER: "1"} if body is not None else None,
        allow_redirects=False,
        ssl=line.tls if line.tls is not None else True,
        server_hostname=line.peer.tls_name if line.tls is not None else None,
        timeout=aiohttp.ClientTimeout(total=SECONDS),
    ) as response:
        content = await gathered(
            response.content, CARD_LIMIT, lambda: aiohttp.ClientPayloadError("its answer is too long")
        )
        return _Answer(response.status, _code(content), response.headers.get("Date", ""), content)


def _code(content: bytes) -> str:
    """The OICP code in an answer, if there is one."""
    code = members_of(members_in(content).get("StatusCode")).get("Code")
    return str(code) if code is not None else ""
