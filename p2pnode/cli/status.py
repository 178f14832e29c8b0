"""`p2pnode status`: a running node at a glance."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.directory import got
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import counted, moment, say, show_json, show_pairs, show_table
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
            ("running since", moment(told["started_at"])),
            *((f"{face} face", url) for face, url in told["faces"].items()),
            ("pin", told["pin"]),
            ("pin, spoken", spoken(told["pin"]) if told["pin"] else ""),
            ("certificate until", moment(told["certificate_until"])),
        )
    )
    own = told["outbox"]
    if own["waiting"] or own["dead"]:
        dead = f", and {own['dead']} could not be delivered" if own["dead"] else ""
        say(f"our own backend is to get {counted(own['waiting'], 'message')}{dead}; p2pnode outbox list --own")
    for warning in told["warnings"]:
        say(f"warning: {warning}")
    click.echo()
    if not told["peers"]:
        say("no peers yet; p2pnode peer add URL makes a partner's node one")
    else:
        show_table(
            ("peer", "ids", "heard", "sent", "received", "waiting", "dead", "state"), map(_peer_row, told["peers"])
        )
    troubles = [trouble for peer in told["peers"] for trouble in _troubles(peer)]
    if troubles:
        click.echo()
        show_table(("peer", "at", "last", "what"), troubles)
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
    health, outbox = peer["health"], peer["outbox"]
    away = "away" if peer["breaker"]["state"] == "open" else ""
    return (
        peer["name"],
        ", ".join((*peer["operators"], *peer["providers"])),
        moment(health["heard_at"]),
        health["sent"],
        health["received"],
        outbox["waiting"],
        outbox["dead"],
        away if peer["enabled"] else "disabled",
    )


def _troubles(peer: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """The last failure and the last refusal of a peer, where there was one."""
    health = peer["health"]
    for what in ("failure", "refusal"):
        if health[what]:
            at = health["failed_at" if what == "failure" else "refused_at"]
            yield (peer["name"], moment(at), what, health[what])
