"""`p2pnode id`: what an identifier is."""

import click

from p2pnode.cli.options import example, json_option
from p2pnode.cli.output import show_json, show_table
from p2pnode.oicp.identifiers import Identifier, readings
from p2pnode.web.problem import Problem


@click.command("id", epilog=example('p2pnode id "DE*AB7*E840*6487"', "p2pnode id DE-8EO-CAet5e4XY-3 --json"))
@click.argument("value")
@json_option
def identifier(value: str, *, as_json: bool) -> None:
    """Explain the identifier VALUE in every way it can be read.

    Told are its kind, its country and party, and the key it is compared by: two identifiers are the same where their
    keys are, so that DE*GEF, DEGEF and de*gef are one operator.
    """
    found = readings(value)
    if not found:
        hint = "one looks like DE*ABC, DE-ABC, DE*ABC*E1234, DE-ABC-C12345678-9 or 04A1B2C3D4E580"
        raise Problem(f"{value!r:.100} follows the grammar of no identifier of OICP", hint)
    if as_json:
        show_json([_json(reading) for reading in found])
        return
    show_table(
        ("kind", "standard", "country", "party", "instance", "key"),
        [
            (reading.kind, reading.standard, reading.country, reading.party, reading.instance, reading.key)
            for reading in found
        ],
    )


def _json(reading: Identifier) -> dict[str, object]:
    return {
        "kind": reading.kind,
        "standard": reading.standard,
        "country": reading.country,
        "party": reading.party,
        "instance": reading.instance,
        "key": reading.key,
    }
