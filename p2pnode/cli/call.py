"""`p2pnode call`: one OICP message through a running node."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from p2pnode.cli.directory import config_of, peers_of
from p2pnode.cli.files import content_of
from p2pnode.cli.options import directory_option, example, json_option, one_of_many
from p2pnode.cli.output import say, show_json
from p2pnode.cli.peer_table import entry_of
from p2pnode.config import NodeConfig, PeerEntry
from p2pnode.oicp.codec import decode
from p2pnode.oicp.operations import BY_NAME, AnyOperation, Role
from p2pnode.oicp.status import Code, described
from p2pnode.web.client import AdminClient, Called
from p2pnode.web.problem import Problem
from p2pnode.web.samples import first_request, of_session

REFUSED = 3


@click.command(
    epilog=example(
        "p2pnode call PullEvseData --dir my-node --to DE*XYZ --size 100",
        "p2pnode call AuthorizeStart --dir my-node --to partner --print > request.json",
        "p2pnode call AuthorizeStart --dir my-node --to partner --file request.json",
        "p2pnode call ChargeDetailRecord --dir my-node --to partner --session SESSION-ID",
    )
)
@click.argument("operation", type=one_of_many("operation", BY_NAME), metavar="OPERATION")
@click.option("--to", required=True, metavar="ID", help="The peer: its name, OperatorID or ProviderID.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=str),
    help="The message, JSON; `-` is stdin.  [default: a sample]",
)
@click.option(
    "session_id", "--session", metavar="SESSION-ID", help="The session the sample is about.  [default: a new one]"
)
@click.option("only_print", "--print", is_flag=True, help="Write the message it would send to stdout; send nothing.")
@click.option("--page", type=click.IntRange(0), help="The page of a paged pull, from 0.")
@click.option("--size", type=click.IntRange(1, 2000), help="Records per page of a paged pull.")
@directory_option
@json_option
def call(  # noqa: PLR0913 - one parameter for each option
    operation: str,
    *,
    to: str,
    file: str | None,
    session_id: str | None,
    only_print: bool,
    page: int | None,
    size: int | None,
    directory: Path,
    as_json: bool,
) -> int:
    """Let the running node send one OICP message to a peer, and print the answer.

    OPERATION is one that `p2pnode operations` lists. Without --file its sample is sent, in the node's own name: what
    starts a session starts a new one, what belongs to one takes --session, and a pull asks for everything. The exit
    code is 3 where the answer is negative.
    """
    row = BY_NAME[operation]
    if file and (session_id or only_print):
        raise click.UsageError("--session and --print are for the sample, --file has its own message")
    config, peers = config_of(directory), peers_of(directory)
    peer = entry_of(peers, to)
    body = content_of(file, "name a file with one JSON message") if file else _sample(row, config, peer, session_id)
    if only_print:
        show_json(decode(body))
        return 0
    called = asyncio.run(_call(directory, row, body, peer.name, page=page, size=size))
    if as_json:
        show_json({"http": called.http, "answer": called.answer, "code": called.code, "ms": called.ms})
    else:
        say(f"{row.name} to {peer.name}: {called.code} {described(called.code)} {called.ms:.1f} ms")
        show_json(called.answer)
        if called.code == Code.SESSION_INVALID and not file and session_id is None:
            say("hint: the sample names a session of its own; --session names one that `p2pnode sessions` lists")
    return 0 if called.code == Code.SUCCESS else REFUSED


async def _call(  # noqa: PLR0913 - what `call` was told
    directory: Path, row: AnyOperation, body: bytes, to: str, *, page: int | None, size: int | None
) -> Called:
    async with AdminClient.of(directory) as client:
        return await client.call(row.name, body, to=to, page=page, size=size)


def _sample(row: AnyOperation, config: NodeConfig, peer: PeerEntry, session_id: str | None) -> bytes:
    """The sample in our name and the peer's. Raises Problem where one of the two does not play its role."""
    own, theirs = config.node.ids(row.caller), peer.ids(row.callee)
    if not own:
        raise Problem(f"{row.name} is sent by {_one(row.caller)}, and this node is none", "see `p2pnode operations`")
    if not theirs:
        raise Problem(
            f"{row.name} is answered by {_one(row.callee)}, and {peer.name} is none", "see `p2pnode peer list`"
        )
    operator, provider = (own[0], theirs[0]) if row.caller is Role.CPO else (theirs[0], own[0])
    sample = first_request(row, operator, provider, datetime.now(UTC))
    found = sample if session_id is None else of_session(sample, session_id)
    if found is None:
        raise click.UsageError(f"{row.name} is a message of no session")
    return found


def _one(role: Role) -> str:
    return f"a {role}" if role is Role.CPO else f"an {role}"
