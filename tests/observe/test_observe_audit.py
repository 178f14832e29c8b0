"""The audit log: what was written stays as it was written, or it shows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from p2pnode.observe.audit import BEGINNING, MOST_A_SECOND, AuditLog, Verdict, verify

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    """A clock that goes on by as much as it is told."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file, with five lines, the last one of a second time the log was opened."""
    made = tmp_path / "audit.jsonl"
    log = AuditLog(made, Clock())
    for number in range(4):
        log.write("refused", peer=f"peer-{number}", reason="not an id of the caller")
    log.close()
    log = AuditLog(made, Clock())
    log.write("stopped")
    log.close()
    return made


def test_a_log_that_nobody_touched_holds(path: Path) -> None:
    verdict = verify(path)
    assert (verdict.lines, verdict.fault) == (5, None)
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert verdict.chain == lines[-1]["chain"]
    assert [line["event"] for line in lines] == ["refused"] * 4 + ["stopped"]


def test_the_file_is_its_owners_only(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def _changed(text: bytes) -> bytes:
    return text.replace(b"peer-1", b"peer-9")


def _removed(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:1] + lines[2:])


def _doubled(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:2] + lines[1:])


def _swapped(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([lines[0], lines[2], lines[1], *lines[3:]])


def _new_chain(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([lines[0], lines[1][:-68] + b"0" * 64 + lines[1][-3:], *lines[2:]])


def _alien(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([*lines[:2], b"nothing of this log\n", *lines[2:]])


@pytest.mark.parametrize("harm", [_changed, _removed, _doubled, _swapped, _new_chain, _alien])
def test_what_was_done_to_a_line_shows(path: Path, harm: Callable[[bytes], bytes]) -> None:
    path.write_bytes(harm(path.read_bytes()))
    verdict = verify(path)
    assert verdict.fault is not None
    assert verdict.lines <= 3


def test_a_line_that_a_crash_left_unfinished_is_told_and_breaks_nothing(path: Path) -> None:
    text = path.read_bytes()
    path.write_bytes(text[:-20])
    assert verify(path).fault == "the last line is unfinished"
    log = AuditLog(path, Clock())
    log.write("started")
    log.close()
    assert verify(path).fault is None
    assert path.read_bytes().startswith(text[:-20] + b"\n")
    assert verify(path).lines == 6


def test_what_a_crash_left_cannot_be_changed_either(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    AuditLog(path, Clock()).close()
    path.write_bytes(path.read_bytes().replace(b"stopped", b"started"))
    assert verify(path).fault == "line 5 is no line of an audit log"


def test_a_flood_is_counted_and_does_not_fill_the_disk(tmp_path: Path) -> None:
    clock = Clock()
    log = AuditLog(tmp_path / "audit.jsonl", clock)
    for _ in range(MOST_A_SECOND + 7):
        log.write("refused")
    clock.time += timedelta(seconds=1)
    log.write("refused")
    log.write("refused")
    log.close()
    *_, last, after = (msgspec.json.decode(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines())
    assert last["left_out"] == 7
    assert "left_out" not in after
    assert verify(tmp_path / "audit.jsonl").lines == MOST_A_SECOND + 2


def test_an_empty_log_holds(tmp_path: Path) -> None:
    AuditLog(tmp_path / "audit.jsonl", Clock()).close()
    assert verify(tmp_path / "audit.jsonl") == Verdict(0, BEGINNING)
