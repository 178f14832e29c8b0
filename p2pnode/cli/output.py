"""How commands speak: data to stdout as a table or as JSON, talk to stderr."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from p2pnode.web.client import to_json

WIDE = 1000
"""The width of a table that is not read on a screen: no line is broken or cut."""
NARROW = 20
"""A column as wide as a moment or less is never folded."""


def say(sentence: str) -> None:
    """Tell the person something that is not data."""
    click.echo(sentence, err=True)


def show_json(value: object) -> None:
    """Write data as JSON, Decimals exact."""
    click.echo(to_json(value))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write data as a table; on a pipe without colours and as wide as it needs to be."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDE, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    for number, column in enumerate(columns):
        widest = max((len(row[number]) for row in cells), default=0)
        table.add_column(column, overflow="fold", no_wrap=widest <= NARROW and len(column) <= NARROW)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def moment(told: str | datetime | None) -> str:
    """A moment in UTC as it is shown: to the second, `2026-11-21T08:00:00Z`; empty where there is none."""
    if not told:
        return ""
    at = datetime.fromisoformat(told) if isinstance(told, str) else told
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 peer`, `2 peers`."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def show_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Write data as lines of a name and a value; what is empty is left out."""
    known = [(name, str(value)) for name, value in pairs if value not in (None, "", ())]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name:<{width}}  {value}")
