"""The options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DIRECTORY = click.Path(file_okay=False, path_type=Path)


def json_option(command: Command) -> Command:
    """`--json`: data as JSON instead of a table."""
    return click.option("as_json", "--json", is_flag=True, help="Write JSON to stdout.")(command)


def directory_option(command: Command) -> Command:
    """`--dir`: the directory of the node."""
    return click.option(
        "directory",
        "--dir",
        type=DIRECTORY,
        default=Path(),
        show_default="the current one",
        help="The node's directory.",
    )(command)


def example(*lines: str) -> str:
    """The epilog of a command: how it is used."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
