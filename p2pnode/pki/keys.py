"""Private keys on disk, and the pin by which a peer knows a public key."""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from p2pnode.config.files import PRIVATE, write_file
from p2pnode.config.passphrase import PASSPHRASE, PASSPHRASE_FILE, key_passphrase
from p2pnode.config.pins import pin_of_key, read_certificates


class PkiError(Exception):
    """A key or certificate cannot be made, read or used; the sentence says which file and why."""


def create_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A new P-256 key, written to `path` with mode 0600, encrypted where the environment has a passphrase.

    Raises PkiError where the file exists.
    """
    if path.exists():
        message = f"{path} exists; a key is never overwritten"
        raise PkiError(message)
    passphrase = _passphrase()
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    write_file(path, pem, PRIVATE)
    return key


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in the file. Raises PkiError where it is none of an elliptic curve, or its passphrase is not known."""
    passphrase = _passphrase()
    try:
        pem = path.read_bytes()
        try:
            key = serialization.load_pem_private_key(pem, password=passphrase)
        except TypeError:
            if passphrase is None:
                message = f"{path} needs a passphrase: set {PASSPHRASE_FILE} or {PASSPHRASE}"
                raise PkiError(message) from None
            key = serialization.load_pem_private_key(pem, password=None)  # this one is not encrypted
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise PkiError(message) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        message = f"{path} holds no private key in PEM form, or not one of this passphrase"
        raise PkiError(message) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        message = f"{path} holds no elliptic-curve key"
        raise PkiError(message)
    return key


def _passphrase() -> bytes | None:
    try:
        return key_passphrase()
    except OSError as error:
        message = f"{PASSPHRASE_FILE} names a file that cannot be read: {error.strerror}"
        raise PkiError(message) from error


def key_pin(key: ec.EllipticCurvePrivateKey) -> str:
    """The pin of a private key's public half."""
    return pin_of_key(key.public_key())


def load_certificates(path: Path) -> list[x509.Certificate]:
    """As `read_certificates`. Raises PkiError."""
    try:
        return read_certificates(path)
    except ValueError as error:
        raise PkiError(str(error)) from error
