"""`p2pnode run`: a node, until it is told to stop."""

import asyncio
import sys
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

SWITCH_INTERVAL = 0.0003
"""Seconds for which one thread may hold the interpreter while another waits for it.

A commit is dozens of calls of SQLite, after each of which the writer's thread waits for the interpreter again: with
Python's 5 ms, one large push that is read on the event loop makes every commit take hundreds of milliseconds.
"""


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

    sys.setswitchinterval(SWITCH_INTERVAL)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(directory, ready, until_eof=until_eof))
