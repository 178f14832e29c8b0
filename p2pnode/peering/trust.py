"""Which certificate is which peer's: pins first, then certificates that a CA of the peer issued in its name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.config.pins import (
    is_signing_key,
    public_key_pin,
    read_certificate,
    read_certificates,
    read_signing_key,
)
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import Role
from p2pnode.peering.http_signatures import VerifyKey


class TrustError(Exception):
    """The certificate files of the peer table cannot be used; the sentence names the peer and why."""


_NONE: Mapping[str, VerifyKey] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Credentials:
    """How one peer is known: its pins, its own certificates, and the CAs that may issue certificates in its name."""

    peer: PeerEntry
    pins: frozenset[str]
    certificates: tuple[x509.Certificate, ...]
    authorities: tuple[x509.Certificate, ...]

    def is_of(self, certificate: x509.Certificate, pin: str, at: datetime | None = None) -> bool:
        """Whether a certificate, whose pin is known already, is this peer's.

        With `at` the CA too has to be one and valid then, and what it issued for clients: nobody else has checked that.
        """
        return pin in self.pins or self._is_issued_in_its_name(certificate, at)

    def _is_issued_in_its_name(self, certificate: x509.Certificate, at: datetime | None) -> bool:
        return any(
            _issued(certificate, authority) and (at is None or _may_issue(authority, certificate, at))
            for authority in self.authorities
        ) and self._has_its_name(names_in(certificate))

    def _has_its_name(self, names: Sequence[str]) -> bool:
        """Whether one of the names is the peer's.

        `DE*ABC` may be one party's OperatorID while `DE-ABC` is another's ProviderID: a name with `*` is a ProviderID
        only of a peer whose entry has it in this form.
        """
        if self.peer.tls_name is not None:
            return self.peer.tls_name.lower() in (name.lower() for name in names)
        operators = {operator_key(text) for text in self.peer.operators}
        providers = {provider_key(text) for text in self.peer.providers}
        return any(
            operator_key(name) in operators
            or (provider_key(name) in providers and ("*" not in name or name in self.peer.providers))
            for name in names
        )


class PeerTrust:
    """The certificates of a whole peer table. Building it reads files; asking it does not."""

    def __init__(self, table: PeerTable) -> None:
        """Raises TrustError for a file that cannot be used, a key of two peers, or a CA that names two peers alike."""
        self.table = table
        self._all = {peer.name: credentials_of(peer) for peer in table.peers if peer.enabled}
        self._by_pin: dict[str, PeerEntry] = {}
        for credentials in self._all.values():
            for pin in credentials.pins:
                other = self._by_pin.setdefault(pin, credentials.peer)
                if other is not credentials.peer:
                    message = f"peers {other.name!r} and {credentials.peer.name!r} have the same key {pin}"
                    raise TrustError(message)
        self._with_ca = tuple(credentials for credentials in self._all.values() if credentials.authorities)
        _refuse_ambiguous(self._with_ca)
        self._signing = {name: _signing_keys(each) for name, each in self._all.items() if each.peer.signs}

    def credentials(self, peer: PeerEntry) -> Credentials | None:
        """How this enabled peer is known."""
        return self._all.get(peer.name)

    def signing_keys(self, peer: PeerEntry) -> Mapping[str, VerifyKey]:
        """The keys that this peer's signatures are checked with, by their pins; none where it signs nothing."""
        return self._signing.get(peer.name, _NONE)

    def with_pin(self, pin: str) -> PeerEntry | None:
        """The enabled peer that is known by this pin."""
        return self._by_pin.get(pin)

    def knows_like(self, beginning: str) -> bool:
        """Whether an enabled peer is known by a pin with this beginning."""
        return any(pin.startswith(beginning) for pin in self._by_pin)

    def peer_of(self, der: bytes, at: datetime | None = None) -> PeerEntry | None:
        """The enabled peer whose certificate this is; with `at`, only while it is valid.

        A certificate that names several peers of its CA is nobody's.
        """
        read = read_certificate(der)
        if read is None:
            return None
        certificate, pin = read
        if at is not None and not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            return None
        if (peer := self._by_pin.get(pin)) is not None:
            return peer
        found = [credentials.peer for credentials in self._with_ca if credentials.is_of(certificate, pin, at)]
        return found[0] if len(found) == 1 else None

    def anchors(self) -> str:
        """All certificates that a peer's certificate may chain to, in PEM form."""
        return to_pem(
            certificate
            for credentials in self._all.values()
            for certificate in (*credentials.certificates, *credentials.authorities)
        )


