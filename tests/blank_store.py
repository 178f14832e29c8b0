"""Stores without a row, written in one piece: to make one takes a test longer than most of what it does then."""

import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from p2pnode.store.database import Database


def put_store(path: Path) -> Path:
    """A store at this path, as if it had been opened there before; returns the path."""
    for file, content in zip(_files(path), _contents(), strict=True):
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as blank:
            blank.write(content)
    return path


def _files(path: Path) -> Sequence[Path]:
    database = Database.at(path, 5.0)
    return database.path, database.published.path


@cache
def _contents() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory() as directory:
        database = Database.at(Path(directory) / "blank.db", 5.0)
        for each in (database, database.published):
            each.create()
            each.migrate()
        return [file.read_bytes() for file in _files(database.path)]
