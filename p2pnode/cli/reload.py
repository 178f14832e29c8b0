"""`p2pnode reload`: a running node reads its peer table and certificates again."""

import asyncio
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import say, show_json
from p2pnode.web.client import AdminClient
from p2pnode.web.runfile import running


@click.command(epilog=example("p2pnode reload --dir my-node"))
@directory_option
@json_option
def reload(directory: Path, *, as_json: bool) -> None:
    """Let a running node read its peer table and certificates again.

    Traffic goes on meanwhile. Where something cannot be read, what was in force before stays so.
    """
    told = asyncio.run(_reload(directory))
    if as_json:
        show_json(told)
    else:
        say(f"the node has {told['peers']} peers now")


def reload_if_running(directory: Path) -> bool:
    """Let the node of this directory take up what has changed in it; False where it does not run. Raises Problem."""
    if running(directory) is None:
        return False
    asyncio.run(_reload(directory))
    return True


async def _reload(directory: Path) -> Any:  # noqa: ANN401 - JSON
    async with AdminClient.of(directory) as client:
        return await client.post("/api/reload")
