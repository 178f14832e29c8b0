"""`run.json` in a node's directory: where the running node listens, for the command line. Mode 0600."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote

from p2pnode.config.load import NODE_FILE
from p2pnode.web.problem import Problem

NAME = "run.json"


@dataclass(frozen=True, slots=True)
class RunFile:
    """A running node: its process id, the address of its admin face, the OICP base of its peer face."""

    pid: int
    admin: str
    peer: str

    def write(self, directory: Path) -> None:
        """Write the file; it is complete or absent at every moment."""
        draft = directory / f".{NAME}.{self.pid}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        draft.replace(directory / NAME)

    def remove(self, directory: Path) -> None:
        """Remove the file, unless another process has written its own since."""
        if read(directory) == self:
            (directory / NAME).unlink(missing_ok=True)


def read(directory: Path) -> RunFile | None:
    """What the file says, or None where there is none that can be read."""
    try:
        found = json.loads((directory / NAME).read_text(encoding="utf-8"))
        return RunFile(pid=int(found["pid"]), admin=str(found["admin"]), peer=str(found["peer"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(directory: Path) -> RunFile | None:
    """What the file says, if its process lives."""
    found = read(directory)
    if found is None:
        return None
    try:
        os.kill(found.pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it lives, under another user
    return found


def find_running(directory: Path) -> RunFile:
    """The running node of this directory; raises Problem where there is none."""
    found = running(directory)
    if found is None:
        raise _nobody(directory)
    return found


def no_node(directory: Path) -> Problem:
    """That the directory is no node's."""
    return Problem(f"there is no node in {directory}", "name the node's directory with --dir")


def _nobody(directory: Path) -> Problem:
    """Why no node is found in the directory."""
    try:
        made = (directory / NODE_FILE).exists()
    except OSError as error:
        return Problem(f"{directory} cannot be read: {error.strerror}", "be the user the node runs as")
    if not made:
        return no_node(directory)
    return Problem(f"no node is running in {directory}", f"start it: p2pnode run {quote(str(directory))}")
