"""scripts/generate: the pages of the manual that are made from the code."""

from pathlib import Path

import pytest

from manual.__main__ import PAGES, main
from manual.commands import commands_page
from manual.configuration import configuration_page
from manual.protocol import errata_page, operations_page, sessions_page, status_codes_page
from p2pnode.cli import COMMANDS
from p2pnode.oicp.errata import ERRATA
from p2pnode.oicp.operations import OPERATIONS
from p2pnode.oicp.status import Code
from p2pnode.roaming.sessions import TRANSITIONS


def test_a_page_that_was_just_written_is_up_to_date(tmp_path: Path) -> None:
    assert main([], tmp_path) == 0
    assert {file.name for file in tmp_path.iterdir()} == set(PAGES)
    assert main(["--check"], tmp_path) == 0


def test_a_page_that_differs_is_named_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], tmp_path)
    errata = tmp_path / "errata.md"
    errata.write_text("written by hand", "utf-8")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    assert str(errata) in told
    assert "operations.md" not in told
    assert errata.read_text("utf-8") == "written by hand"


def test_a_page_that_is_missing_is_not_up_to_date(tmp_path: Path) -> None:
    assert main(["--check"], tmp_path) == 1


def test_every_operation_stands_on_its_page_with_all_its_paths() -> None:
    page = operations_page()
    for operation in OPERATIONS:
        row = next(line for line in page.splitlines() if line.startswith(f"| {operation.name} |"))
        assert all(f"`{path}`" in row for path in operation.paths)


def test_every_status_code_and_every_erratum_stands_on_its_page() -> None:
    codes, errata = status_codes_page(), errata_page()
    assert all(f"| `{code.value}` | {code.description} |" in codes for code in Code)
    assert all(f"| {erratum.id} |" in errata for erratum in ERRATA)


def test_every_move_of_a_session_stands_on_its_page() -> None:
    lines = sessions_page().splitlines()
    for (state, event), following in TRANSITIONS.items():
        begin = f"| {state} |" if state is following else f"    {state or '[*]'} --> {following}:"
        line = next(line for line in lines if line.startswith(begin))
        assert event.value in line


def test_every_setting_of_the_configuration_is_explained() -> None:
    rows = [line for line in configuration_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_command_stands_on_its_page_with_an_example() -> None:
    sections = commands_page().split("\n## ")[1:]
    heads = [section.partition("\n")[0] for section in sections]
    assert set(COMMANDS) == {head.split()[1] for head in heads if " " in head}
    without = [head for head, section in zip(heads, sections, strict=True) if "Example" not in section]
    assert [head for head in without if not any(other.startswith(f"{head} ") for other in heads)] == []


def test_the_help_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = commands_page()
    monkeypatch.setenv("COLUMNS", "40")
    assert commands_page() == wide
