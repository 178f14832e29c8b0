"""Two nodes that sign: what each keeps of a session proves to anybody what the other has said; nothing else does."""

import asyncio
import hashlib
import json
import re
import shutil
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from p2pnode.cli import run
from p2pnode.config import PeerEntry, load_node, save_peer
from p2pnode.config.files import write_file
from p2pnode.lab.directory import Made, make_directory
from p2pnode.lab.ports import LOOPBACK, ReservedPorts
from p2pnode.node import Node
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import AUTHORIZE_START, AUTHORIZE_STOP, BASE_PATH, CHARGE_DETAIL_RECORD, AnyOperation
from p2pnode.peering.http_signatures import VerifyKey
from p2pnode.roaming.records import ReceiptRecord, Verb
from p2pnode.store.store import SqlStore
from tests.peering.peering_kit import OPERATOR, PROVIDER
from tests.samples import sample_members
from tests.whole_nodes import EVCO_ID, EVSE_ID, UID, node_settings, rows_of

SESSION_ID = "f98efba4-02d8-4fa0-b810-9a9d50d2c527"
OPERATIONS = (AUTHORIZE_START, AUTHORIZE_STOP, CHARGE_DETAIL_RECORD)
SIGNED = ("require", "require")
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


@dataclass(frozen=True)
class Parties:
    """The directories of a CPO and an EMP, and the pins of the keys they sign with."""

    cpo: Made
    emp: Made
    cpo_pin: str
    emp_pin: str


def make(
    root: Path, port: int, signatures: tuple[str, str], *, own_key: bool = False, driver_pin: str | None = None
) -> Parties:
    """Both, with what each says about the signatures of the other. `own_key`: the EMP signs with an Ed25519 key."""
    point, driver = {"evse_id": EVSE_ID}, {"name": "Ada", "uid": UID, "evco_id": EVCO_ID}
    if driver_pin is not None:
        driver["pin"] = driver_pin
    cpo = node_settings(
        "abc", operators=[OPERATOR], cpo={"virtual": {"charge_points": [point], "publish_at_start": False}}
    )
    emp = node_settings("dcb", providers=[PROVIDER], port=port, emp={"virtual": {"drivers": [driver]}})
    signing_keys: tuple[str, ...] = ()
    pin = ""
    if own_key:
        key = ed25519.Ed25519PrivateKey.generate()
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        write_file(root / "signing.key", key.private_bytes(*pem), 0o600)
        emp["peer_face"]["signing_key"] = str(root / "signing.key")
        spki = key.public_key().public_bytes(serialization.Encoding.DER, SPKI)
        signing_keys, pin = (b64encode(spki).decode(),), VerifyKey.of(spki).pin
    now = datetime.now(UTC)
    parties = make_directory(root / "abc", cpo, now), make_directory(root / "dcb", emp, now)
    for own, other, level, keys in ((0, 1, signatures[0], signing_keys), (1, 0, signatures[1], ())):
        node = parties[other].config.node
        known: dict[str, Any] = {
            "name": node.name,
            "url": f"https://{LOOPBACK}:{port}{BASE_PATH}" if other else None,
            "operators": node.operators,
            "providers": node.providers,
            "certificate": parties[other].identity.trust,
            "signatures": level,
            "signing_keys": keys,
        }
        save_peer(parties[own].directory, PeerEntry.model_validate(known))
    return Parties(*parties, parties[0].identity.pin, pin or parties[1].identity.pin)


async def exchange(
    parties: Parties, operations: Sequence[AnyOperation] = OPERATIONS, **members: object
) -> list[tuple[int, str]]:
    """A session from its authorization to its CDR, as the CPO's backend would have it; what it is answered."""
    answers: list[tuple[int, str]] = []
    async with Node.from_directory(parties.emp.directory), Node.from_directory(parties.cpo.directory) as cpo:
        for operation in operations:
            message = {**sample_members(operation), "SessionID": SESSION_ID, **members}
            result = await cpo.own.call(operation, json.dumps(message).encode())
            answers.append((result.http, result.code))
    return answers


async def kept(made: Made) -> list[ReceiptRecord]:
    async with SqlStore.open(made.config.store.path) as store:
        return list(await store.receipts(session_key(SESSION_ID)))


def run_session(root: Path, signatures: tuple[str, str] = SIGNED, *, own_key: bool = False) -> Parties:
    with ReservedPorts(1) as reserved:
        parties = make(root, reserved.ports[0], signatures, own_key=own_key)
        assert asyncio.run(exchange(parties)) == [(200, "000")] * len(OPERATIONS)
    return parties


