"""Playing the lab in the dialect of Hubject, with all that crosses its wire written down."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 120


class LabFailed(Exception):
    """The lab did not come out as expected; what it said is in the message."""


@contextmanager
def played() -> Generator[Path]:
    """The file that the lab wrote, there until the end of the context. Raises LabFailed."""
    with TemporaryDirectory(prefix="p2pnode-spec-") as directory:
        capture = Path(directory) / "capture.jsonl"
        command = [sys.executable, "-m", "p2pnode", "lab", "--dialect", "hubject", "--capture", str(capture)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - our own command
        except subprocess.TimeoutExpired:
            raise LabFailed("the lab did not end") from None
        if run.returncode:
            raise LabFailed(f"the lab failed: {run.stderr or run.stdout}")
        yield capture
