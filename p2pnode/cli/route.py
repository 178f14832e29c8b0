"""`p2pnode route`: where a message would go, and why."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.directory import config_of, peers_of
from p2pnode.cli.options import directory_option, example, json_option, one_of_many
from p2pnode.cli.output import say, show_json, show_table
from p2pnode.oicp.operations import BY_NAME
from p2pnode.oicp.status import Code
from p2pnode.roaming.explain import Question, explain
from p2pnode.roaming.party import OwnParty
from p2pnode.store.errors import StoreError
from p2pnode.store.store import SqlStore
from p2pnode.web.client import AdminClient
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import running

NOBODY = 3


@click.command(
    epilog=example(
        "p2pnode route AuthorizeRemoteStart --dir my-node --evse DE*XYZ*E1234*1",
        "p2pnode route AuthorizeStart --dir my-node --uid 04A1B2C3",
    )
)
@click.argument("operation", type=one_of_many("operation", BY_NAME), metavar="OPERATION")
@click.option("--evse", metavar="EVSE-ID", help="The charging point the message is about.")
@click.option("--evco", metavar="EVCO-ID", help="The contract of the driver.")
@click.option("--uid", help="The card of the driver.")
@click.option("--session", metavar="SESSION-ID", help="The session the message belongs to.")
@click.option("operators", "--operator", multiple=True, metavar="ID", help="An operator the pull names; repeatable.")
@click.option("--provider", metavar="ID", help="The provider a pricing product is for.")
@click.option("source", "--from", metavar="PEER", help="The peer that sends the message, for a node that relays.")
@directory_option
@json_option
def route(  # noqa: PLR0913 - one parameter for each option
    operation: str,
    *,
    evse: str | None,
    evco: str | None,
    uid: str | None,
    session: str | None,
    operators: tuple[str, ...],
    provider: str | None,
    source: str | None,
    directory: Path,
    as_json: bool,
) -> int:
    """Tell to whom the node would send a message, and why.

    Nothing is sent. A running node is asked; otherwise its directory tells. The exit code is 3 where nobody would get
    the message.
    """
    question = Question(BY_NAME[operation], evse, evco, uid, operators, provider, session, source)
    told = asyncio.run(_ask(directory, question))
    if as_json:
        show_json(told)
    else:
        show_table(("to", "url", "why"), [(hop["peer"] or "own", hop["url"], hop["reason"]) for hop in told["hops"]])
        if told["code"] != Code.SUCCESS:
            say(f"{told['operation']} would go to nobody: {told['code']}, {told['reason']}")
    return 0 if told["code"] == Code.SUCCESS else NOBODY


async def _ask(directory: Path, question: Question) -> Mapping[str, Any]:
    """The explanation as JSON. Raises Problem."""
    if question.lacks():
        hint = "see `p2pnode route --help`"
        raise Problem(f"the route of {question.operation.name} depends on {question.lacks()}", hint, exit_code=2)
    if running(directory) is None:
        return await _ask_directory(directory, question)
    asked = {
        "evse": question.evse_id,
        "evco": question.evco_id,
        "uid": question.uid,
        "session": question.session_id,
        "provider": question.provider,
        "from": question.source,
    }
    query = {name: value for name, value in asked.items() if value}
    async with AdminClient.of(directory) as client:
        told: Mapping[str, Any] = await client.get(
            f"/api/route/{question.operation.name}", **query, operator=question.operators
        )
        return told


async def _ask_directory(directory: Path, question: Question) -> Mapping[str, Any]:
    """What the node would do if it ran now."""
    config, peers = config_of(directory), peers_of(directory)
    try:
        own = OwnParty(config.node.operators, config.node.providers)
        async with SqlStore.open(config.store.path) as store:
            return asdict(await explain(question, own, peers, store, relay=config.node.relay))
    except StoreError as error:
        raise Problem(f"the store cannot be used: {error}", "see store.path in the configuration") from error