@pytest.fixture(scope="module", params=[False, True], ids=["P-256", "Ed25519"])
def parties(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return run_session(tmp_path_factory.mktemp("receipts"), own_key=request.param)


@pytest.fixture
def exported(parties: Parties, tmp_path: Path) -> Path:
    """The receipts of the CPO, in a directory with neither node."""
    file = tmp_path / "receipt.json"
    command = ["receipt", "export", SESSION_ID, str(file), "--dir", str(parties.cpo.directory)]
    assert run(command) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(command) == 1, "a file that is there is not written over"
    return file


def test_both_keep_a_receipt_of_every_step(parties: Parties) -> None:
    for made, verb, peer in ((parties.cpo, Verb.SEND, "dcb"), (parties.emp, Verb.RECEIVE, "abc")):
        found = asyncio.run(kept(made))
        assert [(each.operation, each.verb, each.peer) for each in found] == [
            (operation.name, verb, peer) for operation in OPERATIONS
        ]
    ours, theirs = asyncio.run(kept(parties.cpo)), asyncio.run(kept(parties.emp))
    assert [(each.request, each.answer) for each in ours] == [(each.request, each.answer) for each in theirs]


def test_a_session_is_proved_by_what_the_peer_table_knows(parties: Parties, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["receipt", "verify", SESSION_ID, "--dir", str(parties.cpo.directory), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["acknowledged_by_other"], each["sent_by_other"]) for each in found] == [(True, False)] * 3
    assert run(["receipt", "verify", SESSION_ID, "--dir", str(parties.emp.directory), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["acknowledged_by_other"], each["sent_by_other"]) for each in found] == [(False, True)] * 3


def test_a_file_proves_the_acknowledgement_of_the_cdr_where_neither_node_is(
    parties: Parties, exported: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(exported.parent)
    assert [file.name for file in exported.parent.iterdir()] == [exported.name]
    assert run(["receipt", "verify", exported.name, "--pin", parties.emp_pin, "--json"]) == 0
    cdr = json.loads(capsys.readouterr().out)[-1]
    assert cdr["path"].endswith("/charge-detail-record")
    assert (cdr["proved"], cdr["acknowledged_by_other"]) == (True, True)
    assert json.loads(cdr["request_body"])["SessionID"] == SESSION_ID


def test_by_another_key_nothing_is_proved(exported: Path) -> None:
    assert run(["receipt", "verify", str(exported), "--pin", f"sha256:{'0' * 64}"]) == 1
    assert run(["receipt", "verify", str(exported)]) == 1


def test_by_ones_own_key_nothing_is_proved_and_that_is_said(
    parties: Parties, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for made, pin in ((parties.cpo, parties.cpo_pin), (parties.emp, parties.emp_pin)):
        command = ["receipt", "verify", str(exported), "--dir", str(made.directory), "--pin"]
        capsys.readouterr()
        assert run([*command, pin]) == 2
        assert capsys.readouterr().err.startswith(f"error: {pin} is this node's own key")


def test_the_key_may_be_given_as_a_certificate(parties: Parties, exported: Path) -> None:
    key = parties.cpo.identity.trust
    assert run(["receipt", "verify", str(exported), "--key", str(key)]) == 0


def test_no_byte_of_the_file_can_be_changed(
    parties: Parties, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = exported.read_bytes()
    last = content.rindex(b'"request"')
    places = {*range(0, last, 211), *range(last, len(content), 17)}
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1
        exported.write_bytes(altered)
        assert run(["receipt", "verify", str(exported), "--pin", parties.emp_pin]) == 1, (place, content[place])
    exported.write_bytes(content)
    capsys.readouterr()
    assert run(["receipt", "verify", str(exported), "--pin", parties.emp_pin]) == 0


def holds(message: dict[str, Any], signature: bytes, base: str, key: str) -> bool:
    """The signature check of this module's own verifier."""
    public = serialization.load_der_public_key(b64decode(message[key]))
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, base.encode())
        else:
            assert isinstance(public, ec.EllipticCurvePublicKey)
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            public.verify(encode_dss_signature(r, s), base.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def independently(receipt: dict[str, Any], pin: str) -> bool:
    """Whether a receipt proves an acknowledgement, read by hand as RFC 9421 says, with nothing but `cryptography`."""
    heads: list[dict[str, str]] = []
    firsts: list[list[str]] = []
    for part in ("request", "answer"):
        head, _, body = receipt[part].partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        digest = b64encode(hashlib.sha256(body.encode()).digest()).decode()
        if fields["content-digest"] != f"sha-256=:{digest}:":
            return False
        heads.append(fields)
        firsts.append(first.split(" "))
    asked, told = heads
    request_params = asked["signature-input"].removeprefix("oicp=")
    answer_params = told["signature-input"].removeprefix("oicp=")
    request_signature = asked["signature"].removeprefix("oicp=")
    request_base = (
        f'"@method": {firsts[0][0]}\n"@path": {firsts[0][1]}\n"content-digest": {asked["content-digest"]}\n'
        f'"process-id": {asked["process-id"]}\n"@signature-params": {request_params}'
    )
    answer_base = (
        f'"@status": {firsts[1][1]}\n"content-digest": {told["content-digest"]}\n"process-id": {told["process-id"]}\n'
        f'"signature";req;key="oicp": {request_signature}\n"@signature-params": {answer_params}'
    )
    covered = re.match(r"\((.*?)\)", answer_params)
    assert covered is not None
    assert covered[1] == '"@status" "content-digest" "process-id" "signature";req;key="oicp"'
    signatures = [b64decode(value.strip(":")) for value in (request_signature, told["signature"].removeprefix("oicp="))]
    spki = b64decode(receipt["answer_key"])
    return (
        f"sha256:{hashlib.sha256(spki).hexdigest()}" == pin
        and holds(receipt, signatures[0], request_base, "request_key")
        and holds(receipt, signatures[1], answer_base, "answer_key")
    )


def test_a_verifier_that_shares_no_code_agrees(parties: Parties, exported: Path) -> None:
    receipts = json.loads(exported.read_bytes())["receipts"]
    assert [independently(receipt, parties.emp_pin) for receipt in receipts] == [True] * 3
    cdr = receipts[-1]
    for part in ("request", "answer"):
        assert not independently({**cdr, part: cdr[part].replace("}", " }", 1)}, parties.emp_pin)
    assert not independently({**cdr, "answer": receipts[0]["answer"]}, parties.emp_pin)
    assert not independently(cdr, parties.cpo_pin)


def test_an_answer_proves_its_own_request_only(parties: Parties, exported: Path) -> None:
    document = json.loads(exported.read_bytes())
    first, *_, cdr = document["receipts"]
    cdr["answer"], cdr["answer_key"] = first["answer"], first["answer_key"]
    exported.write_bytes(json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n")
    assert run(["receipt", "verify", str(exported), "--pin", parties.emp_pin]) == 1


def test_show_prints_the_messages_as_they_were(parties: Parties, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["receipt", "show", SESSION_ID, "--dir", str(parties.emp.directory)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("signature-input: oicp=(") == 6
    assert EVSE_ID in shown
    assert run(["receipt", "show", "no-such-session", "--dir", str(parties.emp.directory)]) == 1
    assert capsys.readouterr().err.startswith("error: no receipt of a session")


def test_of_a_message_with_a_pin_no_receipt_is_kept(tmp_path: Path) -> None:
    identification = {"QRCodeIdentification": {"EvcoID": EVCO_ID, "PIN": "1234"}}
    with ReservedPorts(1) as reserved:
        parties = make(tmp_path, reserved.ports[0], SIGNED, driver_pin="1234")
        assert asyncio.run(exchange(parties, (AUTHORIZE_START,), Identification=identification)) == [(200, "000")]
    for made in (parties.cpo, parties.emp):
        assert [each.operation for each in asyncio.run(kept(made))] == []
        content = b"".join(file.read_bytes() for file in made.directory.glob("p2pnode*.db*"))
        assert b'"1234"' not in content


def test_receipts_go_when_their_time_is_over(parties: Parties, tmp_path: Path) -> None:
    for file in parties.cpo.directory.glob("p2pnode*.db*"):
        shutil.copy(file, tmp_path)

    async def purge() -> tuple[int, int]:
        async with SqlStore.open(tmp_path / "p2pnode.db") as store:
            oldest = (await store.receipts(session_key(SESSION_ID)))[0]
            before = await store.purge_receipts(oldest.at)
            return before, await store.purge_receipts(datetime.now(UTC))

    assert asyncio.run(purge()) == (0, 3)


def test_whoever_signs_nothing_is_not_disturbed_and_nothing_is_kept(tmp_path: Path) -> None:
    for number, signatures in enumerate((("send", "off"), ("off", "send"), ("off", "off"))):
        (tmp_path / str(number)).mkdir()
        made = run_session(tmp_path / str(number), signatures)
        assert asyncio.run(kept(made.cpo)) == []
        assert asyncio.run(kept(made.emp)) == []


def test_a_node_that_requires_signatures_takes_nothing_from_one_that_sends_none(tmp_path: Path) -> None:
    with ReservedPorts(1) as reserved:
        parties = make(tmp_path, reserved.ports[0], ("off", "require"))
        answers = asyncio.run(exchange(parties))
    assert answers[0][1] == "017"
    rows = rows_of(load_node(parties.emp.directory).store.path)
    assert not any(rows[name] for name in ("session", "session_event", "cdr", "receipt"))


def test_a_node_that_requires_signatures_believes_no_unsigned_yes(tmp_path: Path) -> None:
    with ReservedPorts(1) as reserved:
        parties = make(tmp_path, reserved.ports[0], ("require", "off"))
        answers = asyncio.run(exchange(parties))
    assert answers[0][1] == "320"
    assert not rows_of(load_node(parties.cpo.directory).store.path)["session"]
