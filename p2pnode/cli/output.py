"""How commands speak: data to stdout as a table or as JSON, talk to stderr."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from p2pnode.web.client import to_json

APART = 2
"""Blanks between two columns."""


def say(sentence: str) -> None:
    """Tell the person something that is not data."""
    click.echo(sentence, err=True)


def show_json(value: object) -> None:
    """Write data as JSON, Decimals exact."""
    click.echo(to_json(value))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write data as a table: on a screen as `tabulated` for its width, on a pipe as wide as it needs to be."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    wide = _width(columns, _widths(columns, cells))
    console = Console(file=sys.stdout, highlight=False)
    if not sys.stdout.isatty():
        console.width = wide
    console.print(tabulated(columns, cells, console.width))


def tabulated(columns: Sequence[str], cells: Sequence[Sequence[str]], screen: int) -> Table:
    """The table for a screen of so many characters; nothing is cut, and no identifier or moment is broken.

    Where it is too narrow, sentences are folded between words; where that is not enough, each row is a block of lines.
    """
    widths = _widths(columns, cells)
    folded = _widths(columns, [[max(cell.split() or [""], key=cell_len) for cell in row] for row in cells])
    if _width(columns, widths) > screen and _width(columns, folded) > screen:
        return _blocks(columns, cells)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width, least in zip(columns, widths, folded, strict=True):
        table.add_column(column, no_wrap=width == least, min_width=least)
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _blocks(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    """A line for each cell with something in it, and an empty one after each row but the last."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for number, row in enumerate(cells):
        if number:
            table.add_row()
        for column, cell in zip(columns, row, strict=True):
            if cell:
                table.add_row(column, Text(cell))
    return table


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column has to be for its cells and its name."""
    return [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]


def _width(columns: Sequence[str], widths: Sequence[int]) -> int:
    return sum(widths) + APART * (len(columns) - 1)


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
