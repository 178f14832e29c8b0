"""`p2pnode pki`: certificates."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from p2pnode.cli.options import example, json_option
from p2pnode.cli.output import show_json, show_pairs
from p2pnode.pki import CertificateInfo, PkiError, inspect
from p2pnode.web.problem import Problem


@click.group()
def pki() -> None:
    """Certificates: show one with its fingerprint."""


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


def _show(info: CertificateInfo, now: datetime) -> None:
    show_pairs(
        (
            ("name", info.name),
            ("ids", ", ".join(info.organizations)),
            ("hosts", ", ".join(info.hosts)),
            ("issuer", f"{info.issuer} (itself)" if info.is_self_signed else info.issuer),
            ("valid", f"{info.not_before:%Y-%m-%d} to {info.not_after:%Y-%m-%d}"),
            ("state", "valid" if info.is_valid(now) else "not valid now"),
            ("kind", "may issue certificates" if info.is_ca else "node"),
            ("pin", info.pin),
            ("fingerprint", info.fingerprint),
        )
    )
