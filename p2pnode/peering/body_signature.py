"""The signature that WWCP_OICP puts into a body: ECDSA over P-256 and SHA-256, in DER and Base64, as its last member.

It is made over the JSON text without the member and without blanks. It binds no answer to its request and no message to
a moment, so that it is no receipt: it tells only that the body is its sender's.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable

import msgspec

from p2pnode.peering.http_signatures import SignatureProblem, SigningKey, VerifyKey

_LAST = re.compile(rb'\s*,\s*"signature"\s*:\s*"([A-Za-z0-9+/=]*)"\s*\}\s*\Z')
_LONGEST = 512
"""Within so many bytes from the end the member stands."""


def sign_body(key: SigningKey, body: bytes) -> bytes:
    """The body, a JSON object, with its signature. Raises SignatureProblem for a key that is not on P-256."""
    try:
        text = msgspec.json.format(body, indent=-1)
    except msgspec.DecodeError:
        raise SignatureProblem("only JSON can be signed in its body") from None
    if not text.endswith(b"}") or text == b"{}":
        raise SignatureProblem("only an object with members can be signed in its body")
    signature = b64encode(key.sign_der(text))
    return b'%s,"signature":"%s"}' % (text[:-1], signature)


def check_body(keys: Iterable[VerifyKey], body: bytes) -> bytes:
    """The body without its signature, once one of the keys has made that. Raises SignatureProblem."""
    start = max(0, len(body) - _LONGEST)
    found = _LAST.search(body, start)
    if found is None:
        raise SignatureProblem("the body is not signed")
    plain = body[: found.start()] + b"}"
    try:
        signature, text = b64decode(found[1], validate=True), msgspec.json.format(plain, indent=-1)
    except (ValueError, msgspec.DecodeError):
        raise SignatureProblem("the signature in the body cannot be read") from None
    problem = SignatureProblem("no key is known that signs bodies")
    for key in keys:
        try:
            key.check_der(signature, text)
        except SignatureProblem as error:
            problem = error
        else:
            return plain
    raise problem


def is_signed(body: bytes) -> bool:
    """Whether the body has such a member at its end."""
    return _LAST.search(body, max(0, len(body) - _LONGEST)) is not None
