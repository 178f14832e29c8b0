"""Certificates as they are read from files and connections, and pins: what a public key is known by."""

import hashlib
import re
from base64 import b64decode
from pathlib import Path
from typing import TypeGuard

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

NEXT_IDENTITY_FILE = "next-identity.pem"
"""Beside a node's certificate: the identity certificate of the key that it is going to change to."""

GROUPS, DIGITS = 6, 5
SPOKEN = re.compile(rf"[0-9]{{{DIGITS}}}([ -]?[0-9]{{{DIGITS}}}){{{GROUPS - 1}}}")

SigningPublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PIN = re.compile(r"sha256:[0-9a-f]{64}")


def read_certificates(file: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, at least one, of keys that can be read. Raises ValueError with a sentence."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
        for certificate in found:
            public_key_pin(certificate)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise ValueError(message) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        message = f"{file} holds no certificate in PEM form, or one with a key of a kind that is not known"
        raise ValueError(message) from error
    return found


def read_certificate(der: bytes) -> tuple[x509.Certificate, str] | None:
    """The certificate in DER form and the pin of its key; None where it is none, or of a key that cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate, public_key_pin(certificate)
    except (ValueError, UnsupportedAlgorithm):
        return None


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


def is_signing_key(key: object) -> TypeGuard[SigningPublicKey]:
    """Whether signatures can be checked with this public key: it is on P-256, or Ed25519."""
    return isinstance(key, ed25519.Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    )


def read_signing_key(text: str) -> SigningPublicKey:
    """The key that is written down as the Base64 of its SubjectPublicKeyInfo. Raises ValueError."""
    try:
        key = serialization.load_der_public_key(b64decode(text.strip(), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not is_signing_key(key):
        message = "a signing key is the Base64 of a public key, on P-256 or Ed25519, as a node card shows it"
        raise ValueError(message)
    return key
