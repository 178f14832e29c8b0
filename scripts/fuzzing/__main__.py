"""The command behind scripts/fuzz: a node of its own, requests made from its description, and what came of them."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from fuzzing.judging import Failure
from fuzzing.running import Tally, Target, describe, fuzz, is_serving
from fuzzing.words import Words
from p2pnode.lab.network import Network
from p2pnode.lab.parties import ALPINE, RHINE
from p2pnode.lab.ports import ReservedPorts
from p2pnode.web.runfile import find_running

COUNT = 20_000
SEED = 1
LOG_SHOWN = 15
SHOWN = 3
"""How many failures of one kind are shown in full."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code is 1 where an answer was wrong or the node does not serve afterwards."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Start a lab node on loopback and send it requests made from its own OpenAPI description, "
        "right and wrong ones. No answer may be a server error, be undocumented in status or form, or take over 1 s.",
    )
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many requests at least [{COUNT}]")
    parser.add_argument("--seed", type=int, default=SEED, help=f"the seed of their generation [{SEED}]")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="p2pnode-fuzz-") as root:
        return asyncio.run(_run(Path(root), given.count, given.seed))


async def _run(root: Path, count: int, number: int) -> int:
    with ReservedPorts(2) as ports:
        network = Network(root, plain=True)
        network.make(datetime.now(UTC), ports.ports)
        node = network.nodes[ALPINE.name]
        async with network:
            await node.start()
            await node.ready()
            base = find_running(node.directory).peer
            begun = time.monotonic()
            tallies, serves = await asyncio.to_thread(_fuzz, base, count, number)
            return _report(tallies, serves=serves, seconds=time.monotonic() - begun, log=_end_of_log(node.directory))


def _end_of_log(directory: Path) -> str:
    lines = [line for file in directory.glob("*.log") for line in file.read_text("utf-8", "replace").splitlines()]
    return "\n".join(lines[-LOG_SHOWN:])


def _fuzz(base: str, count: int, number: int) -> tuple[list[Tally], bool]:
    words = Words(RHINE, ALPINE, Random(number))  # noqa: S311 - to be repeated, not to be secret
    target = Target(base, describe(base), words)
    tallies: list[Tally] = []
    for tally in fuzz(target, count, number):
        tallies.append(tally)
        print(
            f"{tally.requests:6} requests  {len(tally.failures):4} wrong  {tally.slowest * 1000:6.0f} ms at most  "
            f"{_counts(tally.http)}  {tally.path}",
            flush=True,
        )
    return tallies, is_serving(target)


def _report(tallies: Sequence[Tally], *, serves: bool, seconds: float, log: str) -> int:
    failures = [failure for tally in tallies for failure in tally.failures]
    for what, found in _kinds(failures).items():
        print(f"\n{len(found)} times {what}")
        for failure in found[:SHOWN]:
            print(f"  {failure.detail}\n  {failure.request}")
    total = sum(tally.requests for tally in tallies)
    codes = sum((tally.codes for tally in tallies), Counter[str]())
    print(f"\n{total} requests in {seconds:.0f} s: {_counts(sum((tally.http for tally in tallies), Counter[int]()))}")
    print(f"status codes: {_counts(codes)}")
    print(f"slowest answer: {max((tally.slowest for tally in tallies), default=0) * 1000:.0f} ms")
    print(f"{len(failures)} wrong answers; the node {'serves' if serves else 'does NOT serve'} afterwards")
    if not serves:
        print(log, file=sys.stderr)
    return 0 if serves and not failures else 1


def _kinds(failures: Iterable[Failure]) -> dict[str, list[Failure]]:
    kinds: dict[str, list[Failure]] = {}
    for failure in failures:
        kinds.setdefault(f"{failure.what} at {failure.path}", []).append(failure)
    return kinds


def _counts(counted: Counter[int] | Counter[str]) -> str:
    return ", ".join(f"{key or 'none'}: {number}" for key, number in sorted(counted.items(), key=str))


if __name__ == "__main__":
    sys.exit(main())
