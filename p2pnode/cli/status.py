"""`p2pnode status`: a running node at a glance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.directory import got
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import say, show_json, show_pairs, show_table
from p2pnode.config.pins import spoken


@click.command(epilog=example("p2pnode status --dir my-node"))
@directory_option
@json_option
def status(directory: Path, *, as_json: bool) -> None:
    """Show a running node, its peers and what it has exchanged with them."""
    told = got(directory, "/api/status")
    if as_json:
        show_json(told)
        return
    show_pairs(
        (
            ("node", f"{told['name']}, p2pnode {told['version']}"),
            ("operators", ", ".join(told["operators"])),
            ("providers", ", ".join(told["providers"])),
            ("running since", told["started_at"]),
            *((f"{face} face", url) for face, url in told["faces"].items()),
            ("pin", told["pin"]),
            ("pin, spoken", spoken(told["pin"]) if told["pin"] else ""),
            ("certificate until", told["certificate_until"]),
        )
    )
    own = told["outbox"]
    if own["waiting"] or own["dead"]:
        say(f"our own backend is to get {own['waiting']} messages, and {own['dead']} have been given up")
    for warning in told["warnings"]:
        say(f"warning: {warning}")
    click.echo()
    show_table(
        (
            "peer",
            "operators",
            "providers",
            "url",
            "heard",
            "sent",
            "received",
            "waiting",
            "dead",
            "state",
            "last failure",
            "last refusal",
        ),
        [_peer_row(peer) for peer in told["peers"]],
    )
    click.echo()
    show_table(
        ("operation", "sent", "received"),
        [
            (operation, cell["sent"], cell["received"])
            for operation, cell in told["cells"].items()
            if cell["sent"] or cell["received"]
        ],
    )


def _peer_row(peer: Mapping[str, Any]) -> tuple[object, ...]:
    health = peer["health"]
    return (
        peer["name"],
        ", ".join(peer["operators"]),
        ", ".join(peer["providers"]),
        peer["url"] if peer["enabled"] else "disabled",
        health["heard_at"],
        health["sent"],
        health["received"],
        peer["outbox"]["waiting"],
        peer["outbox"]["dead"],
        "away" if peer["breaker"]["state"] == "open" else "",
        health["failure"],
        health["refusal"],
    )
