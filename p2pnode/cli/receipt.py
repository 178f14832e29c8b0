"""`p2pnode receipt`: what the other party has signed."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
import msgspec
from cryptography import x509
from msgspec import Struct, field

from p2pnode.cli.directory import config_of
from p2pnode.cli.files import content_of
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import counted, moment, say, show_json, show_table
from p2pnode.cli.peer_add import own_card
from p2pnode.config import ConfigError, load_peers
from p2pnode.config.pins import PIN, pin_of_key, read_signing_key
from p2pnode.oicp.authorization import AuthorizationStatus
from p2pnode.oicp.codec import BOM, time_text
from p2pnode.oicp.identifiers import session_key
from p2pnode.peering.http_signatures import SignatureProblem, VerifyKey
from p2pnode.peering.receipt_file import Written, from_file, to_file
from p2pnode.peering.signed_exchange import Proof
from p2pnode.peering.trust import PeerTrust, TrustError
from p2pnode.roaming.records import ReceiptRecord
from p2pnode.store.errors import StoreError
from p2pnode.store.store import SqlStore
from p2pnode.web.problem import Problem

NOT_PROVED = 1
PIN_SHOWN = len("sha256:") + 12
"""How much of a pin a table shows: enough to tell two apart; `--json` has all of it."""


class _Answer(Struct):
    """What is read of an answer to know whether it says yes: 000, and that in words, too."""

    status: "_Status" = field(name="StatusCode")
    result: bool | None = field(name="Result", default=None)
    authorization: str | None = field(name="AuthorizationStatus", default=None)


class _Status(Struct):
    code: Literal["000"] = field(name="Code")


@click.group()
def receipt() -> None:
    """Receipts: show, check and hand out what a peer has signed.

    A receipt is a signed request with its signed answer, kept for every authorization and CDR exchanged with a peer in
    whose entry `signatures` is not `off`.
    """


@receipt.command(epilog=example("p2pnode receipt show SESSION-ID --dir my-node"))
@click.argument("session_id", metavar="SESSION-ID")
@directory_option
@json_option
def show(session_id: str, directory: Path, *, as_json: bool) -> None:
    """Show the receipts of a session, as they are kept."""
    found = _kept(directory, session_id)
    if as_json:
        show_json([_as_json(record) for record in found])
        return
    for number, record in enumerate(found):
        if number:
            click.echo()
        say(f"{record.operation}, {record.verb.value}, {record.peer}, {moment(record.at)}")
        click.echo(record.request.decode(errors="replace").replace("\r\n", "\n"))
        click.echo()
        click.echo(record.answer.decode(errors="replace").replace("\r\n", "\n"))


@receipt.command(
    epilog=example("p2pnode receipt export SESSION-ID receipt.json --dir my-node"),
)
@click.argument("session_id", metavar="SESSION-ID")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@directory_option
@json_option
def export(session_id: str, file: Path, directory: Path, *, as_json: bool) -> None:
    """Write the receipts of a session to FILE, to be checked anywhere by `p2pnode receipt verify FILE`.

    They hold the messages as they were, with the identification of the driver. The file is its owner's only.
    """
    found = _kept(directory, session_id)
    try:
        content = to_file([Written.of(record) for record in found])
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            written.write(content)
    except FileExistsError as error:
        raise Problem(f"{file} exists already", "name another file, or remove this one") from error
    except SignatureProblem as error:
        raise Problem(str(error)) from error
    except OSError as error:
        raise Problem(f"{file} cannot be written: {error.strerror}", "name another file") from error
    if as_json:
        show_json({"file": str(file), "receipts": len(found)})
    say(f"wrote {counted(len(found), 'receipt')} to {file}")
    say(f"next: p2pnode receipt verify {file} --pin PIN-OF-THE-OTHER-PARTY")


@receipt.command(
    epilog=example(
        "p2pnode receipt verify SESSION-ID --dir my-node",
        "p2pnode receipt verify receipt.json --pin sha256:…",
        "p2pnode receipt verify receipt.json --key partner/identity.pem --json",
    )
)
@click.argument("what", metavar="SESSION-ID|FILE")
@click.option("pins", "--pin", multiple=True, help="The pin of the key the other party signs with; repeatable.")
@click.option(
    "key",
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A PEM file with its certificate or public key, instead of a pin.",
)
@directory_option
@json_option
def verify(what: str, pins: tuple[str, ...], key: Path | None, directory: Path, *, as_json: bool) -> int:
    """Prove from receipts alone what the other party has signed: those of a session, or those in a FILE.

    FILE needs no node. Whose key a signature has to be made with is told by --pin or --key; for a session without
    them, by the peer table. The exit code is 0 where every receipt holds and the other party has signed, 1 otherwise.
    """
    trusted = _pins(pins, key)
    for own in trusted & _own(directory):
        told = f"{own} is this node's own key: it proves nothing about the other party"
        raise Problem(told, "`p2pnode peer show NAME` shows the other party's", exit_code=2)
    if Path(what).is_file():
        if not trusted:
            raise Problem("whose signature is to be proved is not told", "add --pin or --key of the other party")
        checked = [_checked(written, trusted) for written in _read(Path(what))]
    else:
        if Path(what).suffix:
            raise Problem(f"there is no file {what}", "name a file that `p2pnode receipt export` wrote, or a SessionID")
        records = _kept(directory, what)
        checked = [_checked(Written.of(each), trusted or _known(directory, each.peer)) for each in records]
    if as_json:
        show_json([each.as_json() for each in checked])
    else:
        show_table(
            ("path", "made", "result", "request signed by", "answer signed by"), [each.row() for each in checked]
        )
    return 0 if all(each.is_proved for each in checked) else NOT_PROVED


@dataclass(frozen=True, slots=True)
class _Checked:
    """One receipt after the check: what it proves, or what is wrong with it."""

    proof: Proof | None
    asked: bool = False
    answered: bool = False
    problem: str = ""

    @property
    def is_proved(self) -> bool:
        return not self.problem

    @property
    def result(self) -> str:
        if self.problem:
            return f"NOT PROVED: {self.problem}"
        if self.asked and self.answered:
            return "the other party sent and acknowledged it"
        return "the other party acknowledged it" if self.answered else "the other party sent it"

    @property
    def target(self) -> str:
        return self.proof.request.message.target if self.proof else ""

    def made(self) -> str:
        return moment(datetime.fromtimestamp(self.proof.answer.created, UTC)) if self.proof else ""

    def pins(self) -> dict[str, str]:
        if self.proof is None:
            return {}
        return {"request": self.proof.request.key.pin, "answer": self.proof.answer.key.pin}

    def row(self) -> Sequence[object]:
        pins = self.pins()
        signed = (f"{pins[name][:PIN_SHOWN]}…" if name in pins else "" for name in ("request", "answer"))
        return (self.target, self.made(), self.result, *signed)

    def as_json(self) -> dict[str, object]:
        return {
            "path": self.target,
            "made": self.made(),
            "proved": self.is_proved,
            "result": self.result,
            "sent_by_other": self.asked,
            "acknowledged_by_other": self.answered,
            "signed_by": self.pins(),
            "request_body": self.proof.request_body.decode(errors="replace") if self.proof else "",
            "answer_body": self.proof.answer_body.decode(errors="replace") if self.proof else "",
        }


def _checked(written: Written, trusted: frozenset[str]) -> _Checked:
    try:
        proof = written.prove()
    except SignatureProblem as error:
        return _Checked(None, problem=str(error))
    asked, answered = proof.request.key.pin in trusted, proof.answer.key.pin in trusted
    problem = "" if asked or answered else "neither signature is by a key of the other party"
    if not _is_positive(proof.answer_body):
        problem = "the answer is a refusal"
    return _Checked(proof, asked, answered, problem)


def _is_positive(answer: bytes) -> bool:
    """Whether an answer says yes; a signed refusal acknowledges nothing."""
    try:
        told = msgspec.json.decode(answer.removeprefix(BOM), type=_Answer)
    except msgspec.DecodeError:
        return False
    return told.result is not False and told.authorization in {None, AuthorizationStatus.AUTHORIZED.value}


def _pins(pins: Iterable[str], key: Path | None) -> frozenset[str]:
    found: set[str] = set()
    for pin in pins:
        if not PIN.fullmatch(pin.strip().lower()):
            raise Problem(f"{pin} is no pin", "a pin is sha256: and 64 hexadecimal digits")
        found.add(pin.strip().lower())
    if key is not None:
        found.add(_pin_of(key))
    return frozenset(found)


def _pin_of(file: Path) -> str:
    try:
        content = file.read_bytes()
        if b"BEGIN CERTIFICATE" in content:
            return VerifyKey(x509.load_pem_x509_certificate(content).public_key()).pin
        text = "".join(line for line in content.decode("ascii").splitlines() if not line.startswith("-----"))
        return VerifyKey(read_signing_key(text)).pin
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}", "name a PEM file") from error
    except (ValueError, SignatureProblem) as error:
        hint = "name a PEM file with the certificate or the public key of the other party"
        raise Problem(f"{file} holds no key that signs", hint) from error


def _read(file: Path) -> Sequence[Written]:
    try:
        return from_file(content_of(file, "name a file of receipts"))
    except SignatureProblem as error:
        raise Problem(str(error), "ask for the file again, as `p2pnode receipt export` wrote it") from error


def _kept(directory: Path, session_id: str) -> Sequence[ReceiptRecord]:
    """The receipts of a session. Raises Problem where there is none."""

    async def read() -> Sequence[ReceiptRecord]:
        async with SqlStore.open(config_of(directory).store.path) as store:
            return await store.receipts(session_key(session_id))

    try:
        found = asyncio.run(read())
    except StoreError as error:
        raise Problem(f"the store cannot be used: {error}", "see store.path in the configuration") from error
    if not found:
        hint = 'receipts are kept of peers whose entry says signatures = "send" or "require"'
        raise Problem(f"no receipt of a session {session_id!r:.100} is kept", hint)
    return found


def _own(directory: Path) -> frozenset[str]:
    """The pins of the keys of the node in the directory; none where there is no node."""
    with suppress(Problem):
        card = own_card(directory, config_of(directory))
        signs = card.get("signing_key")
        return frozenset({str(card["pin"]), *([pin_of_key(read_signing_key(str(signs)))] if signs else [])})
    return frozenset()


def _known(directory: Path, peer: str) -> frozenset[str]:
    """The pins of the keys that the peer table has for a peer."""
    with suppress(ConfigError, TrustError):
        table = load_peers(directory)
        entry = table.get(peer)
        if entry is not None:
            return frozenset(PeerTrust(table).signing_keys(entry))
    return frozenset()


def _as_json(record: ReceiptRecord) -> dict[str, object]:
    return {
        "operation": record.operation,
        "verb": record.verb.value,
        "peer": record.peer,
        "at": time_text(record.at),
        "request": record.request.decode(errors="replace"),
        "answer": record.answer.decode(errors="replace"),
        "request_key": b64encode(record.request_key).decode(),
        "answer_key": b64encode(record.answer_key).decode(),
    }
