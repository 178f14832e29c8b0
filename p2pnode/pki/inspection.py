"""What a certificate says, for people and for the check of who a peer is."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from p2pnode.config.pins import public_key_pin
from p2pnode.pki.keys import load_certificates


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """A certificate in words. Times are UTC; `pin` is the pin of its public key, `fingerprint` that of the whole."""

    name: str
    subject: str
    issuer: str
    organizations: tuple[str, ...]
    units: tuple[str, ...]
    hosts: tuple[str, ...]
    serial: str
    not_before: datetime
    not_after: datetime
    pin: str
    fingerprint: str
    is_ca: bool
    is_self_signed: bool

    @property
    def ids(self) -> tuple[str, ...]:
        """The party's identifiers: the organizational units, or, where there are none, the organizations."""
        return self.units or self.organizations

    def is_valid(self, at: datetime) -> bool:
        """Whether the moment lies within the certificate's lifetime."""
        return self.not_before <= at <= self.not_after


def _texts(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(oid))


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def describe(certificate: x509.Certificate) -> CertificateInfo:
    """The certificate in words. Raises ValueError where one of its extensions cannot be read."""
    common_names = _texts(certificate.subject, NameOID.COMMON_NAME)
    return CertificateInfo(
        name=common_names[0] if common_names else "",
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        organizations=_texts(certificate.subject, NameOID.ORGANIZATION_NAME),
        units=_texts(certificate.subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
        hosts=_hosts(certificate),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        pin=public_key_pin(certificate),
        fingerprint=f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}",
        is_ca=_is_ca(certificate),
        is_self_signed=certificate.subject == certificate.issuer,
    )


def inspect(source: Path | bytes) -> tuple[CertificateInfo, ...]:
    """Every certificate of a PEM file, or the one in DER form, in words. Raises PkiError or ValueError."""
    if isinstance(source, bytes):
        return (describe(x509.load_der_x509_certificate(source)),)
    return tuple(describe(certificate) for certificate in load_certificates(source))
