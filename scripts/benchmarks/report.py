"""Figures for people and for programs."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure


def as_json(figures: Sequence[Figure]) -> str:
    """One object: the figures by their names."""
    return json.dumps({figure.name: figure.as_dict() for figure in figures}, indent=2)


def show(figures: Sequence[Figure], console: Console) -> None:
    """A table of the figures."""
    table = Table("figure", "median", "unit", "ratio", "against", "runs", "goal", "met")
    for column in table.columns[1:2] + table.columns[3:4] + table.columns[5:6]:
        column.justify = "right"
    for figure in figures:
        table.add_row(
            figure.name,
            amount(figure.median),
            figure.unit,
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.against or "",
            str(len(figure.samples)),
            "" if figure.goal is None else str(figure.goal),
            {None: "", True: "yes", False: "[red]no[/red]"}[figure.met],
        )
    console.print(table)


def amount(value: float) -> str:
    """The number with three significant digits or more."""
    for bound, places in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= bound:
            return f"{value:,.{places}f}"
    return f"{value:.3f}"
