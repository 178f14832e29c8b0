"""The identity scheme: what OpenSSL accepts, what survives a renewal, what lies on disk."""

import contextlib
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from p2pnode.pki import (
    Identity,
    Leaf,
    PkiError,
    create_ca,
    create_identity,
    current_leaf,
    inspect,
    issue,
    load_ca,
    renew,
)

NOW = datetime.now(UTC)
LEAF = Leaf("node-a", ids=("DE*ABC", "DE-GDF"))


def _handshake(server: Identity, client: Identity, *, strict: bool = False) -> tuple[bytes, bytes]:
    """Each side's certificate as the other side saw it, over in-memory TLS where each trusts the other's `trust`."""
    sides: list[ssl.SSLObject] = []
    pipes = ssl.MemoryBIO(), ssl.MemoryBIO()
    for own, other, protocol in (
        (server, client, ssl.PROTOCOL_TLS_SERVER),
        (client, server, ssl.PROTOCOL_TLS_CLIENT),
    ):
        context = ssl.SSLContext(protocol)
        context.load_cert_chain(own.certificate_file, own.key_file)
        context.load_verify_locations(other.trust)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT if strict else ssl.VERIFY_DEFAULT
        is_server = protocol is ssl.PROTOCOL_TLS_SERVER
        incoming, outgoing = pipes if is_server else pipes[::-1]
        name = None if is_server else "localhost"
        sides.append(context.wrap_bio(incoming, outgoing, server_side=is_server, server_hostname=name))
    done: set[int] = set()
    for _ in range(6):
        for number, side in enumerate(sides):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                done.add(number)
    assert done == {0, 1}
    first, second = (side.getpeercert(binary_form=True) for side in sides)
    assert first is not None
    assert second is not None
    return second, first


@pytest.mark.parametrize("strict", [False, True])
def test_openssl_verifies_a_leaf_against_the_identity_certificate_of_the_same_key(
    tmp_path: Path, *, strict: bool
) -> None:
    server, client = create_identity(tmp_path / "a", LEAF, NOW), create_identity(tmp_path / "b", Leaf("node-b"), NOW)
    seen_server, seen_client = _handshake(server, client, strict=strict)
    assert [inspect(der)[0].pin for der in (seen_server, seen_client)] == [server.pin, client.pin]


def test_a_leaf_of_another_identity_is_not_accepted(tmp_path: Path) -> None:
    server, client = create_identity(tmp_path / "a", LEAF, NOW), create_identity(tmp_path / "b", LEAF, NOW)
    stranger = create_identity(tmp_path / "c", LEAF, NOW)
    pretender = Identity(stranger.key_file, stranger.certificate_file, client.trust, client.pin)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, pretender)


def test_a_renewed_leaf_needs_no_change_at_the_peer(tmp_path: Path) -> None:
    server, client = create_identity(tmp_path / "a", LEAF, NOW), create_identity(tmp_path / "b", LEAF, NOW)
    before = server.certificate_file.read_bytes()
    renewed = renew(tmp_path / "a", NOW + timedelta(minutes=1))
    assert renewed == server
    assert server.certificate_file.read_bytes() != before
    assert inspect(_handshake(server, client)[0])[0].pin == server.pin


def test_an_expired_leaf_is_not_accepted_and_a_renewed_one_is(tmp_path: Path) -> None:
    old = NOW - timedelta(days=500)
    server, client = create_identity(tmp_path / "a", LEAF, NOW), create_identity(tmp_path / "b", LEAF, old)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        _handshake(server, client)
    renew(tmp_path / "b", NOW)
    _handshake(server, client)


def test_a_renewal_keeps_the_names_or_takes_new_ones(tmp_path: Path) -> None:
    create_identity(tmp_path, Leaf("n", ("DE*ABC",), ("node.example", "192.0.2.1"), 30), NOW)
    assert current_leaf(tmp_path) == Leaf("n", ("DE*ABC",), ("node.example", "192.0.2.1"), 30)
    renew(tmp_path, NOW, leaf=Leaf("n", ("DE*ABC", "DE-NEW"), ("other.example",), 60))
    assert current_leaf(tmp_path) == Leaf("n", ("DE*ABC", "DE-NEW"), ("other.example",), 60)


