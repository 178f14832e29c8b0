"""The audit log: who was refused, what an administrator did, what changed. Each line vouches for all before it.

A line is a JSON object whose last member, `chain`, is the SHA-256 of the `chain` of the line before it and of its own
other members as they are written. Whoever changes, removes or inserts a line has to write all that follow anew; the
`chain` of the last line, noted elsewhere, shows that this was not done either.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

BEGINNING: Final = "0" * 64
"""The `chain` before the first line."""
MOST_A_SECOND: Final = 200
"""More lines than this are not written within a second, only counted: anybody can make a node refuse something."""
CUT: Final = "cut"
"""The event after a line that a crash left unfinished; its `bytes` is the SHA-256 of what there was of it."""

_CHAIN = b',"chain":"'
_END = b'"}'
_TAIL = len(_CHAIN) + len(BEGINNING) + len(_END)


class AuditLog:
    """The audit log in one file, readable by its owner only, to which lines are only ever added."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        """Continue the file, or begin it. Raises OSError where it cannot be written."""
        self._now = now
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._second = 0
        self._written = 0
        self._left_out = 0
        whole, rest = _last_lines(path)
        self._chain = chain_of(whole) or BEGINNING
        if rest:
            os.write(self._file, b"\n")
            self.write(CUT, bytes=hashlib.sha256(rest).hexdigest())

    def write(self, event: str, **members: object) -> None:
        """Add one line. What cannot be written is counted in the next line that can be, as `left_out`.

        No member may be a secret; identifications only where the configuration asks for them.
        """
        at = self._now()
        second = int(at.timestamp())
        if second != self._second:
            self._second, self._written = second, 0
        if self._written >= MOST_A_SECOND:
            self._left_out += 1
            return
        self._written += 1
        if self._left_out:
            members["left_out"] = self._left_out
        line = msgspec.json.encode({"at": at, "event": event, **members})[:-1]
        chain = _chained(self._chain, line)
        try:
            os.write(self._file, line + _CHAIN + chain.encode() + _END + b"\n")
        except OSError:
            self._left_out += 1
        else:
            self._chain, self._left_out = chain, 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of an audit log has found: how many lines hold, the `chain` of the last, the first fault if any."""

    lines: int
    chain: str
    fault: str | None = None


def verify(path: Path) -> Verdict:
    """Whether every line of the file vouches for all before it. Raises OSError."""
    chain, lines, cut = BEGINNING, 0, b""
    for number, line in enumerate(_lines(path), 1):
        found = chain_of(line)
        if found is None:
            if cut:
                return Verdict(lines, chain, f"line {number - 1} is no line of an audit log")
            cut = line
            continue
        if _chained(chain, line[:-_TAIL]) != found:
            return Verdict(
                lines, chain, f"line {number} does not fit the line before it: one of the two has been changed"
            )
        if cut and not _is_cut(line, cut):
            return Verdict(lines, chain, f"line {number - 1} is no line of an audit log")
        chain, cut, lines = found, b"", lines + 1
    if cut:
        return Verdict(lines, chain, "the last line is unfinished")
    return Verdict(lines, chain)


def chain_of(line: bytes) -> str | None:
    """The `chain` of a line; None for what is no line."""
    tail = line[-_TAIL:]
    if len(line) <= _TAIL or not tail.startswith(_CHAIN) or not tail.endswith(_END):
        return None
    chain = tail[len(_CHAIN) : -len(_END)].decode("ascii", "replace")
    return chain if all(digit in "0123456789abcdef" for digit in chain) else None


def _chained(chain: str, line: bytes) -> str:
    return hashlib.sha256(chain.encode() + line).hexdigest()


def _is_cut(line: bytes, cut: bytes) -> bool:
    """Whether a line says that a crash left these bytes of the one before it."""
    return f'"event":"{CUT}","bytes":"{hashlib.sha256(cut).hexdigest()}"'.encode() in line


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
