"""Asking to be paired: a node's card, signed with the key of its identity, for one receiver and for a few minutes.

It comes without a client certificate, since TLS lets none through that the peer table does not know. The signature
proves what a certificate would: that whoever sends the card holds its key. It covers the receiver's pin, so that
nobody passes it on to others, and the time, so that nobody repeats it later.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from p2pnode.oicp.codec import decode, encode
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.status import Code
from p2pnode.peering.card import Card, CardError, read_card

PURPOSE = b"p2pnode pairing 1\n"
"""What is signed begins with this, so that a signature made for anything else is none here."""

FRESH = timedelta(minutes=5)
REQUEST_LIMIT = 131072
"""The largest request to be paired, in bytes."""


def make_request(
    card: Mapping[str, object], receiver: str, at: datetime, key: ec.EllipticCurvePrivateKey
) -> Mapping[str, str]:
    """The request to the node with the pin `receiver`."""
    text = encode({"card": card, "to": receiver, "at": at})
    signature = key.sign(PURPOSE + text, ec.ECDSA(hashes.SHA256()))
    return {"request": text.decode(), "signature": base64.b64encode(signature).decode()}


def read_request(body: bytes, own_pin: str, now: datetime) -> Card:
    """The card of who asks. Raises ProtocolError where it is none, not signed by its key, not for us, or not fresh."""
    text, signature = _parts(body)
    asked = decode(text)
    if not isinstance(asked, Mapping):
        raise _refused("The request is no object.")
    members = cast("Mapping[str, Any]", asked)
    try:
        card = read_card(members.get("card") or {})
    except CardError as error:
        raise _refused(f"The card cannot be used: {error}"[:300]) from None
    _require_signed(card, text, signature)
    if members.get("to") != own_pin:
        raise _refused("The request is for another node.")
    try:
        age = now - datetime.fromisoformat(str(members.get("at")))
    except (ValueError, TypeError):
        raise _refused("The request names no time with its zone.") from None
    if abs(age) > FRESH:
        raise _refused(f"The request is {age.total_seconds():.0f} seconds old: are both clocks right?")
    return card


def _parts(body: bytes) -> tuple[bytes, bytes]:
    outer = decode(body)
    if not isinstance(outer, Mapping):
        raise _refused("The request is no object.")
    members = cast("Mapping[str, Any]", outer)
    text, signature = members.get("request"), members.get("signature")
    if not isinstance(text, str) or not isinstance(signature, str):
        raise _refused("The request has the members request and signature, both text.")
    try:
        return text.encode(), base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise _refused("The signature is not in Base64, or the request no text.") from None


def _require_signed(card: Card, text: bytes, signature: bytes) -> None:
    key = x509.load_pem_x509_certificates(card.certificate.encode())[0].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _refused("The key of the card's certificate has to be of an elliptic curve.")
    try:
        key.verify(signature, PURPOSE + text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise ProtocolError(
            Code.UNAUTHORIZED_ACCESS, "The signature is not of the card's key.", http=HTTPStatus.UNAUTHORIZED
        ) from None


def _refused(reason: str) -> ProtocolError:
    return ProtocolError(Code.DATA_ERROR, reason, http=HTTPStatus.BAD_REQUEST)
