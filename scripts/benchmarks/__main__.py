"""The command behind scripts/bench."""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.status import Status

from benchmarks.catalogue import BENCHMARKS
from benchmarks.figures import Failure, Figure, Plan
from benchmarks.report import as_json, as_table

MOST_RUNS = 50
MOST_SECONDS = 60.0


def between(least: float, most: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    """An option's number within bounds."""

    def read(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:g} and {most:g}")
        return value

    return read


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure a node against a bare aiohttp server, in the same run and interleaved.",
        epilog="benchmarks: " + "; ".join(f"{benchmark.name}: {benchmark.title}" for benchmark in BENCHMARKS),
    )
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help="only this benchmark; repeatable"
    )
    parser.add_argument("--runs", type=between(1, MOST_RUNS, int), default=5, help="how often each is measured (5)")
    parser.add_argument(
        "--seconds", type=between(0.1, MOST_SECONDS, float), default=2.0, help="how long a load lasts in each run (2)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    return parser.parse_args()


def tell(status: Status, name: str, text: str) -> None:
    """Show how far a benchmark is."""
    status.update(f"{name}: {text}")


def main() -> int:
    """Measure and print; the exit code is 1 where a benchmark could not measure what it is there for."""
    chosen = options()
    talk = Console(stderr=True)
    figures: list[Figure] = []
    failed = False
    with talk.status("") as status:
        for benchmark in BENCHMARKS:
            if chosen.only and benchmark.name not in chosen.only:
                continue
            say = partial(tell, status, benchmark.name)
            plan = Plan(chosen.runs, chosen.seconds, say)
            try:
                figures += benchmark.measure(plan)
            except Failure as failure:
                failed = True
                talk.print(f"error: {benchmark.name}: {failure}", markup=False, highlight=False)
    print(as_json(figures) if chosen.json else as_table(figures))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
