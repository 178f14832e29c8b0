"""The OpenAPI description that a face serves."""

from functools import cache
from importlib.resources import files

from p2pnode import __version__
from p2pnode.oicp.codec import decode, encode
from p2pnode.oicp.openapi import openapi
from p2pnode.oicp.operations import OPERATIONS


@cache
def description() -> bytes:
    """The OpenAPI description of a node, JSON, with the samples as examples. Made once; reads their files."""
    samples = files("p2pnode.oicp") / "samples"
    names = [f"{row.name}.{half}" for row in OPERATIONS for half in ("request", "answer")]
    examples = {name: decode((samples / f"{name}.json").read_bytes()) for name in names}
    return encode(openapi(__version__, examples=examples))
