"""`p2pnode pki`: what a person types to make, renew and check keys and certificates."""

import errno
import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from p2pnode.cli import run
from p2pnode.config import PeerEntry, save_peer
from p2pnode.config.passphrase import PASSPHRASE, PASSPHRASE_FILE
from p2pnode.config.peers import PeerTable
from p2pnode.config.pins import is_same_pin, spoken
from p2pnode.peering.tls import ServerTls
from p2pnode.peering.trust import PeerTrust, TrustError
from p2pnode.pki import Leaf, PkiError, change_key, create_identity, load_key, prepare_key, renew

Told = Callable[..., Any]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    def command(*arguments: str, code: int = 0) -> object:
        assert run([*arguments, "--json"]) == code
        return json.loads(capsys.readouterr().out or "null")

    return command


def _findings(listed: list[dict[str, Any]]) -> Mapping[str, bool]:
    return {finding["what"]: finding["is_well"] for finding in listed}


@pytest.fixture
def node(tmp_path: Path) -> Path:
    assert run(["init", str(tmp_path / "node"), "--operator", "DE*ABC", "--provider", "DE-ABC"]) == 0
    return tmp_path / "node"


def test_a_lab_ca_issues_a_node_a_certificate_for_the_key_it_has(tmp_path: Path, node: Path, told: Told) -> None:
    key = (node / "pki" / "node.key").read_bytes()
    told("pki", "ca", str(tmp_path / "ca"))
    told("pki", "issue", str(node), "--ca", str(tmp_path / "ca"), "--organization", "ABC GmbH", "--days", "90")
    assert (node / "pki" / "node.key").read_bytes() == key
    leaf, issuer = x509.load_pem_x509_certificates((node / "pki" / "node.pem").read_bytes())
    leaf.verify_directly_issued_by(issuer)
    names = {
        oid: [a.value for a in leaf.subject.get_attributes_for_oid(oid)]
        for oid in vars(NameOID).values()
        if isinstance(oid, x509.ObjectIdentifier)
    }
    assert names[NameOID.ORGANIZATION_NAME] == ["ABC GmbH"]
    assert names[NameOID.ORGANIZATIONAL_UNIT_NAME] == ["DE*ABC", "DE-ABC"]
    peer = PeerEntry(name="abc", ca=tmp_path / "ca" / "ca.pem", operators=("DE*ABC",))
    der = leaf.public_bytes(Encoding.DER)
    assert PeerTrust(PeerTable([peer])).peer_of(der) is peer
    told("pki", "renew", "--dir", str(node), "--ca", str(tmp_path / "ca"))
    assert x509.load_pem_x509_certificate((node / "pki" / "node.pem").read_bytes()).subject == leaf.subject


def test_another_system_gets_a_certificate_of_its_own(tmp_path: Path, told: Told) -> None:
    told("pki", "ca", str(tmp_path / "ca"))
    out = str(tmp_path / "wwcp")
    told("pki", "issue", out, "--ca", str(tmp_path / "ca"), code=2)
    told("pki", "issue", out, "--ca", str(tmp_path / "ca"), "--name", "wwcp.example", "--id", "DE*WCP")
    assert (tmp_path / "wwcp" / "node.key").stat().st_mode & 0o777 == 0o600


def test_a_check_names_what_is_wrong(node: Path, tmp_path: Path, told: Told) -> None:
    assert set(_findings(told("pki", "check", "--dir", str(node))).values()) == {True}
    (node / "pki" / "node.key").chmod(0o644)
    create_identity(tmp_path / "old", Leaf("old"), datetime.now(UTC) - timedelta(days=7300))
    save_peer(node, PeerEntry(name="old", certificate=tmp_path / "old" / "identity.pem"))
    found = _findings(told("pki", "check", "--dir", str(node), code=1))
    assert {what for what, is_well in found.items() if not is_well} == {"key file", "peer old"}
    (node / "pki" / "node.key").unlink()
    assert not _findings(told("pki", "check", "--dir", str(node), code=1))["key"]