def read_chain(file: Path) -> list[x509.Certificate]:
    """As `read_certificates`. Raises TrustError."""
    try:
        return read_certificates(file)
    except ValueError as error:
        raise TrustError(str(error)) from error


def to_pem(certificates: Iterable[x509.Certificate]) -> str:
    """The certificates in PEM form, each once."""
    texts = (certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates)
    return "".join(dict.fromkeys(texts))


def read_anchors(file: Path) -> str:
    """The certificates of a PEM file, in PEM form. Raises TrustError."""
    return to_pem(read_chain(file))


def _signing_keys(credentials: Credentials) -> Mapping[str, VerifyKey]:
    written = [read_signing_key(text) for text in credentials.peer.signing_keys]
    own = [certificate.public_key() for certificate in credentials.certificates]
    keys = [VerifyKey(key) for key in (*written, *own) if is_signing_key(key)]
    return {key.pin: key for key in keys}


def credentials_of(peer: PeerEntry) -> Credentials:
    """How a peer is known. Reads its files; raises TrustError."""
    own, authorities = (() if file is None else _read(peer, file) for file in (peer.certificate, peer.ca))
    return Credentials(peer, frozenset((*peer.pins, *_pins(own))), own, authorities)


def _pins(certificates: Sequence[x509.Certificate]) -> Iterator[str]:
    """The pins of a peer's own certificates; those of issuers that stand in the file behind them are not its."""
    pins = [public_key_pin(certificate) for certificate in certificates]
    for number, pin in enumerate(pins):
        others = (other for other, at in zip(certificates, pins, strict=True) if at != pin)
        if not any(_issued(other, certificates[number]) for other in others):
            yield pin


def _read(peer: PeerEntry, file: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(read_chain(file))
    except TrustError as error:
        message = f"peer {peer.name!r}: {error}"
        raise TrustError(message) from error


def _refuse_ambiguous(all_with_ca: Sequence[Credentials]) -> None:
    named: dict[tuple[x509.Certificate, str], PeerEntry] = {}
    for credentials in all_with_ca:
        if credentials.peer.tls_name is None:
            continue
        for authority in credentials.authorities:
            other = named.setdefault((authority, credentials.peer.tls_name.lower()), credentials.peer)
            if other is not credentials.peer:
                message = (
                    f"peers {other.name!r} and {credentials.peer.name!r} are known by the same CA and the same tls_name"
                )
                raise TrustError(message)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_issue(authority: x509.Certificate, certificate: x509.Certificate, at: datetime) -> bool:
    """Whether the authority is a CA and valid at this time, and the certificate one that a client may show."""
    if not authority.not_valid_before_utc <= at <= authority.not_valid_after_utc:
        return False
    try:
        if not authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as missing:
        return missing.oid == ExtensionOID.EXTENDED_KEY_USAGE  # without it the certificate is for every use
    except _UNREADABLE:
        return False
    return not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.isdisjoint(uses)


_UNREADABLE = (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError)
"""What reading the extensions of a certificate may raise, beside that there is none."""


def names_in(certificate: x509.Certificate) -> list[str]:
    """The DNS names, common names, organizations and organizational units in a certificate."""
    names = [*_texts(certificate, NameOID.COMMON_NAME), *_parties_in(certificate)]
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return names
    return [*alternative.get_values_for_type(x509.DNSName), *names]


def is_party_in(certificate: x509.Certificate, role: Role, identifier: str) -> bool:
    """Whether an organization or organizational unit in the certificate is this id, and one of this role.

    An OperatorID is written with `*` there, a ProviderID with `-`: `DEABC` might be either, and says nothing.
    """
    key, separator = (operator_key, "*") if role is Role.CPO else (provider_key, "-")
    return any(separator in text and key(text) == key(identifier) for text in _parties_in(certificate))


def _parties_in(certificate: x509.Certificate) -> list[str]:
    return [
        *_texts(certificate, NameOID.ORGANIZATION_NAME),
        *_texts(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME),
    ]


def _texts(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)]
