"""`p2pnode reload`: a running node reads its peer table and certificates again."""

from pathlib import Path

import click

from p2pnode.cli.directory import posted
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import counted, say, show_json
from p2pnode.web.runfile import running


@click.command(epilog=example("p2pnode reload --dir my-node"))
@directory_option
@json_option
def reload(directory: Path, *, as_json: bool) -> None:
    """Let a running node read its peer table and certificates again.

    Traffic goes on meanwhile. Where something cannot be read, what was in force before stays so. `p2pnode.toml` is
    not read again: it takes another start of the node.
    """
    told = posted(directory, "/api/reload")
    if as_json:
        show_json(told)
    else:
        say(f"the node has {counted(told['peers'], 'peer')} now")


def reload_if_running(directory: Path) -> bool:
    """Let the node of this directory take up what has changed in it; False where it does not run. Raises Problem."""
    if running(directory) is None:
        return False
    posted(directory, "/api/reload")
    return True
