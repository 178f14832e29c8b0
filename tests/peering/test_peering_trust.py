"""Which certificate is which peer's, and which tables cannot tell."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2pnode.config import PeerEntry, PeerTable
from p2pnode.config.pins import read_certificate
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.trust import PeerTrust, TrustError
from p2pnode.pki import Identity
from tests.peering.peering_kit import NOW, Pki


def _der(identity: Identity) -> bytes:
    leaf = identity.certificate_file.read_text(encoding="ascii").partition("-----END")[0]
    return ssl.PEM_cert_to_DER_cert(leaf + "-----END CERTIFICATE-----\n")


def _trust(*peers: PeerEntry) -> PeerTrust:
    return PeerTrust(PeerTable(peers))


def test_a_pin_comes_before_a_ca(pki: Pki) -> None:
    by_ca = PeerEntry(name="a", ca=pki.ca.certificate_file, operators=("DE*ABC",))
    by_pin = PeerEntry(name="b", pins=(pki.issued.pin,))
    assert _trust(by_ca).peer_of(_der(pki.issued)) is by_ca
    assert _trust(by_ca, by_pin).peer_of(_der(pki.issued)) is by_pin


def test_the_operator_of_one_party_is_not_taken_for_the_provider_of_another(pki: Pki) -> None:
    emp = PeerEntry(name="emp", ca=pki.ca.certificate_file, providers=("DE-ABC",))
    cpo = PeerEntry(name="cpo", ca=pki.ca.certificate_file, operators=("DEABC",))
    assert _trust(emp).peer_of(_der(pki.issued)) is None
    assert _trust(emp, cpo).peer_of(_der(pki.issued)) is cpo
    din = PeerEntry(name="emp", ca=pki.ca.certificate_file, providers=("DE*ABC",))
    assert _trust(din).peer_of(_der(pki.issued)) is din


def test_a_certificate_that_names_two_peers_of_its_ca_is_nobodys(pki: Pki) -> None:
    cpo = PeerEntry(name="cpo", ca=pki.ca.certificate_file, operators=("DE*ABC",))
    other = PeerEntry(name="other", ca=pki.ca.certificate_file, tls_name="issued.example")
    assert _trust(cpo, other).peer_of(_der(pki.issued)) is None


def test_the_key_of_a_certificate_is_a_pin(pki: Pki) -> None:
    peer = PeerEntry(name="a", certificate=pki.partner.trust)
    trust = _trust(peer)
    assert trust.peer_of(_der(pki.partner)) is peer
    assert trust.peer_of(_der(pki.stranger)) is None
    credentials = trust.credentials(peer)
    assert credentials is not None
    assert credentials.pins == {pki.partner.pin}


def test_a_disabled_peer_has_no_credentials(pki: Pki) -> None:
    peer = PeerEntry(name="a", certificate=pki.partner.trust, enabled=False)
    trust = _trust(peer)
    assert trust.peer_of(_der(pki.partner)) is None
    assert trust.credentials(peer) is None
    assert trust.anchors() == ""


def test_a_moment_outside_its_lifetime_makes_a_certificate_nobodys(pki: Pki) -> None:
    peer = PeerEntry(name="a", certificate=pki.partner.trust)
    trust = _trust(peer)
    assert trust.peer_of(_der(pki.partner), NOW) is peer
    assert trust.peer_of(_der(pki.partner), NOW + timedelta(days=400)) is None
    assert trust.peer_of(_der(pki.partner), NOW - timedelta(days=1)) is None


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x00", b"\xff" * 1000])
def test_what_is_no_certificate_is_nobodys(pki: Pki, der: bytes) -> None:
    trust = _trust(PeerEntry(name="a", ca=pki.ca.certificate_file, operators=("DE*ABC",)))
    assert trust.peer_of(der) is None
    assert read_certificate(der) is None


def test_two_peers_with_one_key_are_refused(pki: Pki) -> None:
    with pytest.raises(TrustError, match=r"'a' and 'b' have the same key"):
        _trust(
            PeerEntry(name="a", certificate=pki.partner.trust),
            PeerEntry(name="b", pins=(pki.partner.pin,)),
        )


def test_two_peers_with_one_ca_and_one_name_are_refused(pki: Pki) -> None:
    entries = [
        PeerEntry(name=name, ca=pki.ca.certificate_file, tls_name=tls_name)
        for name, tls_name in (("a", "node.example"), ("b", "NODE.example"))
    ]
    with pytest.raises(TrustError, match=r"'a' and 'b' are known by the same CA"):
        _trust(*entries)


def test_a_file_that_cannot_be_used_is_named_with_its_peer(pki: Pki, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for file, reason in ((empty, "holds no certificate"), (tmp_path / "no.pem", "cannot be read: No such file")):
        with pytest.raises(TrustError, match=rf"peer 'x': .*{file.name} {reason}"):
            _trust(PeerEntry(name="a", certificate=pki.partner.trust), PeerEntry(name="x", ca=file))


async def test_listeners_hear_of_every_replacement_until_they_stop_listening() -> None:
    heard: list[int] = []
    holder = PeerTableHolder(PeerTable())

    async def listener() -> None:
        heard.append(len(holder.current().peers))

    stop = holder.listen(listener)
    await holder.replace(PeerTable([PeerEntry(name="a")]))
    await holder.replace(PeerTable())
    stop()
    await holder.replace(PeerTable())
    assert heard == [1, 0]


def test_behind_a_proxy_a_ca_counts_only_while_it_is_valid_and_a_ca_and_for_clients(pki: Pki, tmp_path: Path) -> None:
    trust = _trust(PeerEntry(name="a", ca=pki.ca.certificate_file, operators=("DE*ABC",)))
    ca, ended = pki.ca.certificate, pki.ca.certificate.not_valid_after_utc + timedelta(seconds=1)

    def issued(use: x509.ObjectIdentifier, until: datetime) -> bytes:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DE*ABC")])
        made = x509.CertificateBuilder(ca.subject, subject, pki.ca.key.public_key(), 1, NOW, until)
        made = made.add_extension(x509.ExtendedKeyUsage([use]), critical=True)
        return made.sign(pki.ca.key, hashes.SHA256()).public_bytes(Encoding.DER)

    good = issued(ExtendedKeyUsageOID.CLIENT_AUTH, ended + timedelta(days=1))
    assert trust.peer_of(good, NOW) is not None
    assert trust.peer_of(good, ended) is None
    assert trust.peer_of(issued(ExtendedKeyUsageOID.CODE_SIGNING, ended), NOW) is None
    leaf = tmp_path / "leaf.pem"  # it has the key of the CA, and is none
    leaf.write_text(ssl.DER_cert_to_PEM_cert(good))
    subject = x509.load_der_x509_certificate(good).subject
    below = x509.CertificateBuilder(subject, subject, pki.ca.key.public_key(), 2, NOW, ended)
    der = below.add_extension(x509.SubjectAlternativeName([]), critical=False).sign(pki.ca.key, hashes.SHA256())
    no_ca = PeerEntry(name="a", ca=leaf, operators=("DE*ABC",))
    assert _trust(no_ca).peer_of(der.public_bytes(Encoding.DER)) is not None
    assert _trust(no_ca).peer_of(der.public_bytes(Encoding.DER), NOW) is None
