"""The node card: what a node tells anyone about itself, so that two parties can exchange entries for their tables."""

import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from p2pnode import __version__
from p2pnode.config.node import NodeConfig, PeerFaceSection
from p2pnode.config.peers import PeerEntry, Pin, SigningKeyText, Url
from p2pnode.config.pins import NEXT_IDENTITY_FILE, pin_of_key, public_key_pin, read_signing_key
from p2pnode.config.settings import Name
from p2pnode.oicp.codec import decode, members_of
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import BASE_PATH, AnyOperation
from p2pnode.peering.http_signatures import SignatureProblem, SigningKey, VerifyKey
from p2pnode.peering.signing import read_key
from p2pnode.peering.trust import TrustError, read_chain, to_pem

CARD_PATH = "/.well-known/oicp-node"
PAIRING_PATH = f"{CARD_PATH}/pairing"
LONGEST_CHAIN = 6
CARD_LIMIT = 65536
"""The largest card that is read, in bytes."""

EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened at
VERSION = re.compile(r"/(v[0-9]+)/")

CardId = Annotated[str, Field(pattern=r"^[A-Za-z0-9*+-]{2,20}$")]
Ids = Annotated[tuple[CardId, ...], Field(max_length=64)]
ShownUrl = Annotated[Url, Field(max_length=300, pattern=r"^[!-~]*$")]
"""A URL that can be shown on a terminal."""

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]{0,64}$")]


class CardError(Exception):
    """What came is no node card, or not the card of who showed it; the sentence says why."""


class Card(BaseModel):
    """A node card as it is read. It comes from strangers: every member is short and can be shown on a terminal."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: Name
    operators: Ids = ()
    providers: Ids = ()
    url: ShownUrl | None = None
    base_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]{1,60}){0,8}$")] = BASE_PATH
    operations: Annotated[dict[Word, Word], Field(max_length=64)] = {}
    software: Word = ""
    version: Word = ""
    pin: Pin
    next_pin: Pin | None = None
    next_signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")] | None = None
    signing_key: SigningKeyText | None = None
    certificate: Annotated[str, Field(max_length=32768)]

    def entry(self, name: str, url: str | None) -> PeerEntry:
        """The entry of the peer table that knows this node, but for its certificate. Raises CardError."""
        pins = (self.pin,) if self.next_pin is None else (self.pin, self.next_pin)
        signs = self.signing_key
        apart = signs is not None and pin_of_key(read_signing_key(signs)) != self.pin
        try:
            return PeerEntry(
                name=name,
                url=url,
                operators=self.operators,
                providers=self.providers,
                pins=pins,
                signing_keys=(signs,) if signs is not None and apart else (),
            )
        except ValidationError as error:
            raise CardError(f"no entry can be made of the card: {_first(error)}") from None

    def claims(self, node: NodeConfig) -> str | None:
        """An id of this node's own that the card claims."""
        operators = {operator_key(text) for text in node.node.operators}
        providers = {provider_key(text) for text in node.node.providers}
        taken = [text for text in self.operators if operator_key(text) in operators]
        taken += [text for text in self.providers if provider_key(text) in providers]
        return next(iter(taken), None)


def read_card(content: bytes | Mapping[str, Any]) -> Card:
    """The card. Raises CardError where it is none, or its certificate is not that of its pin."""
    try:
        card = Card.model_validate(members_of(decode(content)) if isinstance(content, bytes) else content)
    except InvalidMessage:
        raise CardError("it is not JSON") from None
    except ValidationError as error:
        raise CardError(_first(error)) from None
    try:
        chain = x509.load_pem_x509_certificates(card.certificate.encode())
        _require_own(chain, card)
        _require_next(chain[0], card)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise CardError("certificate: not a chain in PEM form, or of keys that are not usable") from None
    return card


def _require_next(first: x509.Certificate, card: Card) -> None:
    """Raise CardError where the card's key has not signed that the next one follows it."""
    if card.next_pin is None:
        return
    try:
        signature = b64decode(card.next_signature or "")
        VerifyKey(first.public_key()).check(signature, _follows(card.next_pin))
    except SignatureProblem:
        raise CardError("its next key is not signed by the one it has") from None


