"""HTTP Message Signatures (RFC 9421) and Content-Digest (RFC 9530): the parts of them that OICP needs, as values.

Ed25519 and ECDSA over P-256, made and checked. A signature covers derived components and whole header fields, `;req`
those of the request that an answer belongs to, `;key` one member of such a field. What says more than that is refused.
"""

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from p2pnode.config.pins import SigningPublicKey, is_signing_key, pin_of_key

ED25519 = "ed25519"
ECDSA_P256 = "ecdsa-p256-sha256"
HALF = 32
"""The bytes of r, and of s, in a signature by ECDSA over P-256."""

_TEXT = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'
_KEY = r"[a-z*][a-z0-9_.*-]*"
_BARE = rf"(?:-?[0-9]{{1,12}}\.[0-9]{{1,3}}|-?[0-9]{{1,15}}|{_TEXT}|[A-Za-z*][\w:/!#$%&'*+.^`|~-]*|:[\w+/=]*:|\?[01])"
_PARAMETERS = rf"(?:;{_KEY}(?:={_BARE})?)*"
_COVERED = rf"\((?:{_TEXT}{_PARAMETERS}(?: {_TEXT}{_PARAMETERS})*)?\)"
_MEMBER = re.compile(rf"({_KEY})=(?:({_COVERED})({_PARAMETERS})|:([A-Za-z0-9+/]*={{0,2}}):)", re.ASCII)
_COMPONENT = re.compile(rf"({_TEXT})({_PARAMETERS})", re.ASCII)
_PARAMETER = re.compile(rf";({_KEY})(?:=({_BARE}))?", re.ASCII)
_BETWEEN = re.compile(r"[ \t]*,[ \t]*")
_NAME = re.compile(r'"(@?[a-z0-9!#$%&\'*+.^_`|~-]+)"')

_DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_DIGEST_KEYS = (None, *_DIGESTS)

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_P256 = ec.ECDSA(hashes.SHA256())


class SignatureProblem(ValueError):
    """A signature or digest is missing, cannot be read, or does not hold; the sentence says which."""


class Message(NamedTuple):
    """What can be signed of a request (method and target) or of an answer (status and the request it belongs to).

    `fields` are header fields by their lower-case names; several of one name are joined with a comma and a blank.
    """

    fields: Mapping[str, str]
    method: str = ""
    target: str = ""
    status: int = 0
    request: "Message | None" = None


class Component(NamedTuple):
    """One covered component: `text` is how it stands in the signature base; `key` is None for a whole field."""

    text: str
    name: str
    of_request: bool
    key: str | None


class Covered:
    """The components that a signature covers: read once for all messages whose signatures cover the same.

    `fields` are the names of the header fields that their values are taken from, those of the request left out.
    """

    __slots__ = ("_known", "_parts", "fields")

    def __init__(self, components: Sequence[Component]) -> None:
        """Raises SignatureProblem where one of them stands there twice."""
        self._known = frozenset(part[1:] for part in components)
        if len(self._known) < len(components):
            raise SignatureProblem("the signature covers a component twice")
        self._parts = tuple((part, f"{part.text}: ", part.name.startswith("@")) for part in components)
        names = [part.name for part in components if not part.of_request and not part.name.startswith("@")]
        self.fields = (*names, "host") if self.has("@authority") else tuple(names)

    def __iter__(self) -> Iterator[Component]:
        """The components, in their order."""
        return (component for component, _, _ in self._parts)

    def has(self, name: str, *, of_request: bool = False, key: str | None = None) -> bool:
        """Whether this component is covered: as a whole, or the member of it with this key.

        Of a Content-Digest any member will do that `check_digest` checks.
        """
        keys = _DIGEST_KEYS if name == "content-digest" else (None, key)
        return any((name, of_request, each) in self._known for each in keys)

    def base(self, inner: str, message: Message) -> bytes:
        """What is signed of a message. Raises SignatureProblem where a covered component is not there."""
        lines: list[str] = []
        for (text, name, of_request, key), beginning, is_derived in self._parts:
            source = message.request if of_request else message
            if source is None:
                raise SignatureProblem("the signature covers a request that is not known")
            fields = source.fields
            value: str | None
            if is_derived:
                value = _derived(name, source.method, source.target, source.status, fields.get("host"))
            elif key is None:
                value = fields.get(name)
            else:
                value = _member(fields.get(name, ""), key)
            if value is None:
                raise SignatureProblem(f"the signature covers {text:.100}, which is not there")
            lines.append(beginning + value)
        lines.append(f'"@signature-params": {inner}')
        try:
            return "\n".join(lines).encode("ascii")
        except UnicodeEncodeError:
            raise SignatureProblem("a covered component is not ASCII") from None


