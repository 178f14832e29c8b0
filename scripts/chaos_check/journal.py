"""A backend's journal: lines of JSON, each on disk before anybody hears of it, so that a kill loses none."""

import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

Entry = TypeVar("Entry", bound=msgspec.Struct)


class Reader(Generic[Entry]):
    """Reads a journal from where it stopped last, also while it is written. A last line without an end is left."""

    def __init__(self, file: Path, kinds: Any) -> None:  # noqa: ANN401 - a union is no type
        self._file = file
        self._decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(kinds)
        self.end = 0
        """The end of the last whole line that was read, in bytes."""

    def more(self) -> list[Entry]:
        """The entries that have come since."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as file:
            file.seek(self.end)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.end += len(whole)
        return [self._decoder.decode(line) for line in whole.splitlines()]


class Journal(Generic[Entry]):
    """Appends. An async context manager; `kept` is what a former process of the backend has left.

    Entries that come while others are being written go to disk together.
    """

    def __init__(self, file: Path, kinds: Any) -> None:  # noqa: ANN401 - a union is no type
        reader: Reader[Entry] = Reader(file, kinds)
        self.kept = reader.more()
        self._file = file.open("ab")
        self._file.truncate(reader.end)
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._some = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._writer = self._tasks.create_task(self._write())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.cancel()
        await self._tasks.__aexit__(kind, error, trace)
        self._file.close()

    async def add(self, entry: Entry) -> None:
        """Returns once the entry is on disk."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((self._encoder.encode(entry) + b"\n", written))
        self._some.set()
        await written

    async def _write(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            waiting, self._waiting = self._waiting, []
            await asyncio.to_thread(self._flush, b"".join(line for line, _ in waiting))
            for _, written in waiting:
                if not written.cancelled():
                    written.set_result(None)

    def _flush(self, lines: bytes) -> None:
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())
