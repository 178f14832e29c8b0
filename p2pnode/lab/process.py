"""One node as a child process: started, awaited, ended for certain."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from p2pnode.web.client import AdminClient
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import read

LOG = "node.log"
START_SECONDS = 20.0
STOP_SECONDS = 5.0


class NodeProcess:
    """`p2pnode run DIRECTORY` as a child; its stderr goes to `LOG` in the directory.

    The child reads from a pipe that ends with this process, and then stops by itself, so that even a killed lab leaves
    no node behind; `keep` starts it without.
    """

    def __init__(self, directory: Path, *, keep: bool = False) -> None:
        self.directory = directory
        self._log = directory / LOG
        self._keep = keep
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The child's process id, 0 before its start."""
        return self._process.pid if self._process else 0

    @property
    def has_ended(self) -> bool:
        """Whether the child was started and has ended."""
        return self._process is not None and self._process.returncode is not None

    async def start(self) -> None:
        """Start the child."""
        command = [sys.executable, "-m", "p2pnode", "run", str(self.directory)]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                *([] if self._keep else ["--until-eof"]),
                stdin=asyncio.subprocess.DEVNULL if self._keep else asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    async def ready(self) -> AdminClient:
        """Wait until the node serves; the client of its admin face. Raises Problem where it does not."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    found = read(self.directory)
                    if found is not None and found.pid == self.pid:
                        return AdminClient.of(self.directory)
                    if self._process is None or self.has_ended:
                        raise Problem(f"the node in {self.directory} ended before it served")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Problem(f"the node in {self.directory} did not serve in time") from None

    async def kill(self) -> None:
        """End the child without warning, as a power failure does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End the child: SIGTERM, and SIGKILL where that is not enough."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end(signal.SIGTERM)
        except TimeoutError:
            await self.kill()

    def let_go(self) -> None:
        """Close the pipe the child reads from, as the end of this process does."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def ended(self) -> None:
        """Wait until the child has ended by itself."""
        await self._end(None)

    async def _end(self, how: signal.Signals | None) -> None:
        if self._process is None:
            return
        if how is not None and self._process.returncode is None:
            self._process.send_signal(how)
        await self._process.wait()
