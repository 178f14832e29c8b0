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
from p2pnode.oicp.operations import BY_NAME, AnyOperation, Role
from p2pnode.oicp.status import Code
from p2pnode.web.client import AdminClient, Called
from p2pnode.web.problem import Problem
from p2pnode.web.samples import first_request

REFUSED = 3


@click.command(
    epilog=example(
        "p2pnode call PullEvseData --dir my-node --to DE*XYZ --size 100",
        "p2pnode call AuthorizeStart --dir my-node --to partner --file request.json",
    )
)
@click.argument("operation", type=one_of_many("operation", BY_NAME), metavar="OPERATION")
@click.option("--to", required=True, metavar="ID", help="The peer: its name, OperatorID or ProviderID.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=str),
    help="The message, JSON; `-` is stdin.  [default: a sample]",
)
@click.option("--page", type=click.IntRange(0), help="The page of a paged pull, from 0.")
@click.option("--size", type=click.IntRange(1, 2000), help="Records per page of a paged pull.")
@directory_option
@json_option
def call(  # noqa: PLR0913 - one parameter for each option
    operation: str,
    *,
    to: str,
    file: str | None,
    page: int | None,
    size: int | None,
    directory: Path,
    as_json: bool,
) -> int:
    """Let the running node send one OICP message to a peer, and print the answer.

    OPERATION is one that `p2pnode operations` lists. Without --file its sample is sent, in the node's own name; a
    pull then asks for everything. The exit code is 3 where the answer is negative.
    """
    row = BY_NAME[operation]
    config, peers = config_of(directory), peers_of(directory)
    peer = entry_of(peers, to)
    body = content_of(file, "name a file with one JSON message") if file else _sample(row, config, peer)
    called = asyncio.run(_call(directory, row, body, peer.name, page=page, size=size))
    if as_json:
        show_json({"http": called.http, "answer": called.answer, "code": called.code, "ms": called.ms})
    else:
        say(f"{row.name} to {peer.name}: {called.code} {_text(called.code)} {called.ms:.1f} ms")
        show_json(called.answer)
    return 0 if called.code == Code.SUCCESS else REFUSED


async def _call(  # noqa: PLR0913 - what `call` was told
    directory: Path, row: AnyOperation, body: bytes, to: str, *, page: int | None, size: int | None
) -> Called:
    async with AdminClient.of(directory) as client:
        return await client.call(row.name, body, to=to, page=page, size=size)


def _sample(row: AnyOperation, config: NodeConfig, peer: PeerEntry) -> bytes:
    """The sample in our name and the peer's. Raises Problem where one of the two does not play its role."""
    own, theirs = config.node.ids(row.caller), peer.ids(row.callee)
    if not own:
        raise Problem(f"{row.name} is sent by a {row.caller}, and this node is none", "see `p2pnode operations`")
    if not theirs:
        raise Problem(f"{row.name} is answered by an {row.callee}, and {peer.name} is none", "see `p2pnode peer list`")
    operator, provider = (own[0], theirs[0]) if row.caller is Role.CPO else (theirs[0], own[0])
    return first_request(row, operator, provider, datetime.now(UTC))


def _text(code: str) -> str:
    return Code(code).description if code in Code.__members__.values() else ""
