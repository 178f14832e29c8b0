"""Meeting a node that is not a peer yet: its card, the key it shows, and asking it to pair.

Nothing it says is believed: whoever reads the result compares the pin with what the other party tells.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from p2pnode.config.pins import read_certificate
from p2pnode.oicp.codec import encode, members_in, members_of
from p2pnode.peering.bodies import gathered
from p2pnode.peering.card import CARD_LIMIT, CARD_PATH, PAIRING_PATH, Card, CardError, read_card
from p2pnode.peering.client import in_words
from p2pnode.peering.reply import SOFTWARE

SECONDS = 10.0
SHOWN = 200


class NotMet(Exception):
    """The other node cannot be reached, or is not what it should be; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Met:
    """A node that was met: its card, the base of its URLs, and our own address as the connection had it."""

    card: Card
    origin: str
    own_address: str

    @property
    def url(self) -> str:
        """The OICP base, where it was reached."""
        return f"{self.origin}{self.card.base_path}"


class _Witness(aiohttp.Fingerprint):
    """Notes the key at the other end before a request goes out, and ends the connection where it is the wrong one."""

    def __init__(self, expected: str | None = None) -> None:
        super().__init__(bytes(32))  # the digest of the base class is not used
        self._expected = expected
        self.pin = ""
        self.own_address = ""

    def check(self, transport: asyncio.Transport) -> None:
        """Raise NotMet where the key is not the expected one."""
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        read = read_certificate(der) if der is not None else None
        self.pin = read[1] if read is not None else ""
        self.own_address = str(transport.get_extra_info("sockname")[0])
        if not self.pin or (self._expected is not None and self.pin != self._expected):
            transport.abort()
            raise NotMet(
                f"it shows the key {self.pin or 'of no certificate'}, not {self._expected or 'one of its own'}"
            )


def origin_of(url: str) -> str:
    """`https://host:port` of what a person names a node by: a URL or host and port. Raises NotMet."""
    text = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(text)
        known = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known, parts = False, None
    if not known or parts is None or parts.username:
        raise NotMet(f"{url!r:.100} is no https URL of a node; one looks like https://node.partner.example:7000")
    return f"https://{parts.netloc}"


async def meet(url: str) -> Met:
    """The node at a URL, whoever it is. Raises NotMet."""
    origin, witness = origin_of(url), _Witness()
    status, content = await _exchange("GET", f"{origin}{CARD_PATH}", witness)
    if status != HTTPStatus.OK:
        raise NotMet(f"{origin}{CARD_PATH} answers HTTP {status}: is this a node?")
    try:
        card = read_card(content)
    except CardError as error:
        raise NotMet(f"{origin}{CARD_PATH} shows no node card: {error}") from error
    if card.pin != witness.pin:
        raise NotMet(f"{origin} shows the key {witness.pin}, but its card names another: is there a proxy between?")
    return Met(card, origin, witness.own_address)


async def ask(met: Met, request: Mapping[str, str]) -> str:
    """Ask a node that was met to pair; whether this side is `pending` or `accepted` there. Raises NotMet."""
    status, content = await _exchange("POST", f"{met.origin}{PAIRING_PATH}", _Witness(met.card.pin), encode(request))
    members = members_in(content)
    if status >= HTTPStatus.BAD_REQUEST:
        reason = members_of(members.get("StatusCode")).get("AdditionalInfo")
        raise NotMet(f"it answers HTTP {status}: {str(reason or 'it takes no requests to be paired')[:SHOWN]!r}")
    return "accepted" if members.get("state") == "accepted" else "pending"


def stranger_context() -> ssl.SSLContext:
    """TLS to somebody unknown: nothing is verified, since there is nothing yet to verify it by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _exchange(method: str, url: str, witness: _Witness, body: bytes | None = None) -> tuple[int, bytes]:
    context = await asyncio.to_thread(stranger_context)
    too_large = f"the answer of {url} is larger than {CARD_LIMIT} bytes"
    headers = {"User-Agent": SOFTWARE, "Accept": "application/json", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=witness), timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.request(method, url, data=body, headers=headers, ssl=context, allow_redirects=False) as response,
        ):
            return response.status, await gathered(response.content, CARD_LIMIT, lambda: NotMet(too_large))
    except TimeoutError:
        raise NotMet(f"{url} does not answer within {SECONDS:g} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotMet(f"{url} cannot be reached: {in_words(error)[:SHOWN]}") from error
