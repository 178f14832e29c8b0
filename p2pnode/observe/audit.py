"""The audit log: who was refused, what an administrator did, what changed. Each line vouches for all before it.

A line is a JSON object whose last member, `chain`, is the SHA-256 of the `chain` of the line before it and of its own
other members as they are written. Whoever changes, removes or inserts a line has to write all that follow anew; the
`chain` of the last line, noted elsewhere, shows that this was not done either.

A file that has become large gets a number (`audit.jsonl.1` is the oldest), and the chain goes on in a new one.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

BEGINNING: Final = "0" * 64
"""The `chain` before the first line."""
MOST_A_MINUTE: Final = 20
"""More lines of one kind than this are not written within a minute, only counted: anybody can be refused by a node."""
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "handshake_refused": ("reason",),
    "refused": ("peer", "code"),
    "admin_refused": ("reason",),
}
"""The events that others can make come as often as they like, and the members that tell their kinds from each other."""
MOST_KINDS: Final = 64
"""So many kinds are told apart within a minute; more are one kind together."""
LEFT_OUT: Final = "left_out"
"""The event that tells how many lines of a kind were not written in the minute that began at `since`."""
CUT: Final = "cut"
"""The event after a line that a crash left unfinished; its `bytes` is the SHA-256 of what there was of it."""
CONTINUED: Final = "continued"
"""The first event of a file that follows another; `after` is the `chain` of that one's last line."""

_CHAIN = b',"chain":"'
_END = b'"}'
_TAIL = len(_CHAIN) + len(BEGINNING) + len(_END)
_AFTER = re.compile(rb'"event":"%s","after":"([0-9a-f]{64})"' % CONTINUED.encode())

_Kind = tuple[str, ...]


