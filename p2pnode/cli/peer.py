"""`p2pnode peer`: the peer table, read only."""

from pathlib import Path
from typing import cast

import click

from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import show_json, show_pairs, show_table
from p2pnode.config import ConfigError, PeerTable, load_node, load_peers
from p2pnode.web.problem import Problem


@click.group()
def peer() -> None:
    """The peer table: list and show."""


@peer.command("list", epilog=example("p2pnode peer list --dir my-node"))
@directory_option
@json_option
def list_(directory: Path, *, as_json: bool) -> None:
    """List the peers the node is configured with."""
    peers = _peers(directory).peers
    if as_json:
        show_json([entry.model_dump(mode="json") for entry in peers])
        return
    show_table(
        ("peer", "operators", "providers", "url", "state"),
        [
            (
                entry.name,
                ", ".join(entry.operators),
                ", ".join(entry.providers),
                entry.url,
                "enabled" if entry.enabled else "disabled",
            )
            for entry in peers
        ],
    )


@peer.command(epilog=example("p2pnode peer show rhine --dir my-node"))
@click.argument("name")
@directory_option
@json_option
def show(name: str, directory: Path, *, as_json: bool) -> None:
    """Show everything the peer table says about the peer NAME."""
    peers = _peers(directory)
    entry = peers.get(name)
    if entry is None:
        known = ", ".join(known.name for known in peers.peers)
        raise Problem(f"there is no peer {name!r}", f"known are: {known}" if known else "the peer table is empty")
    if as_json:
        show_json(entry.model_dump(mode="json"))
        return
    show_pairs((name, _text(value)) for name, value in entry)


def _text(value: object) -> object:
    if not isinstance(value, tuple):
        return value
    return ", ".join(str(element) for element in cast("tuple[object, ...]", value))


def _peers(directory: Path) -> PeerTable:
    try:
        load_node(directory)  # a directory without a node has no peers, not none yet
        return load_peers(directory)
    except ConfigError as error:
        raise Problem(str(error), "name the node's directory with --dir, or correct the file") from error
