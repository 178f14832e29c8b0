"""`p2pnode audit`: the log of who was refused, what administrators did and what changed."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from p2pnode.cli.directory import config_of
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import counted, say, show_json, show_table
from p2pnode.observe.audit import chain_of, lines_of, verify
from p2pnode.web.problem import Problem

T = TypeVar("T")

FILE = click.Path(dir_okay=False, path_type=Path)
UNNAMED = ("at", "event", "chain")
"""The members that are not shown with their names: they have columns, or say nothing to a person."""


@click.group()
def audit() -> None:
    """The audit log: show it, and check that nothing in it was changed.

    It tells who was refused, what administrators did and what changed. Each line vouches for all lines before it.
    """


@audit.command("verify", epilog=example("p2pnode audit verify --dir my-node"))
@click.option("--file", type=FILE, help="The file, where it is not the one of a node's directory.")
@click.option("--chain", "expected", help="What `chain` was at the end when it was last looked at: it has to be there.")
@directory_option
@json_option
def check(file: Path | None, expected: str | None, directory: Path, *, as_json: bool) -> None:
    """Check that no line of an audit log was changed, removed or inserted, from its oldest file to its latest.

    That none was cut off at the end shows only --chain, noted in another place. Exit code 1 where something is wrong.
    """
    path = file or _path(directory)
    verdict = _read(path, verify)
    fault = verdict.fault
    if fault is None and expected is not None and expected not in _read(path, _chains):
        fault = "no line has that chain: lines are missing at the end, or all were written anew"
    if as_json:
        show_json({"lines": verdict.lines, "chain": verdict.chain, "fault": fault, "after": verdict.after})
    if fault is not None:
        raise Problem(f"{path}: {fault}", f"{counted(verdict.lines, 'line')} before that without a fault")
    if not as_json:
        say(f"{counted(verdict.lines, 'line')} without a fault; the chain at the end is {verdict.chain}")
    if verdict.after is not None:
        say(f"the oldest file continues one that is not there; the chain at its end was {verdict.after}")


@audit.command(epilog=example("p2pnode audit show --last 20 --dir my-node"))
@click.option("--last", type=click.IntRange(min=1), default=50, show_default=True, help="How many lines.")
@directory_option
@json_option
def show(last: int, directory: Path, *, as_json: bool) -> None:
    """Show the last lines of the audit log."""
    lines = _read(_path(directory), lambda path: deque(lines_of(path), last))
    found: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines if chain_of(line)]
    if as_json:
        show_json(found)
        return
    show_table(("at", "event", "what"), [(line["at"], line["event"], _told(line)) for line in found])


def _told(line: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}: {value}" for name, value in line.items() if name not in UNNAMED and value not in ("", [])
    )


def _path(directory: Path) -> Path:
    settings = config_of(directory).audit
    if not settings.enabled:
        raise Problem("this node keeps no audit log", "set enabled = true in [audit] of p2pnode.toml")
    return settings.path


def _chains(path: Path) -> set[str]:
    return {chain for line in lines_of(path) if (chain := chain_of(line))}


def _read(path: Path, read: Callable[[Path], T]) -> T:
    try:
        return read(path)
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", "has the node run yet?") from error
