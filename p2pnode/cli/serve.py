"""`p2pnode run`: a node, until it is told to stop."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import click

from p2pnode.cli.options import DIRECTORY, example, json_option
from p2pnode.cli.output import say, show_json
from p2pnode.web.runfile import RunFile
from p2pnode.web.serving import serve

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:
    new_event_loop = asyncio.new_event_loop


@click.command(epilog=example("p2pnode run my-node"))
@click.argument("directory", type=DIRECTORY, default=Path())
@click.option("--until-eof", is_flag=True, help="Stop also when stdin ends, for a process that looks after the node.")
@json_option
def run(directory: Path, *, until_eof: bool, as_json: bool) -> None:
    """Run the node in DIRECTORY until it is told to stop.

    By Ctrl-C, by SIGTERM, or over its admin face. Its log goes to stderr.
    After SIGHUP it reads its peer table and certificates again.
    """

    def ready(found: RunFile) -> None:
        if as_json:
            show_json({"pid": found.pid, "admin": found.admin, "peer": found.peer})
        else:
            say(f"peers reach the node at {found.peer}, administrators at {found.admin}; Ctrl-C stops it")

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(directory, ready, until_eof=until_eof))
