"""Tables on screens of any width."""

from io import StringIO

import pytest
from rich.console import Console

from p2pnode.cli.output import tabulated

SESSION = "b2688855-7f00-0002-6d8e-48d883f6abb6"
COLUMNS = ("number", "session", "reason")
ROWS = [["1", SESSION, "nobody can be reached at 127.0.0.1:7000"], ["2", SESSION, ""]]
NATURAL = 6 + 2 + len(SESSION) + 2 + 39


def shown(screen: int) -> list[str]:
    """The lines on a screen of so many characters."""
    written = StringIO()
    Console(file=written, width=screen).print(tabulated(COLUMNS, ROWS, screen))
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_a_table_that_fits_has_a_line_for_each_row() -> None:
    assert shown(NATURAL) == [
        "number  session                               reason",
        f"1       {SESSION}  nobody can be reached at 127.0.0.1:7000",
        f"2       {SESSION}",
    ]


def test_a_table_that_is_too_wide_folds_sentences_between_words() -> None:
    assert shown(NATURAL - 20) == [
        "number  session                               reason",
        f"1       {SESSION}  nobody can be",
        " " * 46 + "reached at",
        " " * 46 + "127.0.0.1:7000",
        f"2       {SESSION}",
    ]


def test_a_row_that_does_not_fit_at_all_is_a_block_of_lines() -> None:
    assert shown(50) == [
        "number   1",
        f"session  {SESSION}",
        "reason   nobody can be reached at 127.0.0.1:7000",
        "",
        "number   2",
        f"session  {SESSION}",
    ]


@pytest.mark.parametrize("screen", range(len(SESSION) + 10, NATURAL + 2))
def test_nothing_is_cut_and_no_identifier_is_broken_at_any_width(screen: int) -> None:
    lines = shown(screen)
    assert max(map(len, lines)) <= screen
    assert sum(SESSION in line for line in lines) == 2
    words = " ".join(line.replace(SESSION, "") for line in lines).split()
    assert [word for word in words if word in ["nobody", "can", "be", "reached", "at", "127.0.0.1:7000"]] != []
    assert "127.0.0.1:7000" in words
