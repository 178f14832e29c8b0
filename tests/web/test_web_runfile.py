"""`run.json`: where a running node is found."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from p2pnode.web.problem import Problem
from p2pnode.web.runfile import RunFile, find_running, read, running

HERE = RunFile(os.getpid(), "http://127.0.0.1:7002", "https://127.0.0.1:7000/api/oicp")
NOBODY = 2**22 + 1
"""A process id that no process has: Linux gives none above 2**22."""


def test_a_running_node_is_found_by_the_file_it_wrote(tmp_path: Path) -> None:
    HERE.write(tmp_path)

    assert find_running(tmp_path) == HERE
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_the_file_of_a_killed_node_finds_nobody(tmp_path: Path) -> None:
    replace(HERE, pid=NOBODY).write(tmp_path)

    assert running(tmp_path) is None
    with pytest.raises(Problem, match="there is no node in"):
        find_running(tmp_path)
    (tmp_path / "p2pnode.toml").touch()
    with pytest.raises(Problem, match="no node is running"):
        find_running(tmp_path)


def test_a_node_that_stops_removes_its_own_file_only(tmp_path: Path) -> None:
    successor = replace(HERE, admin="http://127.0.0.1:8002")
    successor.write(tmp_path)

    HERE.remove(tmp_path)
    assert read(tmp_path) == successor
    successor.remove(tmp_path)
    assert read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x", "admin": "", "peer": ""}', "\x00"])
def test_a_file_that_says_nothing_usable_finds_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)

    assert read(tmp_path) is None
