"""TOML files: reading them with the line of every setting, and writing them whole or not at all."""

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from p2pnode.config.errors import ConfigError

Place = tuple[str | int, ...]
"""Where a setting stands: the names of tables and keys, and the numbers of array elements, counted from 0."""

PRIVATE = 0o600
HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]")
KEY = re.compile(r"\s*([A-Za-z0-9_\-\"'.]+)\s*=")
DECODING_ERROR = re.compile(r"(?P<sentence>.*?) \(at line (?P<line>\d+), column \d+\)")


def read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """The document in the file, and its text. Raises ConfigError."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(file, "the file does not exist") from error
    except OSError as error:
        raise ConfigError(file, f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(file, "the file is not UTF-8 text") from error
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        found = DECODING_ERROR.fullmatch(str(error))
        sentence = found["sentence"] if found else str(error)
        line = int(found["line"]) if found else len(text.rstrip().splitlines())  # it says: at the end of the document
        raise ConfigError(file, f"not TOML: {sentence[:1].lower()}{sentence[1:]}", line=line) from error


def write_file(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write a file so that it is there whole or not at all, and never readable by more than `mode` allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_toml(file: Path, document: dict[str, Any]) -> None:
    """Write the document so that the file is there whole or not at all, readable by its owner only."""
    write_file(file, tomli_w.dumps(document).encode())


def changed(text: str, changes: Mapping[Place, object]) -> str:
    """The document with some settings changed, or for None taken out; the rest keeps its form where that can be."""
    document = tomllib.loads(text)
    lines, known = text.splitlines(), _lines(text)
    for place, value in changes.items():
        *tables, key = place
        table: Any = document
        for step in tables:
            table = table.setdefault(step, {}) if isinstance(step, str) else table[step]
        is_there = (number := known.get(place)) is not None
        at = known.get(tuple(tables), 0) if number is None else number
        if value is None:
            table.pop(key, None)
            written = ""
        else:
            table[key] = value
            written = tomli_w.dumps({str(key): value}).strip()
        if at:
            lines[at - 1] = written if is_there else f"{lines[at - 1]}\n{written}"
    try:
        draft = "\n".join(lines) + "\n"
        return draft if tomllib.loads(draft) == document else tomli_w.dumps(document)
    except tomllib.TOMLDecodeError:  # it did not stand on one line
        return tomli_w.dumps(document)


def line_of(text: str, place: Sequence[str | int]) -> int | None:
    """The line, counted from 1, of a setting, or of the nearest table around it."""
    lines = _lines(text)
    for end in range(len(place), 0, -1):
        if (line := lines.get(tuple(place[:end]))) is not None:
            return line
    return None


def _lines(text: str) -> dict[Place, int]:
    lines: dict[Place, int] = {}
    last: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            table = ()
            for name in header[2].split("."):
                table = (*table, *_element(last, table), name.strip().strip("\"'"))
            if header[1] == "[[":
                last[table] = last.get(table, -1) + 1
            table = (*table, *_element(last, table))
            lines[table] = number
        elif key := KEY.match(line):
            names = (name.strip("\"'") for name in key[1].split("."))
            lines.setdefault((*table, *names), number)
    return lines


def _element(last: dict[Place, int], table: Place) -> Place:
    """The number of the array element that a header below this table means, if the table is an array."""
    return (last[table],) if table in last else ()