def _follows(next_pin: str) -> bytes:
    """What the key of a node signs, so that peers take another as its next one."""
    return f"p2pnode next key 1\n{next_pin}".encode()


def _require_own(chain: Sequence[x509.Certificate], card: Card) -> None:
    """Raise unless the chain has the card's key, its next key, and issuers of these only.

    Every other certificate would make its owner's key one of this card's.
    """
    first, *others = chain
    if len(chain) > LONGEST_CHAIN or public_key_pin(first) != card.pin:
        raise CardError("its certificate is not of the key it names")
    issued = first
    for other in others:
        if public_key_pin(other) == card.next_pin:
            continue
        issued.verify_directly_issued_by(other)
        issued = other


def node_card(config: NodeConfig, offered: Collection[AnyOperation], port: int | None = None) -> Mapping[str, object]:
    """The card of this node, which listens at `port`.

    A next key is in it once the current one, where that is on P-256 or Ed25519, has signed that it follows.
    `signing_key` is what its signatures are checked with, in Base64; `certificate` is what a peer keeps to know it by.
    That is its identity certificate, and the next one where a change of the key is prepared; of a node whose
    certificate a CA issued it is the chain. Without TLS there is none. Reads the certificate files; raises TrustError.
    """
    node, face = config.node, config.peer_face
    card: dict[str, object] = {
        "name": node.name,
        "operators": node.operators,
        "providers": node.providers,
        "roles": [role.value for role in node.roles],
        "base_path": BASE_PATH,
        "operations": {row.name: _version(row) for row in sorted(offered, key=lambda row: row.name)},
        "dialect": "oicp",
        "software": "p2pnode",
        "version": __version__,
    }
    if (url := public_url(config, port)) is not None:
        card["url"] = url
    if face.shows_identity:
        card |= _identity(face)
    if (signing_key := _signing_key(face)) is not None:
        card["signing_key"] = b64encode(signing_key.spki).decode()
    return card


def public_url(config: NodeConfig, port: int | None = None) -> str | None:
    """The OICP base that peers reach the node at; None where nothing tells.

    That is so where it listens everywhere, or behind a proxy, and no url is configured.
    """
    face = config.peer_face
    if face.url is not None or face.host in EVERYWHERE or face.proxies:
        return face.url
    scheme = "https" if face.tls == "on" else "http"
    return f"{scheme}://{in_url(face.host)}:{port or face.port}{BASE_PATH}"


def in_url(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _identity(face: PeerFaceSection) -> dict[str, object]:
    file = face.certificate
    chain = read_chain(file)
    pin = public_key_pin(chain[0])
    identity = next((issuer for issuer in chain[1:] if public_key_pin(issuer) == pin), None)
    kept = chain if identity is None else [identity]
    found: dict[str, object] = {"pin": pin}
    following = file.with_name(NEXT_IDENTITY_FILE)
    if identity is not None and following.exists() and (key := _key_of(face, pin)) is not None:
        coming = read_chain(following)[0]
        kept = [*kept, coming]
        next_pin = public_key_pin(coming)
        found |= {"next_pin": next_pin, "next_signature": b64encode(key.sign(_follows(next_pin))).decode()}
    return {**found, "certificate": to_pem(kept)}


def _key_of(face: PeerFaceSection, pin: str) -> SigningKey | None:
    """The key of our certificate, whose pin this is, where it is here and of a kind that signs."""
    try:
        key = read_key(face.key)
    except (TrustError, SignatureProblem):
        return None
    return key if key.public.pin == pin else None


def _signing_key(settings: PeerFaceSection) -> VerifyKey | None:
    """What our signatures are checked with. None where the key of our certificate is of a kind that does not sign."""
    try:
        return read_key(settings.signing_key or settings.key).public
    except TrustError:
        if settings.signing_key is not None:
            raise
        return None


def _version(operation: AnyOperation) -> str:
    found = VERSION.search(operation.path)
    return found[1] if found else ""


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, without its value."""
    details = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in details["loc"])
    return f"{place}: {details['msg']}" if place else details["msg"]
