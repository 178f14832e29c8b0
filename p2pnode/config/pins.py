"""Pins: what a peer's public key is known by."""

import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives import serialization

PIN = re.compile(r"sha256:[0-9a-f]{64}")


def public_key_pin(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's public key (SubjectPublicKeyInfo) as `sha256:` and 64 hexadecimal digits.

    Raises UnsupportedAlgorithm or ValueError for a key that cannot be read.
    """
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(spki).hexdigest()}"
