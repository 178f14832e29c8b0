"""Reading the files that commands are given."""

import sys
from pathlib import Path

from p2pnode.web.problem import Problem


def content_of(file: str | Path, hint: str, *, exit_code: int = 1) -> bytes:
    """The bytes of a file; `-` is stdin. Raises Problem."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}", hint, exit_code=exit_code) from error
