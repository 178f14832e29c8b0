"""The samples of the messages of all operations."""

import json
from importlib.resources import files
from typing import Any

from p2pnode.oicp.operations import AnyOperation

SAMPLES = {
    entry.name.removesuffix(".json"): entry.read_bytes()
    for entry in (files("p2pnode.oicp") / "samples").iterdir()
    if entry.name.endswith(".json")
}


def sample(of: AnyOperation | str, kind: str = "request") -> bytes:
    """The sample of an operation, `request` or `answer`, or the one of this name."""
    return SAMPLES[of if isinstance(of, str) else f"{of.name}.{kind}"]


def sample_members(of: AnyOperation | str, kind: str = "request") -> dict[str, Any]:
    """The members of the same sample."""
    members: dict[str, Any] = json.loads(sample(of, kind))
    return members
