"""Figures for people and for programs."""

import json
from collections.abc import Iterable, Sequence

from benchmarks.figures import Figure

HEAD = ("figure", "median", "unit", "ratio", "against", "runs", "goal", "met")
NUMBERS = {"median", "ratio", "runs"}


def as_json(figures: Iterable[Figure]) -> str:
    """One object: the figures by their names."""
    return json.dumps({figure.name: figure.as_dict() for figure in figures}, indent=2)


def as_table(figures: Iterable[Figure]) -> str:
    """A table for people, one line to a figure."""
    rows = [HEAD, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    for name, cell, width in zip(HEAD, row, widths, strict=True):
        yield cell.rjust(width) if name in NUMBERS else cell.ljust(width)


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        amount(figure.median),
        figure.unit,
        "" if figure.ratio is None else amount(figure.ratio),
        figure.against or "",
        str(len(figure.samples)),
        "" if figure.goal is None else str(figure.goal),
        {None: "", True: "yes", False: "NO"}[figure.met],
    )


def amount(value: float) -> str:
    """The number with three significant digits or more."""
    for bound, places in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= bound:
            return f"{value:,.{places}f}"
    return f"{value:.3f}"
