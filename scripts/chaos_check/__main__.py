"""The command behind scripts/chaos."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos_check.oracle import Verdict
from chaos_check.plan import Options
from chaos_check.report import as_json, as_table, divergences
from chaos_check.running import Course, play
from chaos_check.stage import stage
from p2pnode.web.problem import Problem

MOST_SESSIONS = 100_000
MOST_KILLS = 1000
SESSIONS = 2000
KILLS = 30
SETTLE = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code is 1 where something was lost, 2 where it could not run."""
    given = _options(arguments)
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    options = Options(given.sessions, given.kills, seed, given.settle)
    command = f"scripts/chaos --sessions {options.sessions} --kills {options.kills} --seed {seed}"
    _say(command)
    directory = Path(tempfile.mkdtemp(prefix="p2pnode-chaos-"))
    try:
        course, verdict = asyncio.run(_run(directory, options, quiet=given.quiet))
    except (Problem, OSError) as error:
        _say(f"error: {error}")
        _say(f"hint: the logs are in {directory}")
        return 2
    print(as_json(course, verdict) if given.json else as_table(course, verdict), flush=True)
    if not verdict.divergences:
        if not given.keep:
            shutil.rmtree(directory)
        return 0
    (directory / "verdict.json").write_text(as_json(course, verdict), encoding="utf-8")
    _say(divergences(course, verdict))
    _say(f"\nerror: {len(verdict.divergences)} divergences")
    _say(f"hint: journals, logs and stores are in {directory}; the same faults again: {command}")
    return 1


async def _run(directory: Path, options: Options, *, quiet: bool) -> tuple[Course, Verdict]:
    async with stage(directory, options) as made:
        course = Course(made, options, _nothing if quiet else _say)
        return course, await play(course)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Let two nodes and two backends roam while they are killed, cut off and out of disk, and judge "
        "whether anything that was acknowledged was lost, changed, reordered or done twice.",
        epilog="The faults and the messages follow from the seed; the moments at which they meet do not.",
    )
    parser.add_argument("--sessions", type=_between(1, MOST_SESSIONS), default=SESSIONS, help=f"how many [{SESSIONS}]")
    parser.add_argument("--kills", type=_between(0, MOST_KILLS), default=KILLS, help=f"how many SIGKILLs [{KILLS}]")
    parser.add_argument("--seed", type=int, help="of the faults and the messages [a new one, which is printed]")
    parser.add_argument("--settle", type=float, default=SETTLE, help=f"seconds for settling at most [{SETTLE:.0f}]")
    parser.add_argument("--json", action="store_true", help="print the closing table as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the directory also where nothing was lost")
    parser.add_argument("--quiet", action="store_true", help="do not tell each fault")
    return parser.parse_args(arguments)


def _between(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    return read


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _nothing(text: str) -> None:
    del text


if __name__ == "__main__":
    sys.exit(main())
