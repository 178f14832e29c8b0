"""Building certificates: the names in them and the extensions that TLS stacks ask for."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2pnode.pki.keys import PkiError

COMMON_NAME_LIMIT = 64
BACKDATED = timedelta(minutes=5)
"""A certificate is valid from a little before its making, so that a peer whose clock is behind accepts it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a TLS certificate says: the node's name, the party's identifiers, its hosts.

    The identifiers stand in O; with an `organization` that stands in O and they in OU, as in Hubject's certificates.
    `hosts` are DNS names or IP addresses. `days` is how long the certificate is valid.
    """

    name: str
    ids: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    days: int = 397
    organization: str = ""


def _name(common_name: str, organizations: Sequence[str] = (), units: Sequence[str] = ()) -> x509.Name:
    if not 0 < len(common_name) <= COMMON_NAME_LIMIT:
        message = f"a certificate's name has 1 to {COMMON_NAME_LIMIT} characters, not {len(common_name)}"
        raise PkiError(message)
    above = [(NameOID.ORGANIZATION_NAME, text) for text in organizations]
    above += [(NameOID.ORGANIZATIONAL_UNIT_NAME, text) for text in units]
    try:
        attributes = [x509.NameAttribute(oid, text) for oid, text in above]
        return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError as error:
        message = f"a certificate cannot have this name: {error}"
        raise PkiError(message) from error


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.encode("idna").decode())
    except UnicodeError as error:
        message = f"{host!r} is neither a DNS name nor an IP address"
        raise PkiError(message) from error


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def self_signed(key: ec.EllipticCurvePrivateKey, common_name: str, now: datetime, days: int) -> x509.Certificate:
    """A certificate that may issue leaves, signed by its own key: a lab CA, or the identity of a node."""
    name = _name(common_name)
    return (
        _builder(name, name, key.public_key(), now, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def issue_leaf(
    leaf: Leaf,
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    """A TLS certificate for servers and clients, not outliving its issuer.

    Raises PkiError where its subject would equal the issuer's, or it names no host.
    """
    organizations, units = ((leaf.organization,), leaf.ids) if leaf.organization else (leaf.ids, ())
    subject = _name(leaf.name, organizations, units)
    if subject == issuer.subject:
        message = f"a certificate for {leaf.name!r} would have the name of its issuer"
        raise PkiError(message)
    if not leaf.hosts:
        message = "a certificate names at least one host"
        raise PkiError(message)
    until = min(now + timedelta(days=leaf.days), issuer.not_valid_after_utc)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        _builder(subject, issuer.subject, public_key, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in leaf.hosts]), critical=False)
        .add_extension(authority, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def to_pem(*certificates: x509.Certificate) -> bytes:
    """The certificates in PEM form, in the order given."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