class _Member(NamedTuple):
    """One member of a dictionary: an inner list and its parameters, or, where `covered` is empty, a byte sequence."""

    covered: str
    parameters: str
    value: str


_NO_MEMBER = _Member("", "", "")


class Signature(NamedTuple):
    """One signature of a message, as its two header fields tell it. `inner` is the text of its @signature-params."""

    label: str
    inner: str
    covered: Covered
    parameters: Mapping[str, str | int]
    value: bytes

    @property
    def created(self) -> int:
        """When it was made, in seconds since 1970. Raises SignatureProblem where it does not say so."""
        created = self.parameters.get("created")
        if not isinstance(created, int):
            raise SignatureProblem("the signature does not say when it was made")
        return created

    @property
    def key_id(self) -> str:
        """Which key it was made with; empty where it does not say."""
        return str(self.parameters.get("keyid", ""))

    def require_alive(self, now: float) -> None:
        """Raise SignatureProblem where the signature says that it has expired by now, in seconds since 1970."""
        expires = self.parameters.get("expires")
        if expires is None:
            return
        if not isinstance(expires, int):
            raise SignatureProblem("the signature does not say in seconds when it expires")
        if now > expires:
            raise SignatureProblem(f"the signature expired {now - expires:.0f} seconds ago by our clock")


class VerifyKey:
    """A public key, known by its pin."""

    __slots__ = ("_key", "algorithm", "pin", "spki")

    def __init__(self, key: object) -> None:
        """Raises SignatureProblem for a key that is neither P-256 nor Ed25519."""
        if not is_signing_key(key):
            raise SignatureProblem("signatures are made with a key on P-256 or Ed25519")
        self._key: SigningPublicKey = key
        self.algorithm = ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else ECDSA_P256
        self.spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.pin = pin_of_key(key)

    @classmethod
    def of(cls, spki: bytes) -> "VerifyKey":
        """The key in a SubjectPublicKeyInfo in DER form. Raises SignatureProblem."""
        try:
            return cls(serialization.load_der_public_key(spki))
        except (ValueError, UnsupportedAlgorithm):
            raise SignatureProblem("a public key cannot be read") from None

    def check(self, signature: bytes, signed: bytes) -> None:
        """Raise SignatureProblem where this is no signature over these bytes."""
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, signed)
            elif len(signature) != 2 * HALF:
                raise SignatureProblem("the signature does not have 64 bytes")
            else:
                r, s = int.from_bytes(signature[:HALF], "big"), int.from_bytes(signature[HALF:], "big")
                self._key.verify(encode_dss_signature(r, s), signed, _P256)
        except InvalidSignature:
            raise SignatureProblem("the signature does not hold: the message or the signature was altered") from None

    def check_der(self, signature: bytes, signed: bytes) -> None:
        """The same for a signature by ECDSA in DER form."""
        if isinstance(self._key, ed25519.Ed25519PublicKey):
            raise SignatureProblem("such a signature is made with a key on P-256")
        try:
            self._key.verify(signature, signed, _P256)
        except InvalidSignature:
            raise SignatureProblem("the signature does not hold: the message or the signature was altered") from None


class SigningKey:
    """A private key."""

    __slots__ = ("_key", "public")

    def __init__(self, key: object) -> None:
        """Raises SignatureProblem for a key that is neither P-256 nor Ed25519."""
        if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise SignatureProblem("signatures are made with a key on P-256 or Ed25519")
        self._key: PrivateKey = key
        self.public = VerifyKey(key.public_key())

    def sign(self, signed: bytes) -> bytes:
        """A signature over these bytes, as RFC 9421 has it."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(signed)
        r, s = decode_dss_signature(self._key.sign(signed, _P256))
        return r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big")

    def sign_der(self, signed: bytes) -> bytes:
        """A signature by ECDSA in DER form. Raises SignatureProblem for another kind of key."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            raise SignatureProblem("such a signature is made with a key on P-256")
        return self._key.sign(signed, _P256)


def content_digest(body: bytes) -> str:
    """The Content-Digest of a body, by SHA-256."""
    return f"sha-256=:{_encoded(hashlib.sha256(body).digest())}:"


def check_digest(field: str, body: bytes) -> None:
    """Raise SignatureProblem where a Content-Digest is not that of the body, or none we know. All we know must hold."""
    if field == content_digest(body):
        return
    known = {key: part.value for key, part in _members(field).items() if key in _DIGESTS}
    if not known:
        raise SignatureProblem("the Content-Digest is neither sha-256 nor sha-512")
    for name, value in known.items():
        if _encoded(_DIGESTS[name](body).digest()) != value:
            raise SignatureProblem("the body is not the one that the Content-Digest was made of")


