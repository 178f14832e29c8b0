"""The node's log: lines for people or for machines, and one fast line for every message on the wire.

A log is an object. Nothing global is configured, so that several nodes run in one process.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from p2pnode.config.node import LogSection
from p2pnode.observe.masking import mask_event
from p2pnode.roaming.records import CallOutcome, Verb

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
SOON: Final = 0.05
"""How long, in seconds, the line of a message may wait for others to be written with."""


class NodeLog:
    """The log of one node: `logger` for events, `call` for messages on the wire, `library` for what libraries log."""

    def __init__(self, settings: LogSection, node: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        line = _json_line if settings.format == "json" else _text_line
        self._lines = _Lines(self._stream, partial(line, node))
        level = LEVELS[settings.level]
        self.logger: FilteringBoundLogger = structlog.wrap_logger(
            structlog.PrintLogger(cast("TextIO", self._lines)),
            processors=_processors(settings, self._stream),
            wrapper_class=structlog.make_filtering_bound_logger(level),
            cache_logger_on_first_use=True,
        ).bind(node=node)
        self.library = logging.Logger(  # noqa: LOG001 - one per node; the tree of getLogger is global
            f"p2pnode.{node}", max(level, logging.WARNING)
        )
        self.library.addHandler(_Forwarding(self.logger))
        self._writes_calls = settings.access and level <= logging.INFO

    def call(self, outcome: CallOutcome) -> None:
        """Write the line of one message on the wire."""
        if self._writes_calls:
            self._lines.write_soon(outcome)


def _processors(settings: LogSection, stream: TextIO) -> list[Processor]:
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_event,
        structlog.processors.format_exc_info,
    ]
    if settings.format == "json":
        return [*shared, structlog.processors.JSONRenderer(serializer=_to_json)]
    return [*shared, structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)]


def _to_json(event: object, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _text_line(node: str, outcome: CallOutcome) -> str:
    at: str = msgspec.to_builtins(outcome.at)  # in a tenth of the time of `isoformat`
    arrow = "->" if outcome.verb is Verb.SEND else "<-"
    reason = outcome.reason and f" reason={_encode(outcome.reason).decode()}"
    return (
        f"{at} {node} {arrow} {outcome.peer or '?'} {outcome.operation}"
        f" {outcome.code or '-'} http={outcome.http} ms={outcome.ms:.1f} id={outcome.process_id}{reason}\n"
    )


_encode: Callable[[object], bytes] = msgspec.json.Encoder().encode


def _json_line(node: str, outcome: CallOutcome) -> str:
    line: dict[str, Any] = {
        "timestamp": outcome.at,
        "level": "info",
        "event": "call",
        "node": node,
        "verb": outcome.verb,
        "operation": outcome.operation,
        "peer": outcome.peer,
        "http": outcome.http,
        "code": outcome.code,
        "ms": round(outcome.ms, 2),
        "process_id": outcome.process_id,
    }
    if reason := outcome.reason:
        line["reason"] = reason
    return _encode(line).decode() + "\n"


class _Lines:
    """Writes lines in their order. Those of messages wait a moment and are made and written together.

    A line by itself costs a system call, and several times as much to make: in between, what makes lines has left the
    processor's caches. Where no event loop runs, nothing waits. What cannot be written, as on a full disk, is lost: no
    message fails for the sake of its line.
    """

    def __init__(self, stream: TextIO, line: Callable[[CallOutcome], str]) -> None:
        self._stream = stream
        self._line = line
        self._waiting: list[CallOutcome] = []

    def write_soon(self, outcome: CallOutcome) -> None:
        """Write the line of a message within `SOON`, before everything that comes after it."""
        if not self._waiting:
            try:
                asyncio.get_running_loop().call_later(SOON, self.flush)
            except RuntimeError:
                self.write(self._line(outcome))
                return
        self._waiting.append(outcome)

    def write(self, text: str) -> None:
        """Write at once, after what waits."""
        waiting, self._waiting = self._waiting, []
        with suppress(OSError):
            self._stream.write("".join((*map(self._line, waiting), text)))

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self.write("")
        with suppress(OSError):
            self._stream.flush()


class _Forwarding(logging.Handler):
    """Brings what libraries log through the standard library into the node's log."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        self._logger.log(record.levelno, record.getMessage(), library=record.name, exc_info=record.exc_info)