def test_a_prepared_key_is_trusted_before_and_after_the_change(node: Path, tmp_path: Path, told: Told) -> None:
    prepared = told("pki", "renew", "--dir", str(node), "--prepare-key")
    assert prepared["next_pin"].startswith("sha256:")
    bundle = tmp_path / "both.pem"
    current, following = (node / "pki" / name for name in ("identity.pem", "next-identity.pem"))
    bundle.write_bytes(current.read_bytes() + following.read_bytes())
    peer = PeerEntry(name="abc", certificate=bundle)
    trust = PeerTrust(PeerTable([peer]))
    for options in ((), ("--change-key",)):
        told("pki", "renew", "--dir", str(node), *options)
        leaf = x509.load_pem_x509_certificate((node / "pki" / "node.pem").read_bytes())
        assert trust.peer_of(leaf.public_bytes(Encoding.DER)) is peer
    assert not following.exists()
    assert set(_findings(told("pki", "check", "--dir", str(node))).values()) == {True}
    told("pki", "renew", "--dir", str(node), "--change-key", code=1)


def test_a_key_with_a_passphrase_needs_it_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n", encoding="utf-8")
    monkeypatch.setenv(PASSPHRASE_FILE, str(secret))
    made = create_identity(tmp_path / "pki", Leaf("node"), datetime.now(UTC))
    assert b"ENCRYPTED" in made.key_file.read_bytes()
    ServerTls(made.certificate_file, made.key_file, "")
    monkeypatch.delenv(PASSPHRASE_FILE)
    with pytest.raises(PkiError, match=PASSPHRASE):
        load_key(made.key_file)
    with pytest.raises(TrustError, match="passphrase"):
        ServerTls(made.certificate_file, made.key_file, "")
    monkeypatch.setenv(PASSPHRASE, "wrong")
    with pytest.raises(PkiError, match="not one of this passphrase"):
        load_key(made.key_file)
    monkeypatch.setenv(PASSPHRASE, "open sesame")
    assert renew(tmp_path / "pki", datetime.now(UTC)).pin == made.pin
    assert os.environ[PASSPHRASE]


def test_a_pin_has_a_form_that_can_be_told_by_telephone() -> None:
    pin = "sha256:" + "00" * 12 + "ff" * 20
    assert len(spoken(pin).split()) == 6
    assert is_same_pin(pin, spoken(pin).replace(" ", "-"))
    assert is_same_pin(pin, pin.upper())
    assert not is_same_pin(pin, spoken(pin)[:-1] + str((int(spoken(pin)[-1]) + 1) % 10))
    assert not is_same_pin(pin, spoken(pin)[:-2])
    assert not is_same_pin(pin, "")


def test_a_change_of_the_key_that_was_interrupted_is_finished_by_doing_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, keys, steps = datetime.now(UTC), tmp_path / "pki", count(1)
    create_identity(keys, Leaf("node"), now)
    real = Path.replace

    for interrupted_at in steps:
        left = count()

        def replace(source: Path, target: Path, left: Iterator[int] = left, at: int = interrupted_at) -> Path:
            if next(left) == at - 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(source, target)

        pin = prepare_key(keys, now)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            try:
                change_key(keys, now)
            except OSError:
                is_interrupted = True
            else:
                is_interrupted = False
        made = change_key(keys, now) if is_interrupted else None
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(keys / "node.pem", keys / "node.key")
        assert made is None or made.pin == pin
        assert not (keys / "next.key").exists()
        assert not (keys / "next-identity.pem").exists()
        if not is_interrupted:
            break
    assert next(steps) > 3, "it was interrupted at each of its steps"


def test_a_key_whose_preparation_was_interrupted_is_prepared_again(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    create_identity(tmp_path, Leaf("node"), now)
    pin = prepare_key(tmp_path, now)
    (tmp_path / "next-identity.pem").unlink()
    assert prepare_key(tmp_path, now) == pin
    assert change_key(tmp_path, now).pin == pin