def test_a_lab_ca_issues_leaves_for_both_sides(tmp_path: Path) -> None:
    ca = create_ca(tmp_path / "ca", "lab CA", NOW)
    server = issue(ca, tmp_path / "a", LEAF, NOW)
    client = issue(load_ca(tmp_path / "ca"), tmp_path / "b", Leaf("node-b", ("DE-GDF",)), NOW)
    _handshake(server, client, strict=True)
    again = renew(tmp_path / "a", NOW, ca=ca)
    assert again.pin == server.pin
    with pytest.raises(PkiError, match="renewed with that CA"):
        renew(tmp_path / "a", NOW)


def test_a_leaf_does_not_outlive_its_ca(tmp_path: Path) -> None:
    ca = create_ca(tmp_path, "short CA", NOW, days=10)
    issued = issue(ca, tmp_path / "a", LEAF, NOW)
    assert inspect(issued.certificate_file)[0].not_after == inspect(ca.certificate_file)[0].not_after


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    ca = create_ca(tmp_path / "ca", "lab CA", NOW)
    own = create_identity(tmp_path / "own", LEAF, NOW)
    for file in (ca.key_file, own.key_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    create_identity(tmp_path, LEAF, NOW)
    with pytest.raises(PkiError, match="never overwritten"):
        create_identity(tmp_path, LEAF, NOW)
    create_ca(tmp_path, "lab CA", NOW)
    with pytest.raises(PkiError, match="never overwritten"):
        create_ca(tmp_path, "lab CA", NOW)


def test_inspection_tells_names_lifetime_and_pin(tmp_path: Path) -> None:
    own = create_identity(tmp_path, LEAF, NOW)
    leaf, identity = inspect(own.certificate_file)
    assert (leaf.name, leaf.organizations) == ("node-a", ("DE*ABC", "DE-GDF"))
    assert leaf.hosts == ("localhost", "127.0.0.1", "::1")
    assert (leaf.pin, identity.pin) == (own.pin, own.pin)
    assert (leaf.is_ca, identity.is_ca) == (False, True)
    assert (leaf.is_self_signed, identity.is_self_signed) == (False, True)
    assert leaf.issuer == identity.subject
    assert leaf.is_valid(NOW)
    assert not leaf.is_valid(NOW + timedelta(days=398))


def test_a_certificate_in_der_form_is_inspected_too(tmp_path: Path) -> None:
    own = create_identity(tmp_path, LEAF, NOW)
    certificate = x509.load_pem_x509_certificate(own.certificate_file.read_bytes())
    (info,) = inspect(certificate.public_bytes(serialization.Encoding.DER))
    assert info == inspect(own.certificate_file)[0]


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_without_a_key_is_named(tmp_path: Path, content: bytes) -> None:
    create_identity(tmp_path, LEAF, NOW)
    (tmp_path / "node.key").write_bytes(content)
    with pytest.raises(PkiError, match=r"node\.key"):
        renew(tmp_path, NOW)


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(PkiError, match=r"node\.pem cannot be read: No such file"):
        renew(tmp_path, NOW)


def test_an_identity_certificate_of_another_key_is_not_used(tmp_path: Path) -> None:
    create_identity(tmp_path / "a", LEAF, NOW)
    other = create_identity(tmp_path / "b", LEAF, NOW)
    other.trust.replace(tmp_path / "a" / "identity.pem")
    with pytest.raises(PkiError, match="does not belong"):
        renew(tmp_path / "a", NOW)


@pytest.mark.parametrize(
    "leaf", [Leaf(""), Leaf("n" * 65), Leaf("n", hosts=()), Leaf("n", hosts=("x" * 64 + ".example",))]
)
def test_a_leaf_that_tls_stacks_refuse_is_not_made(tmp_path: Path, leaf: Leaf) -> None:
    with pytest.raises(PkiError):
        create_identity(tmp_path, leaf, NOW)
