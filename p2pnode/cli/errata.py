"""`p2pnode errata`: the contradictions of the specification."""

from dataclasses import asdict

import click

from p2pnode.cli.options import example, json_option
from p2pnode.cli.output import show_json, show_table
from p2pnode.oicp.errata import ERRATA


@click.command(epilog=example("p2pnode errata", "p2pnode errata --json"))
@json_option
def errata(*, as_json: bool) -> None:
    """List where the documents of OICP 2.3 contradict each other.

    Every form that is listed is read, and one is written. --json tells also which document has which form.
    """
    if as_json:
        show_json([asdict(erratum) for erratum in ERRATA])
        return
    show_table(
        ("id", "where", "read", "written"),
        [(erratum.id, erratum.where, ", ".join(erratum.forms), erratum.written) for erratum in ERRATA],
    )