def signatures_of(fields: Mapping[str, str]) -> Sequence[Signature]:
    """The signatures of a message. Raises SignatureProblem where there is none, or one cannot be read."""
    values = _members(fields.get("signature", ""))
    found = [
        Signature(label, inner, covered, parameters, _decoded(values.get(label, _NO_MEMBER).value))
        for label, inner, covered, parameters in _inputs(fields.get("signature-input", ""))
    ]
    if not found:
        raise SignatureProblem("the message is not signed")
    return found


def sign(key: SigningKey, label: str, covered: str, message: Message, created: int) -> tuple[str, str]:
    """The header fields Signature-Input and Signature. `covered` is the list of components, in parentheses."""
    public = key.public
    inner = f'{covered};created={created};keyid="{public.pin}";alg="{public.algorithm}"'
    value = key.sign(covered_by(covered).base(inner, message))
    return f"{label}={inner}", f"{label}=:{_encoded(value)}:"


def check(signature: Signature, key: VerifyKey, message: Message) -> None:
    """Raise SignatureProblem where the signature is not by this key over this message."""
    if signature.parameters.get("alg", key.algorithm) != key.algorithm:
        raise SignatureProblem("the signature names another algorithm than that of the key")
    key.check(signature.value, signature.covered.base(signature.inner, message))


@lru_cache(maxsize=256)
def covered_by(text: str) -> Covered:
    """The components in a list of them. Raises SignatureProblem for one twice, or of a kind that is not known here."""
    found: list[Component] = []
    for quoted, parameters in _COMPONENT.findall(text):
        name = _NAME.fullmatch(quoted)
        told = dict(_PARAMETER.findall(parameters))
        if name is None or told.keys() - {"req", "key"} or told.get("req") or "@signature-params" in quoted:
            raise SignatureProblem(f"a signature over {quoted + parameters:.100} cannot be checked here")
        key = _unquoted(told["key"]) if "key" in told else None
        found.append(Component(quoted + parameters, name[1], "req" in told, key))
    return Covered(found)


def _members(field: str) -> dict[str, _Member]:
    """The members of a dictionary. Raises SignatureProblem."""
    found: dict[str, _Member] = {}
    at = 0
    while at < len(field):
        member = _MEMBER.match(field, at)
        if member is None or member[1] in found:
            raise SignatureProblem("a header field of the signature cannot be read")
        key, covered, parameters, value = member.groups("")
        found[key] = _Member(covered, parameters, value)
        at = member.end()
        if at < len(field):
            between = _BETWEEN.match(field, at)
            if between is None or between.end() == len(field):
                raise SignatureProblem("a header field of the signature cannot be read")
            at = between.end()
    return found


@lru_cache(maxsize=256)
def _inputs(field: str) -> Sequence[tuple[str, str, Covered, Mapping[str, str | int]]]:
    """The members of Signature-Input: label, text, components, parameters. All messages of one second have the same."""
    return [
        (label, part.covered + part.parameters, covered_by(part.covered), _parameters(part.parameters))
        for label, part in _members(field).items()
    ]


def _parameters(text: str) -> Mapping[str, str | int]:
    return {
        key: _unquoted(value) if value.startswith('"') else int(value) if value.isdigit() else value
        for key, value in _PARAMETER.findall(text)
    }


def _decoded(value: str) -> bytes:
    """The bytes of a Base64 text that is written as one writes it: every other text of the same bytes is refused."""
    try:
        raw = a2b_base64(value)
    except ValueError:
        raw = b""
    if not raw or _encoded(raw) != value:
        raise SignatureProblem("a signature is not there, or not in Base64")
    return raw


def _encoded(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()


def _unquoted(text: str) -> str:
    return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def _member(field: str, key: str) -> str | None:
    """The member of a dictionary with this key, as it is signed."""
    part = _members(field).get(key)
    return None if part is None else part.covered + part.parameters or f":{part.value}:"


@lru_cache(maxsize=256)
def _derived(name: str, method: str, target: str, status: int, host: str | None) -> str:
    path, mark, query = target.partition("?")
    match name:
        case "@method" if method:
            return method
        case "@path" if target:
            return path
        case "@query" if target:
            return f"?{query}" if mark else "?"
        case "@request-target" if target:
            return target
        case "@authority" if host is not None:
            return host.lower()
        case "@status" if status:
            return str(status)
        case _:
            raise SignatureProblem(f"a signature over {name:.100} cannot be checked here")
