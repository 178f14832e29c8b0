"""`p2pnode outbox`: messages of a running node that wait for a peer, and those that have been given up."""

from pathlib import Path

import click

from p2pnode.cli.directory import got, posted
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import moment, say, show_json, show_pairs, show_table
from p2pnode.web.problem import Problem

NUMBER = click.IntRange(min=1)
OWN_BACKEND = "own backend"


@click.group()
def outbox() -> None:
    """Messages that wait for a peer: list, show, requeue, drop."""


@outbox.command("list", epilog=example("p2pnode outbox list --dir my-node", "p2pnode outbox list --state dead"))
@click.option("--peer", metavar="ID", help="Only what this peer is to get: its name, OperatorID or ProviderID.")
@click.option("--own", is_flag=True, help="Only what our own backend is to get.")
@click.option("--state", type=click.Choice(["waiting", "dead"]), help="Only what waits, or has been given up.")
@directory_option
@json_option
def list_(peer: str | None, *, own: bool, state: str | None, directory: Path, as_json: bool) -> None:
    """List the oldest messages of the outbox."""
    query = {"peer": "" if own else peer, "state": state}
    told = got(directory, "/api/outbox", **{k: v for k, v in query.items() if v is not None})
    if as_json:
        show_json(told)
        return
    show_table(
        ("number", "peer", "operation", "session", "since", "attempts", "state", "next", "reason"),
        [
            (
                message["number"],
                message["peer"] or OWN_BACKEND,
                message["operation"],
                message["session"],
                moment(message["created_at"]),
                message["attempts"],
                message["state"],
                moment(message["next_at"]),
                message["reason"],
            )
            for message in told["messages"]
        ],
    )


@outbox.command(epilog=example("p2pnode outbox show 17 --dir my-node"))
@click.argument("number", type=NUMBER)
@directory_option
@json_option
def show(number: int, directory: Path, *, as_json: bool) -> None:
    """Show one message with its body."""
    told = got(directory, f"/api/outbox/{number}")
    if as_json:
        show_json(told)
        return
    show_pairs((name, value) for name, value in told.items() if name != "body")
    show_json(told["body"])


@outbox.command(epilog=example("p2pnode outbox requeue 17 --dir my-node", "p2pnode outbox requeue --peer alpine"))
@click.argument("number", type=NUMBER, required=False)
@click.option("--peer", metavar="ID", help="All dead letters of this peer: its name, OperatorID or ProviderID.")
@click.option("--own", is_flag=True, help="All dead letters of our own backend.")
@directory_option
@json_option
def requeue(number: int | None, peer: str | None, *, own: bool, directory: Path, as_json: bool) -> None:
    """Try a message again: one that waits at once, a dead letter after those that wait already, as a new message."""
    if sum((number is not None, bool(peer), own)) != 1:
        raise Problem("it takes one of a number, --peer and --own", "`p2pnode outbox list --state dead` lists them")
    if number is None:
        told = posted(directory, "/api/outbox/requeue", peer=peer or "")
        _tell(told, f"{told['requeued']} dead letters wait again, behind what waits already", as_json=as_json)
        return
    told = posted(directory, f"/api/outbox/{number}/requeue")
    again = told["number"]
    waits = f"the dead letter {number} waits again, as message {again} and behind those that wait already"
    _tell(told, f"message {number} is tried now" if again == number else waits, as_json=as_json)


@outbox.command(epilog=example("p2pnode outbox drop 17 --dir my-node"))
@click.argument("number", type=NUMBER)
@directory_option
@json_option
def drop(number: int, directory: Path, *, as_json: bool) -> None:
    """Forget a message, for good; a CDR stays stored, and counts as not forwarded."""
    told = posted(directory, f"/api/outbox/{number}/drop")
    _tell(told, f"message {number} is forgotten", as_json=as_json)


def _tell(told: object, sentence: str, *, as_json: bool) -> None:
    if as_json:
        show_json(told)
    else:
        say(sentence)
