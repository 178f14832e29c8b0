"""Who a node is: one key, a long-lived identity certificate that peers keep, and a TLS certificate that may be renewed.

The identity certificate issues the TLS certificate, and both carry the same key. A peer that trusts the identity
certificate therefore accepts every later TLS certificate of this node, and the pin of the key never changes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from p2pnode.config.files import write_file
from p2pnode.config.pins import NEXT_IDENTITY_FILE, public_key_pin
from p2pnode.pki.certificates import Leaf, issue_leaf, self_signed, to_pem
from p2pnode.pki.inspection import describe
from p2pnode.pki.keys import PkiError, create_key, load_certificates, load_key

PUBLIC = 0o644
KEY_FILE = "node.key"
CERTIFICATE_FILE = "node.pem"
IDENTITY_FILE = "identity.pem"
NEXT_KEY_FILE = "next.key"
CA_KEY_FILE = "ca.key"
CA_CERTIFICATE_FILE = "ca.pem"
IDENTITY_DAYS = 7305
CA_DAYS = 3653


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of a lab: its certificate, its key, and the files they are in."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of a node's identity. `trust` is what a peer keeps: the identity certificate, or the CA's."""

    key_file: Path
    certificate_file: Path
    trust: Path
    pin: str


def create_ca(directory: Path, name: str, now: datetime, days: int = CA_DAYS) -> Authority:
    """A lab CA: `ca.key` and `ca.pem` in the directory. Raises PkiError where there is one already."""
    key_file, certificate_file = directory / CA_KEY_FILE, directory / CA_CERTIFICATE_FILE
    key = create_key(key_file)
    certificate = self_signed(key, name, now, days)
    write_file(certificate_file, to_pem(certificate), PUBLIC)
    return Authority(certificate, key, certificate_file, key_file)


def load_ca(directory: Path) -> Authority:
    """The lab CA in the directory. Raises PkiError."""
    key_file, certificate_file = directory / CA_KEY_FILE, directory / CA_CERTIFICATE_FILE
    return Authority(load_certificates(certificate_file)[0], load_key(key_file), certificate_file, key_file)


def create_identity(directory: Path, leaf: Leaf, now: datetime) -> Identity:
    """A node's own identity: `node.key`, `identity.pem` and `node.pem` (TLS certificate, then identity certificate).

    Raises PkiError where the directory holds a key already.
    """
    key = create_key(directory / KEY_FILE)
    identity = self_signed(key, f"{leaf.name} identity"[:64], now, IDENTITY_DAYS)
    write_file(directory / IDENTITY_FILE, to_pem(identity), PUBLIC)
    return _install(directory, issue_leaf(leaf, key.public_key(), identity, key, now), identity)


def issue(ca: Authority, directory: Path, leaf: Leaf, now: datetime) -> Identity:
    """A node's identity issued by a lab CA: `node.key` (made where it is missing) and `node.pem` in the directory."""
    key_file = directory / KEY_FILE
    key = load_key(key_file) if key_file.exists() else create_key(key_file)
    certificate = issue_leaf(leaf, key.public_key(), ca.certificate, ca.key, now)
    write_file(directory / CERTIFICATE_FILE, to_pem(certificate, ca.certificate), PUBLIC)
    return Identity(key_file, directory / CERTIFICATE_FILE, ca.certificate_file, public_key_pin(certificate))


def current_leaf(directory: Path) -> Leaf:
    """What the TLS certificate in the directory says, to be renewed as it is or with other names. Raises PkiError."""
    known = describe(load_certificates(directory / CERTIFICATE_FILE)[0])
    days = max(1, round((known.not_after - known.not_before) / timedelta(days=1)))
    organization = known.organizations[0] if known.units and known.organizations else ""
    return Leaf(known.name, known.ids, known.hosts, days, organization)


def renew(directory: Path, now: datetime, *, leaf: Leaf | None = None, ca: Authority | None = None) -> Identity:
    """A new TLS certificate for the same key, saying the same as the old one where no other `leaf` is given.

    A certificate that a CA issued needs that CA. Peers need no change. Raises PkiError.
    """
    leaf = leaf or current_leaf(directory)
    if ca is not None:
        return issue(ca, directory, leaf, now)
    if not (directory / IDENTITY_FILE).exists():
        message = f"{directory / CERTIFICATE_FILE} was issued by a CA; it is renewed with that CA"
        raise PkiError(message)
    key = load_key(directory / KEY_FILE)
    identity = load_certificates(directory / IDENTITY_FILE)[0]
    if identity.public_key() != key.public_key():
        message = f"{directory / IDENTITY_FILE} does not belong to {directory / KEY_FILE}"
        raise PkiError(message)
    return _install(directory, issue_leaf(leaf, key.public_key(), identity, key, now), identity)


def prepare_key(directory: Path, now: datetime) -> str:
    """Make the key the node is going to change to, and its identity certificate for peers to trust beside the current.

    Returns its pin. Raises PkiError where one is prepared already.
    """
    key_file, file = directory / NEXT_KEY_FILE, directory / NEXT_IDENTITY_FILE
    is_half_done = key_file.exists() and not file.exists()
    key = load_key(key_file) if is_half_done else create_key(key_file)
    certificate = self_signed(key, f"{current_leaf(directory).name} identity"[:64], now, IDENTITY_DAYS)
    write_file(file, to_pem(certificate), PUBLIC)
    return public_key_pin(certificate)


def change_key(directory: Path, now: datetime) -> Identity:
    """Put the prepared key in force, with a TLS certificate of its own. Raises PkiError where none is prepared.

    The key comes last, and the prepared one is there until then: what was interrupted is finished by doing it again.
    """
    key = load_key(directory / NEXT_KEY_FILE)
    following, current = directory / NEXT_IDENTITY_FILE, directory / IDENTITY_FILE
    identity = load_certificates(following if following.exists() else current)[0]
    if identity.public_key() != key.public_key():
        message = f"{following} is missing, or does not belong to {directory / NEXT_KEY_FILE}"
        raise PkiError(message)
    certificate = issue_leaf(current_leaf(directory), key.public_key(), identity, key, now)
    made = _install(directory, certificate, identity)
    if following.exists():
        following.replace(current)
    (directory / NEXT_KEY_FILE).replace(directory / KEY_FILE)
    return made


def _install(directory: Path, certificate: x509.Certificate, identity: x509.Certificate) -> Identity:
    write_file(directory / CERTIFICATE_FILE, to_pem(certificate, identity), PUBLIC)
    return Identity(
        directory / KEY_FILE,
        directory / CERTIFICATE_FILE,
        directory / IDENTITY_FILE,
        public_key_pin(certificate),
    )
