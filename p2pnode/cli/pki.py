"""`p2pnode pki`: keys and certificates."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from p2pnode.cli.directory import config_of, peers_of
from p2pnode.cli.findings import show_findings
from p2pnode.cli.options import DIRECTORY, directory_option, example, json_option
from p2pnode.cli.output import say, show_json, show_pairs
from p2pnode.cli.reload import reload_if_running
from p2pnode.config.files import PRIVATE
from p2pnode.config.load import NODE_FILE
from p2pnode.config.node import PeerFaceSection
from p2pnode.config.passphrase import PASSPHRASE, PASSPHRASE_FILE
from p2pnode.config.pins import spoken
from p2pnode.lab.directory import hosts_of
from p2pnode.peering.expiry import expiries
from p2pnode.peering.finding import Finding, fails, well
from p2pnode.peering.trust import PeerTrust, TrustError
from p2pnode.pki import (
    CertificateInfo,
    Identity,
    Leaf,
    PkiError,
    change_key,
    create_ca,
    current_leaf,
    inspect,
    issue,
    load_ca,
    load_key,
    prepare_key,
    renew,
)
from p2pnode.pki.keys import key_pin
from p2pnode.web.problem import Problem

PROTECTED = f"Keys are encrypted where {PASSPHRASE_FILE} names a file with a passphrase, or {PASSPHRASE} holds one."

ca_option = click.option(
    "authority", "--ca", type=DIRECTORY, help="The directory that `p2pnode pki ca` made, with ca.key and ca.pem."
)
host_option = click.option("hosts", "--host", multiple=True, help="A DNS name or address of it; may be repeated.")
days_option = click.option("--days", type=click.IntRange(1, 7305), help="For how many days it is valid.")


@click.group()
def pki() -> None:
    """Keys and certificates: a lab CA, issue, renew, show, check."""


@pki.command(epilog=example("p2pnode pki ca lab-ca --name 'Lab of the depot'"))
@click.argument("directory", type=DIRECTORY)
@click.option("--name", default="p2pnode lab CA", show_default=True, help="The CA's name.")
@click.option("--days", type=click.IntRange(1, 7305), default=3653, show_default=True, help="For how long it is valid.")
@json_option
def ca(directory: Path, *, name: str, days: int, as_json: bool) -> None:
    """Make a certificate authority for a lab in DIRECTORY."""
    with _problems():
        made = create_ca(directory, name, datetime.now(UTC), days)
    if as_json:
        show_json({"certificate": str(made.certificate_file), "key": str(made.key_file)})
        return
    say(f"made the CA {name!r}")
    say(f"  {made.key_file}: its private key, for nobody else")
    say(f"  {made.certificate_file}: its certificate, for everybody in the lab")
    say(f"next: p2pnode pki issue NODE --ca {directory}")


@pki.command("issue", epilog=example("p2pnode pki issue my-node --ca lab-ca", f"\n{PROTECTED}"))
@click.argument("directory", type=DIRECTORY)
@ca_option
@click.option("--name", help="The name in it.  [default: the node's]")
@click.option("ids", "--id", multiple=True, help="An OperatorID or ProviderID; may be repeated.  [default: the node's]")
@click.option("--organization", default="", help="The company. It stands in O then, and the ids in OU.")
@host_option
@days_option
@json_option
def issue_(  # noqa: PLR0913 - one parameter for each option
    directory: Path,
    *,
    authority: Path | None,
    name: str | None,
    ids: tuple[str, ...],
    organization: str,
    hosts: tuple[str, ...],
    days: int | None,
    as_json: bool,
) -> None:
    """Issue a certificate of a lab CA: to the node in DIRECTORY, or into DIRECTORY for another system.

    The key in it is kept; where there is none, one is made.
    """
    if authority is None:
        raise click.UsageError("a certificate is issued by a CA: name it with --ca")
    with _problems():
        keys, leaf = _wanted(directory, name, ids, hosts)
        leaf = replace(leaf, organization=organization, days=days or leaf.days)
        made = issue(load_ca(authority), keys, leaf, datetime.now(UTC))
    _tell_issued(made, directory, as_json=as_json)


@pki.command("renew", epilog=example("p2pnode pki renew --dir my-node", "p2pnode pki renew --dir my-node --ca lab-ca"))
@directory_option
@ca_option
@host_option
@days_option
@click.option("prepare", "--prepare-key", is_flag=True, help="Make the key to change to, and tell its pin; no more.")
@click.option("change", "--change-key", is_flag=True, help="Change to the key prepared before.")
@json_option
def renew_(  # noqa: PLR0913 - one parameter for each option
    directory: Path,
    *,
    authority: Path | None,
    hosts: tuple[str, ...],
    days: int | None,
    prepare: bool,
    change: bool,
    as_json: bool,
) -> None:
    """Renew the node's certificate. Its key stays, so peers need no change; a running node takes it up at once.

    To change the key, prepare the next one, let every peer take it up (its identity certificate stands in the node
    card, beside the current one), and change when all have.
    """
    if (prepare or change) and (authority is not None or (prepare and change)):
        raise click.UsageError("--prepare-key, --change-key and --ca do not go together")
    now = datetime.now(UTC)
    with _problems():
        keys = _keys_of(directory)
        if prepare:
            pin = prepare_key(keys, now)
            reload_if_running(directory)
            if as_json:
                show_json({"next_pin": pin})
            else:
                say(f"next pin {pin}\n  spoken {spoken(pin)}")
                say("next: let peers enter next-identity.pem beside identity.pem, then: p2pnode pki renew --change-key")
            return
        if change:
            made = change_key(keys, now)
        else:
            leaf = current_leaf(keys)
            leaf = replace(leaf, hosts=hosts or leaf.hosts, days=days or leaf.days)
            made = renew(keys, now, leaf=leaf, ca=load_ca(authority) if authority else None)
    _tell_issued(made, directory, as_json=as_json)


@pki.command(epilog=example("p2pnode pki show my-node/pki/node.pem"))
@click.argument("certificate", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def show(certificate: Path, *, as_json: bool) -> None:
    """Show what the certificates in the PEM file CERTIFICATE say, and the pin peers trust them by."""
    try:
        found = inspect(certificate)
    except (PkiError, ValueError) as error:
        raise Problem(str(error), "name a file with certificates in PEM form") from error
    now = datetime.now(UTC)
    if as_json:
        show_json([{**asdict(info), "is_valid": info.is_valid(now)} for info in found])
        return
    for number, info in enumerate(found):
        if number:
            click.echo()
        _show(info, now)


@pki.command(epilog=example("p2pnode pki check --dir my-node"))
@directory_option
@json_option
def check(directory: Path, *, as_json: bool) -> int:
    """Check the node's key and certificates and those its peers are known by. The exit code is 1 where one fails."""
    return show_findings(list(_checked(directory, datetime.now(UTC))), as_json=as_json)


