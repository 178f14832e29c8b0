"""Pins: what a peer's public key is known by."""

import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

NEXT_IDENTITY_FILE = "next-identity.pem"
"""Beside a node's certificate: the identity certificate of the key that it is going to change to."""

GROUPS, DIGITS = 6, 5
SPOKEN = re.compile(rf"[0-9]{{{DIGITS}}}([ -]?[0-9]{{{DIGITS}}}){{{GROUPS - 1}}}")

PIN = re.compile(r"sha256:[0-9a-f]{64}")


def public_key_pin(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's public key (SubjectPublicKeyInfo) as `sha256:` and 64 hexadecimal digits.

    Raises UnsupportedAlgorithm or ValueError for a key that cannot be read.
    """
    return pin_of_key(certificate.public_key())


def pin_of_key(key: PublicKeyTypes) -> str:
    """The pin of a public key, as `public_key_pin`."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(spki).hexdigest()}"


def spoken(pin: str) -> str:
    """A pin as two people compare it by telephone: six groups of five digits, which hold 99 bits of it."""
    digits = f"{int(pin.removeprefix('sha256:'), 16) % 10 ** (GROUPS * DIGITS):0{GROUPS * DIGITS}d}"
    return " ".join(digits[at : at + DIGITS] for at in range(0, len(digits), DIGITS))


def is_same_pin(pin: str, told: str) -> bool:
    """Whether what somebody tells, whole or in its spoken form, is this pin."""
    text = told.strip().lower()
    if SPOKEN.fullmatch(text):
        return spoken(pin).replace(" ", "") == text.replace(" ", "").replace("-", "")
    return pin == text
