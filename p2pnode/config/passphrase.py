"""The passphrase of private keys. It comes from the environment or from a file, never from a command line."""

import os
from pathlib import Path

PASSPHRASE = "P2PNODE_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
PASSPHRASE_FILE = "P2PNODE_KEY_PASSPHRASE_FILE"  # noqa: S105 - as above


def key_passphrase() -> bytes | None:
    """What keys on disk are encrypted with, from `PASSPHRASE_FILE` (its first line) or `PASSPHRASE`; None for nothing.

    Raises OSError where the file cannot be read.
    """
    file = os.environ.get(PASSPHRASE_FILE)
    if file:
        lines = Path(file).read_bytes().splitlines()
        return (lines[0] if lines else b"") or None
    return os.environb.get(PASSPHRASE.encode()) or None
