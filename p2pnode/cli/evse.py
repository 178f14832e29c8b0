"""`p2pnode evse`: the charging points of the own operator."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import say, show_json, show_table
from p2pnode.web.client import AdminClient
from p2pnode.web.problem import Problem


@click.group()
def evse() -> None:
    """Charging points: import them from a file."""


@evse.command(
    "import",
    epilog=example("p2pnode evse import evses.json --dir my-node", "p2pnode evse import status.json --status"),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--status", is_flag=True, help="The file holds EVSE status, not EVSE data.")
@directory_option
@json_option
def import_(file: Path, *, status: bool, directory: Path, as_json: bool) -> None:
    """Let the running node import FILE and publish what is in it.

    Read are a push, the answer to a pull or its pages in a list, and the form of national open data. Records that
    are not quite right are mended, those that cannot be are refused, each with its reason.
    """
    try:
        body = file.read_bytes()
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}", "name a JSON file") from error
    report = asyncio.run(_send(directory, body, "status" if status else "data"))
    if as_json:
        show_json(report)
        return
    refused = report["refused"]
    say(f"{report['taken']} records taken, {report['mended']} of them mended, {len(refused)} refused")
    for kind, count in report["mends"].items():
        say(f"  mended: {kind}, {count} times")
    if refused:
        show_table(
            ("refused", "place", "reason"),
            [(record["evse_id"], record["pointer"], " ".join(record["reasons"])) for record in refused],
        )


async def _send(directory: Path, body: bytes, kind: str) -> Mapping[str, Any]:
    async with AdminClient.of(directory) as client:
        report: Mapping[str, Any] = await client.post("/api/evses/import", body, kind=kind)
        return report
