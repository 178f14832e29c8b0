"""How commands speak: data to stdout as a table or as JSON, talk to stderr."""

import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from p2pnode.web.client import to_json

WIDE = 1000
"""The width of a table that is not read on a screen: no line is broken or cut."""


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
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console.print(table)


def show_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Write data as lines of a name and a value; what is empty is left out."""
    known = [(name, str(value)) for name, value in pairs if value not in (None, "", ())]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name:<{width}}  {value}")
