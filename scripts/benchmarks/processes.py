"""Processes: the servers under measurement, and the load generators beside them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.figures import Failure
from benchmarks.load import Job, Load

MEGABYTE = 1_000_000
START_TIMEOUT = 30.0
STOP_TIMEOUT = 15.0
POLL = 0.005
SCRIPTS = Path(__file__).resolve().parent.parent


def module(name: str) -> list[str]:
    """The command that runs one of these modules; it needs `environment`."""
    return [sys.executable, "-m", name]


def environment() -> dict[str, str]:
    """The environment in which a process finds these modules."""
    path = filter(None, (str(SCRIPTS), os.environ.get("PYTHONPATH")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def free_port() -> int:
    """A port nobody listens at on the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


class Server:
    """A server process, its output in `log`. `answers` tries one request, and returns or raises OSError.

    As a context manager it is started, waited for and ended. `seconds_to_first_answer` counts from the process's start.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, answers: Callable[[], object]) -> None:
        self.name = name
        self.command = tuple(command)
        self.log = log
        self.answers = answers
        self.seconds_to_first_answer = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._open = ExitStack()

    @property
    def pid(self) -> int:
        """The process's id. Raises Failure where it has not been started."""
        if self._process is None:
            raise Failure(f"{self.name} is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        output = self._open.enter_context(self.log.open("ab"))
        begun = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603 - the commands are our own
            self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
        )
        try:
            self._wait(self._process, begun)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait(self, process: subprocess.Popen[bytes], begun: float) -> None:
        while True:
            try:
                self.answers()
            except OSError as error:
                if process.poll() is not None:
                    raise Failure(f"{self.name} ended with {process.returncode}: {self.last_words()}") from error
                if time.perf_counter() - begun > START_TIMEOUT:
                    raise Failure(f"{self.name} does not answer ({error}): {self.last_words()}") from error
                time.sleep(POLL)
            else:
                self.seconds_to_first_answer = time.perf_counter() - begun
                return

    def last_words(self) -> str:
        """The end of what the process has printed."""
        return self.log.read_text(errors="replace")[-1500:].strip()

    def stop(self) -> None:
        """End the process, by force where it does not end by itself."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._open.close()

    def memory(self) -> float:
        """The memory the process holds (resident set), in MB."""
        return memory_of(self.pid)

    def peak_memory(self) -> float:
        """The most memory the process has held since it began or since `forget_peak`, in MB."""
        return _memory(self.pid, "VmHWM")

    def forget_peak(self) -> None:
        """Count the peak anew from here."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")


def memory_of(pid: int) -> float:
    """The memory a process holds (resident set), in MB."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        raise Failure(f"memory is read from /proc, which {os.uname().sysname} does not have")
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise Failure(f"{status} has no {field}")


class Generator:
    """A load generator at work on a job. As a context manager it is started, and ended at the latest on leaving."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - as above
            module("benchmarks.load"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(asdict(self.job)))
            self._process.stdin.close()
            self._process.stdin = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def load(self, *, stop: bool = False) -> Load:
        """What the job came to, once its time is over, or with `stop` now. Raises Failure where an answer was wrong."""
        if self._process is None:
            raise Failure("the load generator is not running")
        if stop:
            self._process.terminate()
        output, errors = self._process.communicate()
        if self._process.returncode:
            raise Failure(errors.strip())
        return Load(**json.loads(output))
