"""The audit log: what was written stays as it was written, or it shows."""

import resource
import signal
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from p2pnode.observe.audit import BEGINNING, MOST_A_MINUTE, MOST_KINDS, AuditLog, Verdict, chain_of, lines_of, verify
from tests.clock import Clock

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file, with five lines, the last one of a second time the log was opened."""
    made = tmp_path / "audit.jsonl"
    log = AuditLog(made, Clock(START))
    for number in range(4):
        log.write("refused", peer=f"peer-{number}", reason="not an id of the caller")
    log.close()
    log = AuditLog(made, Clock(START))
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
    log = AuditLog(path, Clock(START))
    log.write("started")
    log.close()
    assert verify(path).fault is None
    assert path.read_bytes().startswith(text[:-20] + b"\n")
    assert verify(path).lines == 6


def test_what_a_crash_left_cannot_be_changed_either(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    AuditLog(path, Clock(START)).close()
    path.write_bytes(path.read_bytes().replace(b"stopped", b"started"))
    assert verify(path).fault == "line 5 is no line of an audit log"


def told(path: Path) -> list[dict[str, Any]]:
    """The lines of the log, from its oldest file on."""
    return [msgspec.json.decode(line) for line in lines_of(path) if chain_of(line)]


def test_a_flood_is_counted_by_its_kind_and_hides_nothing_else(tmp_path: Path) -> None:
    clock, path = Clock(START), tmp_path / "audit.jsonl"
    log = AuditLog(path, clock)
    for _ in range(1000):
        log.write("handshake_refused", reason="CERTIFICATE_VERIFY_FAILED")
        log.write("refused", peer="", address="192.0.2.1", code="017", reason="no certificate")
        log.write("peers", added=["new"], changed=[], removed=[])
    log.write("handshake_refused", reason="UNSUPPORTED_PROTOCOL")
    log.write("refused", peer="partner", code="017")
    clock.advance(minutes=1)
    log.write("admin", path="/api/stop")
    log.close()
    lines = told(path)
    assert Counter((line["event"], line.get("reason", line.get("peer", ""))) for line in lines) == {
        ("handshake_refused", "CERTIFICATE_VERIFY_FAILED"): MOST_A_MINUTE,
        ("handshake_refused", "UNSUPPORTED_PROTOCOL"): 1,
        ("refused", "no certificate"): MOST_A_MINUTE,
        ("refused", "partner"): 1,
        ("peers", ""): 1000,
        ("left_out", "CERTIFICATE_VERIFY_FAILED"): 1,
        ("left_out", ""): 1,
        ("admin", ""): 1,
    }
    left_out = {line["of"]: (line["count"], line["since"]) for line in lines if line["event"] == "left_out"}
    count = (1000 - MOST_A_MINUTE, "2026-01-31T12:00:00Z")
    assert left_out == {"handshake_refused": count, "refused": count}
    assert verify(path).fault is None


def test_many_kinds_are_one_kind(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, Clock(START))
    for number in range(1000):
        log.write("handshake_refused", reason=f"reason {number}")
    log.close()
    assert len(told(path)) == MOST_KINDS + MOST_A_MINUTE + 1
    assert told(path)[-1]["count"] == 1000 - MOST_KINDS - MOST_A_MINUTE


@contextmanager
def room_for(size: int) -> Generator[None]:
    """No file can grow beyond so many bytes."""
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)


@pytest.mark.parametrize("room", [0, 40])
def test_a_full_disk_costs_the_lines_it_does_not_take_and_no_other(path: Path, room: int) -> None:
    log = AuditLog(path, Clock(START))
    size = path.stat().st_size
    with room_for(size + room):
        log.write("peers", added=["lost"])
        log.write("peers", added=["lost"])
    assert path.stat().st_size == size
    log.write("stopped")
    log.close()
    assert (verify(path).lines, verify(path).fault) == (6, None)
    assert told(path)[-1]["left_out"] == 2


def test_a_file_that_others_may_read_becomes_the_owners_and_a_link_is_not_followed(tmp_path: Path) -> None:
    path, link = tmp_path / "audit.jsonl", tmp_path / "link.jsonl"
    path.touch(0o644)
    path.chmod(0o644)
    AuditLog(path, Clock(START)).close()
    assert path.stat().st_mode & 0o777 == 0o600
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        AuditLog(link, Clock(START))


def test_a_path_that_is_no_text_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, Clock(START))
    log.write("admin", path="/\udcff")
    log.close()
    assert told(path)[0]["path"] == "/\\udcff"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The files of a log of several, the oldest first, the last one of a second time the log was opened."""
    path = tmp_path / "audit.jsonl"
    for start in (0, 30):
        log = AuditLog(path, Clock(START), most_bytes=4096)
        for number in range(start, start + 30):
            log.write("peers", added=[f"peer-{number}"], changed=["x" * 200])
        log.close()
    found = [*sorted(tmp_path.glob("audit.jsonl.*"), key=lambda file: int(file.suffix[1:])), path]
    assert len(found) > 3
    assert all(file.stat().st_size <= 4096 and file.stat().st_mode & 0o777 == 0o600 for file in found)
    return found


def test_a_large_file_gets_a_number_and_the_chain_goes_on_in_the_next(files: list[Path]) -> None:
    verdict = verify(files[-1])
    assert (verdict.fault, verdict.after, verdict.lines) == (None, None, 60 + len(files) - 1)
    assert verdict.chain == told(files[-1])[-1]["chain"]
    names = [name for line in told(files[-1]) for name in line.get("added", [])]
    assert names == [f"peer-{number}" for number in range(60)]


def test_what_was_done_to_a_former_file_shows(files: list[Path]) -> None:
    path, text = files[-1], files[1].read_bytes()
    files[1].write_bytes(_changed(text.replace(b"xxx", b"yyy", 1)))
    assert "audit.jsonl.2: line" in str(verify(path).fault)
    files[1].write_bytes(b"".join(text.splitlines(keepends=True)[:-1]))
    assert "audit.jsonl.3: line 1 does not fit" in str(verify(path).fault)
    files[1].unlink()
    assert verify(path).fault == "audit.jsonl.2 is not there"


def test_the_oldest_files_may_be_taken_away_and_it_is_told(files: list[Path]) -> None:
    last = told(files[0])
    chain = msgspec.json.decode(files[0].read_bytes().splitlines()[-1])["chain"]
    files[0].unlink()
    verdict = verify(files[-1])
    assert (verdict.fault, verdict.after) == (None, chain)
    assert verdict.lines < len(last) + 60


@pytest.mark.parametrize("begun", [b"", b'{"at":"2026'], ids=["nothing", "half a line"])
def test_a_crash_between_two_files_breaks_nothing(files: list[Path], begun: bytes) -> None:
    path = files[-1]
    path.rename(path.with_name(f"{path.name}.{len(files)}"))
    path.write_bytes(begun)
    log = AuditLog(path, Clock(START))
    log.write("started")
    log.close()
    assert (verify(path).fault, verify(path).after) == (None, None)
    assert [line["event"] for line in told(path)[-2:]] == ["cut" if begun else "continued", "started"]


def test_an_empty_log_holds(tmp_path: Path) -> None:
    AuditLog(tmp_path / "audit.jsonl", Clock(START)).close()
    assert verify(tmp_path / "audit.jsonl") == Verdict(0, BEGINNING)