class AuditLog:
    """The audit log in one file, readable by its owner only, to which lines are only ever added."""

    def __init__(self, path: Path, now: Callable[[], datetime], most_bytes: int = 1 << 26) -> None:
        """Continue the file, or begin it. None grows beyond `most_bytes`. Raises OSError where it cannot be written."""
        self._path = path
        self._now = now
        self._most_bytes = most_bytes
        self._file = _opened(path)
        self._size = os.fstat(self._file).st_size
        self._is_torn = False
        self._unwritten = 0
        self._since: datetime | None = None
        self._counts: dict[_Kind, int] = {}
        whole, rest = _last_lines(path)
        former = _former_files(path)
        if not whole and former:
            whole, _ = _last_lines(former[-1])
        self._chain = chain_of(whole) or BEGINNING
        if rest:
            self._size += os.write(self._file, b"\n")
            self._add(CUT, {"bytes": hashlib.sha256(rest).hexdigest()})
        elif not self._size and former:
            self._add(CONTINUED, {"after": self._chain})

    def write(self, event: str, **members: object) -> None:
        """Add one line, or count it where there were many of its kind within this minute.

        What the disk does not take is counted in the next line that it takes, as `left_out`. No member may be a secret;
        identifications only where the configuration asks for them.
        """
        minute = self._now().replace(second=0, microsecond=0)
        if minute != self._since:
            self._tell_left_out()
            self._since = minute
        if event in KINDS and not self._has_room(event, members):
            return
        self._add(event, members)

    def close(self) -> None:
        """Tell what was left out, and close the file."""
        self._tell_left_out()
        os.close(self._file)

    def _has_room(self, event: str, members: Mapping[str, object]) -> bool:
        """Count a line of its kind; whether it is one of those that are written."""
        kind = (event, *(str(members.get(name, "")) for name in KINDS[event]))
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = (event,)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind] <= MOST_A_MINUTE

    def _tell_left_out(self) -> None:
        counts, self._counts = self._counts, {}
        for (event, *values), count in counts.items():
            if count > MOST_A_MINUTE:
                told = dict(zip(KINDS[event], values, strict=False))
                self._add(LEFT_OUT, {"of": event, **told, "count": count - MOST_A_MINUTE, "since": self._since})

    def _add(self, event: str, members: Mapping[str, object]) -> None:
        unwritten = self._unwritten if event != CONTINUED else 0
        left_out = {"left_out": unwritten} if unwritten else {}
        line = _encoded({"at": self._now(), "event": event, **members, **left_out})[:-1]
        if event != CONTINUED and self._size and self._size + len(line) + _TAIL >= self._most_bytes:
            self._begin_file()
        chain = _chained(self._chain, line)
        if self._append(line + _CHAIN + chain.encode() + _END + b"\n"):
            self._chain = chain
            self._unwritten -= unwritten
        else:
            self._unwritten += 1

    def _append(self, line: bytes) -> bool:
        """Whether the whole line is in the file; if not, nothing of it is, as soon as the disk allows."""
        try:
            if self._is_torn:
                os.ftruncate(self._file, self._size)
                self._is_torn = False
            written = os.write(self._file, line)
        except OSError:
            return False
        if written == len(line):
            self._size += written
            return True
        self._is_torn = True
        with suppress(OSError):
            os.ftruncate(self._file, self._size)
            self._is_torn = False
        return False

    def _begin_file(self) -> None:
        """Give the file its number and go on in a new one. Where the disk does not allow that, the file grows on."""
        former = _former_files(self._path)
        kept = _numbered(self._path, _number(former[-1]) + 1 if former else 1)
        if self._is_torn:
            return
        try:
            self._path.rename(kept)
            file = _opened(self._path)
        except OSError:
            with suppress(OSError):
                if not self._path.exists():
                    kept.rename(self._path)
            return
        os.close(self._file)
        self._file, self._size = file, 0
        self._add(CONTINUED, {"after": self._chain})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of an audit log has found: how many lines hold, the `chain` of the last, the first fault if any.

    `after` is the `chain` that the oldest file continues, where those before it are not there.
    """

    lines: int
    chain: str
    fault: str | None = None
    after: str | None = None


def verify(path: Path) -> Verdict:
    """Whether every line of the log vouches for all before it, from file to file. Raises OSError."""
    verdict = Verdict(0, BEGINNING)
    former = _former_files(path)
    for place, file in enumerate((*former, path)):
        if place and file != path and _number(file) != _number(former[place - 1]) + 1:
            missing = _numbered(path, _number(former[place - 1]) + 1).name
            return Verdict(verdict.lines, verdict.chain, f"{missing} is not there", verdict.after)
        verdict = _verify_file(file, verdict, f"{file.name}: " if former else "", is_first=not place)
        if verdict.fault is not None:
            break
    return verdict


def _verify_file(path: Path, before: Verdict, name: str, *, is_first: bool) -> Verdict:
    """The verdict on a file, and on those `before` it."""
    chain, lines, after, cut = before.chain, before.lines, before.after, b""
    for number, line in enumerate(_lines(path), 1):
        if is_first and number == 1 and (continued := _AFTER.search(line)):
            chain = after = continued[1].decode()
        found = chain_of(line)
        if found is None:
            if cut:
                return Verdict(lines, chain, f"{name}line {number - 1} is no line of an audit log", after)
            cut = line
            continue
        if _chained(chain, line[:-_TAIL]) != found:
            fault = f"{name}line {number} does not fit the line before it: one of the two has been changed"
            return Verdict(lines, chain, fault, after)
        if cut and not _is_cut(line, cut):
            return Verdict(lines, chain, f"{name}line {number - 1} is no line of an audit log", after)
        chain, cut, lines = found, b"", lines + 1
    return Verdict(lines, chain, f"{name}the last line is unfinished" if cut else None, after)


def chain_of(line: bytes) -> str | None:
    """The `chain` of a line; None for what is no line."""
    tail = line[-_TAIL:]
    if len(line) <= _TAIL or not tail.startswith(_CHAIN) or not tail.endswith(_END):
        return None
    chain = tail[len(_CHAIN) : -len(_END)].decode("ascii", "replace")
    return chain if all(digit in "0123456789abcdef" for digit in chain) else None


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of all files of a log, the oldest first. Raises OSError."""
    for file in (*_former_files(path), path):
        yield from _lines(file)


def _encoded(members: dict[str, object]) -> bytes:
    try:
        return msgspec.json.encode(members)
    except UnicodeEncodeError:  # a path may hold bytes that are not UTF-8
        told = {name: _printable(value) if isinstance(value, str) else value for name, value in members.items()}
        return msgspec.json.encode(told)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _chained(chain: str, line: bytes) -> str:
    return hashlib.sha256(chain.encode() + line).hexdigest()


def _is_cut(line: bytes, cut: bytes) -> bool:
    """Whether a line says that a crash left these bytes of the one before it."""
    return f'"event":"{CUT}","bytes":"{hashlib.sha256(cut).hexdigest()}"'.encode() in line


def _opened(path: Path) -> int:
    """The file, open for adding lines, its owner's only whoever made it."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(file, 0o600)
    except OSError:
        os.close(file)
        raise
    return file


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _number(file: Path) -> int:
    return int(file.name.rpartition(".")[2])


def _former_files(path: Path) -> list[Path]:
    """The files of a log that are full, the oldest first."""
    of_log = re.compile(rf"{re.escape(path.name)}\.[1-9][0-9]{{0,8}}")
    return sorted((file for file in path.parent.iterdir() if of_log.fullmatch(file.name)), key=_number)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")


def _last_lines(path: Path, most: int = 1 << 20) -> tuple[bytes, bytes]:
    """The last whole line of the file that has a `chain`, and what stands after its last line feed."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        *whole, rest = file.read().split(b"\n")
    return next((line for line in reversed(whole) if chain_of(line)), b""), rest