def _checked(directory: Path, now: datetime) -> Iterator[Finding]:
    face, peers = config_of(directory).peer_face, peers_of(directory)
    yield from _own_checked(face, now)
    try:
        ends = list(expiries(None, PeerTrust(peers)))
    except TrustError as error:
        yield fails("peers", str(error), "correct the peer's entry, or remove it: p2pnode peer remove")
        return
    for end in ends:
        warning = end.warning(now)
        yield Finding(f"peer {end.peer}", warning is None, warning or f"until {end.until:%Y-%m-%d}")


def _own_checked(face: PeerFaceSection, now: datetime) -> Iterator[Finding]:
    chain: tuple[CertificateInfo, ...] = ()
    try:
        chain = inspect(face.certificate)
        yield well("certificate", f"{chain[0].name}: {', '.join(chain[0].ids)}")
    except (PkiError, ValueError) as error:
        yield fails("certificate", str(error), "p2pnode pki renew, or correct peer_face.certificate")
    try:
        pin = key_pin(load_key(face.key))
        mode = face.key.stat().st_mode & 0o777
        yield Finding("key file", mode & ~PRIVATE == 0, f"mode {mode:04o}", f"chmod 600 {face.key}")
        if chain and chain[0].pin == pin:
            yield well("key", f"{pin}, spoken {spoken(pin)}")
        else:
            yield fails("key", "it is not the certificate's key", "p2pnode pki renew makes a certificate for the key")
    except PkiError as error:
        yield fails("key", str(error), "name the key in peer_face.key, and its passphrase in the environment")
    for info in chain:
        told = f"{info.subject}: {info.not_before:%Y-%m-%d} to {info.not_after:%Y-%m-%d}"
        yield Finding("validity", info.is_valid(now), told, "p2pnode pki renew; is this machine's clock right?")


def _keys_of(directory: Path) -> Path:
    """Where the node of a directory has its key and certificate. Raises Problem."""
    return config_of(directory).peer_face.certificate.parent


def _wanted(directory: Path, name: str | None, ids: tuple[str, ...], hosts: tuple[str, ...]) -> tuple[Path, Leaf]:
    """Where a certificate is to go and what it says: for a node what its configuration tells."""
    if not (directory / NODE_FILE).exists():
        if not name:
            raise click.UsageError(f"there is no node in {directory}; say --name, --id and --host of its owner")
        return directory, Leaf(name, ids, hosts or (name,))
    keys = _keys_of(directory)
    config = config_of(directory)
    own = (*config.node.operators, *config.node.providers)
    return keys, Leaf(name or config.node.name, ids or own, hosts or hosts_of(config.peer_face))


def _tell_issued(made: Identity, directory: Path, *, as_json: bool) -> None:
    reload_if_running(directory)
    info = inspect(made.certificate_file)[0]
    if as_json:
        show_json({**asdict(info), "certificate": str(made.certificate_file), "key": str(made.key_file)})
        return
    say(f"issued {made.certificate_file} to {info.name!r} for {', '.join(info.ids)}")
    say(f"  valid until {info.not_after:%Y-%m-%d}; hosts {', '.join(info.hosts)}")
    say(f"  pin {info.pin}\n  spoken {spoken(info.pin)}")


@contextmanager
def _problems() -> Generator[None]:
    """Tells what cannot be made or read as a Problem."""
    try:
        yield
    except PkiError as error:
        raise Problem(str(error), "see `p2pnode pki --help`") from error
    except OSError as error:
        raise Problem(f"{error.filename}: {error.strerror}", "is the place writable?") from error


def _show(info: CertificateInfo, now: datetime) -> None:
    show_pairs(
        (
            ("name", info.name),
            ("ids", ", ".join(info.ids)),
            ("organization", ", ".join(info.organizations) if info.units else ""),
            ("hosts", ", ".join(info.hosts)),
            ("issuer", f"{info.issuer} (itself)" if info.is_self_signed else info.issuer),
            ("valid", f"{info.not_before:%Y-%m-%d} to {info.not_after:%Y-%m-%d}"),
            ("state", "valid" if info.is_valid(now) else "not valid now"),
            ("kind", "may issue certificates" if info.is_ca else "node"),
            ("pin", info.pin),
            ("spoken", spoken(info.pin)),
            ("fingerprint", info.fingerprint),
        )
    )
