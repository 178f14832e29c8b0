"""`p2pnode lab`: two nodes on this machine that roam with each other."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, get_args

import click
from rich.console import Console

from p2pnode.cli.options import example, json_option
from p2pnode.cli.output import counted, say, show_json
from p2pnode.lab.playing import Options, play
from p2pnode.lab.process import LOG
from p2pnode.lab.report import Report
from p2pnode.lab.scenario_import import read_file
from p2pnode.lab.timeline import WIDE, Timeline, closing_table, table_of_nodes
from p2pnode.lab.topology import PAIR, load_topology
from p2pnode.lab.touring import tour
from p2pnode.oicp.dialects import Dialect
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import read

FILE = click.Path(dir_okay=False, path_type=Path)
TERMINATED = 143
TAIL = 15
"""How many lines of a node's log are shown after a failure."""


@click.command(
    epilog=example(
        "p2pnode lab",
        "p2pnode lab --json > report.json",
        "p2pnode lab --evse-data evses.json",
        "p2pnode lab --network five",
    )
)
@click.option("--plain", is_flag=True, help="Plain HTTP between the nodes instead of mutual TLS.")
@click.option("--keep", is_flag=True, help="Leave the nodes running.")
@click.option("--evse-data", type=FILE, help="A file of EVSE data that the first node imports and publishes.")
@click.option("--evse-status", type=FILE, help="A file of EVSE status that the first node imports and publishes.")
@click.option(
    "--dialect",
    type=click.Choice(get_args(Dialect)),
    default="oicp",
    show_default=True,
    help="The dialect that both nodes write to each other.",
)
@click.option(
    "--capture",
    type=FILE,
    help="A file for every message that crosses the wire, as JSON lines. It holds personal data: only you may read it. "
    "Plain HTTP between the nodes.",
)
@click.option(
    "network_file",
    "--network",
    type=FILE,
    help="A TOML file that describes the parties of a network and who knows whom, or `five`, the one that is shipped.",
)
@json_option
def lab(  # noqa: PLR0913 - the options of the command
    *,
    plain: bool,
    keep: bool,
    evse_data: Path | None,
    evse_status: Path | None,
    dialect: Dialect,
    capture: Path | None,
    network_file: Path | None,
    as_json: bool,
) -> int:
    """Run two nodes on this machine and let them roam with each other, or with --network any number.

    Each is a CPO and an EMP, a process of its own, and trusts the other by certificates made for this run. All 24
    operations cross the wire in both directions, each checked by its outcome at both nodes. The exit code is 0 only if
    everything came out as expected. With --json the report goes to stdout and the timeline to stderr.

    In a network every CPO and every EMP that can reach each other roam: directly or through relays, also parties
    without a node. The manual tells how a network file is written.
    """
    if network_file is not None and (evse_data or evse_status or capture or dialect != "oicp"):
        raise Problem("--network goes with --plain, --keep and --json only", exit_code=2)
    topology = load_topology(network_file) if network_file is not None else PAIR
    if keep and capture is not None:
        raise Problem("--keep does not go with --capture: the nodes would lose each other", exit_code=2)
    named = ((evse_data, "data"), (evse_status, "status"))
    files = tuple(read_file(path, kind) for path, kind in named if path is not None)
    console = _console(to_stderr=as_json)
    root = Path(tempfile.mkdtemp(prefix="p2pnode-lab-"))
    worth_keeping = False
    try:
        options = Options(plain=plain, keep=keep, files=files, dialect=dialect, capture=capture)
        playing = (
            play(root, options, Timeline(console))
            if topology is PAIR
            else tour(root, topology, Timeline(console), plain=plain, keep=keep)
        )
        report = asyncio.run(_play(playing))
        worth_keeping = keep or not report.ok
    except asyncio.CancelledError:
        raise Problem("terminated; the nodes have ended", exit_code=TERMINATED) from None
    finally:
        if not worth_keeping:
            shutil.rmtree(root, ignore_errors=True)
    if as_json:
        show_json(report.wire())
    _conclude(console, report, root, [party.name for party in topology.nodes], keep=keep)
    return 0


async def _play(playing: Coroutine[Any, Any, Report]) -> Report:
    """Play the lab; SIGTERM ends it as Ctrl-C does, with the nodes."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await playing


def _console(*, to_stderr: bool) -> Console:
    """Where the timeline goes; lines are neither broken nor coloured where nobody watches."""
    stream: TextIO = sys.stderr if to_stderr else sys.stdout
    _tolerate(stream)
    width = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else WIDE
    return Console(file=stream, width=max(width, WIDE), highlight=False, soft_wrap=True)


def _tolerate(stream: TextIO) -> None:
    """Let an arrow that the stream's encoding does not know be replaced, not end the lab."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")


def _conclude(console: Console, report: Report, root: Path, names: Sequence[str], *, keep: bool) -> None:
    """The closing table, where the kept nodes are, and Problem where something was not as expected."""
    console.print()
    if report.is_whole_table:
        console.print(closing_table(names[0], names[1], report.cells, report.steps))
    else:
        console.print(table_of_nodes(report.cells))
    console.print()
    if keep:
        _tell_kept(console, root, names)
    if not report.ok:
        _tell_logs(root)
    failed = sum(not step.ok for step in report.steps)
    if report.failure:
        raise Problem(report.failure, f"the nodes' logs are in {root}")
    if not report.ok:
        sentences = [f"{failed} of {len(report.steps)} steps did not come out as expected"] if failed else []
        if report.missing:
            sentences.append(f"{len(report.missing)} cells of the table are empty, such as: {report.missing[0]}")
        raise Problem("; ".join(sentences), f"the nodes' logs are in {root}")
    messages = sum(row.verb == "send" for step in report.steps for row in step.rows)
    console.print(
        f"All {len(report.steps)} steps came out as expected; {counted(messages, 'message')} crossed the wire."
    )


def _tell_logs(root: Path) -> None:
    """The last lines of the nodes' logs."""
    for log in sorted(root.glob(f"*/{LOG}")):
        say(f"{log}:")
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]:
            say(f"  {line}")


def _tell_kept(console: Console, root: Path, names: Sequence[str]) -> None:
    found = {name: read(root / name) for name in names}
    for name, run in found.items():
        if run is not None:
            console.print(f"{name}: administrators at {run.admin}, peers at {run.peer}, directory {root / name}")
    pids = " ".join(str(run.pid) for run in found.values() if run is not None)
    if pids:
        console.print(f"the nodes go on; stop them: kill {pids}; then remove {root}")
