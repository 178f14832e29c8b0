"""The options and arguments that several commands share."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DIRECTORY = click.Path(file_okay=False, path_type=Path)


def one_of_many(kind: str, words: Iterable[str]) -> Callable[[str], str]:
    """One of so many words that whoever mistypes one is told the nearest, not all. Upper and lower case are one."""
    known = {word.casefold(): word for word in words}

    def word(asked: str) -> str:
        found = known.get(asked.casefold())
        if found is None:
            near = "".join(f"; did you mean {known[other]}?" for other in get_close_matches(asked.casefold(), known, 1))
            raise click.BadParameter(f"no {kind} is called {asked!r}{near}")
        return found

    return word


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
