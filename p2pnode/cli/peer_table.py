"""`p2pnode peer list|show|rename|remove`: the peer table."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import click

from p2pnode.cli.directory import peers_of
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import say, show_json, show_pairs, show_table
from p2pnode.cli.reload import reload_if_running
from p2pnode.config import ConfigError, PeerEntry, PeerTable, remove_peer
from p2pnode.config.load import rename_peer
from p2pnode.config.pins import spoken
from p2pnode.web.peer_names import no_such_peer, peer_called
from p2pnode.web.problem import Problem


@click.command("list", epilog=example("p2pnode peer list --dir my-node"))
@directory_option
@json_option
def list_(directory: Path, *, as_json: bool) -> None:
    """List the peers the node is configured with."""
    peers = peers_of(directory).peers
    if as_json:
        show_json([entry.model_dump(mode="json") for entry in peers])
        return
    if not peers:
        say("no peers yet; p2pnode peer add URL makes a partner's node one")
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


@click.command(epilog=example("p2pnode peer show rhine --dir my-node"))
@click.argument("name")
@directory_option
@json_option
def show(name: str, directory: Path, *, as_json: bool) -> None:
    """Show everything the peer table says about the peer NAME."""
    entry = entry_of(peers_of(directory), name)
    if as_json:
        show_json(entry.model_dump(mode="json"))
        return
    show_pairs([*((name, _text(value)) for name, value in entry), *(("spoken", spoken(pin)) for pin in entry.pins)])


@click.command(epilog=example("p2pnode peer rename north-grid north --dir my-node"))
@click.argument("name")
@click.argument("new")
@directory_option
@json_option
def rename(name: str, new: str, directory: Path, *, as_json: bool) -> None:
    """Give the peer NAME another name.

    Its messages in the store keep the former one.
    """
    _changed(
        directory,
        name,
        lambda: rename_peer(directory, name, new),
        as_json=as_json,
        told=f"peer {name!r} is {new!r} now",
    )


@click.command(epilog=example("p2pnode peer remove north-grid --dir my-node"))
@click.argument("name")
@directory_option
@json_option
def remove(name: str, directory: Path, *, as_json: bool) -> None:
    """Remove the peer NAME: its next request is refused."""
    _changed(directory, name, lambda: remove_peer(directory, name), as_json=as_json, told=f"peer {name!r} is removed")


def entry_of(peers: PeerTable, to: str) -> PeerEntry:
    """The peer of this name, OperatorID or ProviderID. Raises Problem."""
    found = peer_called(peers, to)
    if found is None:
        raise Problem(*no_such_peer(peers, to))
    return found


def _changed(directory: Path, name: str, change: Callable[[], Path], *, as_json: bool, told: str) -> None:
    peers = peers_of(directory)
    if peers.get(name) is None:
        raise Problem(*no_such_peer(peers, name))
    try:
        file = change()
    except ConfigError as error:
        raise Problem(str(error), "`p2pnode peer list` shows the peers") from error
    runs = reload_if_running(directory)
    if as_json:
        show_json({"file": str(file), "reloaded": runs})
    else:
        say(f"{told}; {'the running node knows' if runs else 'no node is running'}")


def _text(value: object) -> object:
    if not isinstance(value, tuple):
        return value
    return ", ".join(str(element) for element in cast("tuple[object, ...]", value))
