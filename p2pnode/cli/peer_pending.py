"""`p2pnode peer pending|accept|reject`: nodes that would be peers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from p2pnode.cli.comparison import Comparison, pin_option, yes_option
from p2pnode.cli.directory import config_of, got, posted
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import moment, say, show_json, show_table
from p2pnode.cli.peer_add import add_met, show_card
from p2pnode.config.pins import is_same_pin, spoken
from p2pnode.peering.meeting import NotMet, meet
from p2pnode.peering.pending import Pending
from p2pnode.web.problem import Problem

ASKS = "a partner asks to be a peer with `p2pnode peer add URL`"


@click.command(epilog=example("p2pnode peer pending --dir my-node"))
@directory_option
@json_option
def pending(directory: Path, *, as_json: bool) -> None:
    """List the nodes that would be peers and wait for a decision.

    They asked for it, or were discovered; until somebody accepts them, nothing of theirs passes.
    """
    waiting = _waiting(directory)
    if as_json:
        show_json([one.model_dump(mode="json", exclude={"card"}) for one in waiting])
        return
    if not waiting:
        say(f"nobody is pending; {ASKS}")
        return
    show_table(
        ("name", "operators", "providers", "url", "by", "since", "pin, spoken"),
        [
            (
                one.name,
                ", ".join(one.operators),
                ", ".join(one.providers),
                one.url,
                one.source,
                moment(one.at),
                spoken(one.pin) if one.card is not None else "not met yet",
            )
            for one in waiting
        ],
    )


@click.command(epilog=example("p2pnode peer accept partner --dir my-node"))
@click.argument("name")
@click.option("as_name", "--as", help="What to call it.  [default: its own name]")
@click.option("--url", help="The OICP base to call it at, where it gave none or another.")
@pin_option
@yes_option
@directory_option
@json_option
def accept(  # noqa: PLR0913 - one parameter for each option
    name: str,
    *,
    as_name: str | None,
    url: str | None,
    told_pin: str | None,
    is_sure: bool,
    directory: Path,
    as_json: bool,
) -> None:
    """Make the pending node NAME a peer.

    NAME is its name, or its pin where several have the same name. Compare the pin with what the partner reads first.
    """
    config = config_of(directory)
    one = _named(directory, name)
    if one.card is None:
        _accept_discovered(directory, one, as_name, Comparison(told_pin, is_sure), as_json=as_json)
        return
    show_card(one.card, url or one.url)
    Comparison(told_pin, is_sure).confirm(one.pin)
    body = {"key": one.key, "name": as_name or one.name, "digest": one.digest} | ({"url": url} if url else {})
    entry = posted(directory, "/api/pending/accept", body)
    if as_json:
        show_json(entry)
    else:
        say(f"{entry['name']!r} is a peer now; {config.node.name} and it can call each other")


@click.command(epilog=example("p2pnode peer reject partner --dir my-node"))
@click.argument("name")
@directory_option
@json_option
def reject(name: str, *, directory: Path, as_json: bool) -> None:
    """Forget the pending node NAME.

    NAME is its name, or its pin where several have the same name. It is not told, and may ask again.
    """
    one = _named(directory, name)
    answer = posted(directory, "/api/pending/reject", {"key": one.key})
    if as_json:
        show_json(answer)
    else:
        say(f"{one.name!r} is forgotten")


def _accept_discovered(
    directory: Path, one: Pending, as_name: str | None, comparison: Comparison, *, as_json: bool
) -> None:
    """Meet a node that only announced itself, and add it if it is the one it announced."""
    try:
        met = asyncio.run(meet(one.url or ""))
    except NotMet as error:
        raise Problem(str(error), "it may be gone: `p2pnode peer pending`") from error
    if not met.card.pin.startswith(one.pin):
        raise Problem(
            f"{met.origin} has another pin than was announced", "somebody announces a node that is not theirs"
        )
    add_met(directory, met, as_name or met.card.name, comparison, as_json=as_json)


def _waiting(directory: Path) -> Sequence[Pending]:
    told = got(directory, "/api/pending")
    return [Pending.model_validate(one) for one in told["pending"]]


def _named(directory: Path, name: str) -> Pending:
    """The pending node of this name or pin. Raises Problem where there is none, or several."""
    waiting = _waiting(directory)
    by_pin = [one for one in waiting if one.card is not None and is_same_pin(one.pin, name)]
    found = by_pin or [one for one in waiting if name in {one.name, one.key}]
    if not found:
        names = ", ".join(one.name for one in waiting)
        raise Problem(f"no node called {name!r} is pending", f"pending are: {names}" if names else ASKS)
    if len(found) > 1:
        keys = "; ".join(spoken(one.pin) if one.card else one.key for one in found)
        raise Problem(f"{len(found)} pending nodes are called {name!r}", f"say which, by its pin: {keys}")
    return found[0]
