"""The command behind scripts/spec."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from spec_check.checks import check_errata, check_examples, check_lab, check_paths, check_samples
from spec_check.documents import FILES, Description, load
from spec_check.lab import LabFailed, played
from spec_check.report import Report
from spec_check.snippets import check_snippets

SHARED = Path(__file__).resolve().parents[3] / "shared" / "spec"


def show(reports: Sequence[Report]) -> None:
    """Print the reports as a table, and below it what must be looked at."""
    line = "{:<10}{:>9}{:>8}{:>12}{:>7}"
    print(line.format("check", "compared", "known", "unexpected", "stale"))
    for report in reports:
        counts = (report.compared, len(report.expected), len(report.unexpected), len(report.stale))
        print(line.format(report.name, *counts))
    print()
    for report in reports:
        for found in report.unexpected:
            print(f"{found.document} {found.subject}{found.pointer} ({found.rule}): {found.message}")
        for document, known in report.stale:
            at = known.place
            print(f"{document} {at.subject}{at.pointer} ({at.rule}): listed ({known.reason}), but does not occur")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; the exit code is 1 when one of them fails, or with --require when there is nothing to check."""
    parser = argparse.ArgumentParser(
        prog="scripts/spec",
        description="Compare the operation table, the samples and the messages with Hubject's OpenAPI descriptions.",
    )
    names = " and ".join(FILES.values())
    parser.add_argument("--spec", type=Path, default=SHARED, help=f"the directory that holds {names}")
    parser.add_argument("--require", action="store_true", help="fail when the descriptions are not there")
    parser.add_argument("--lab", action="store_true", help="play the lab and check all that crosses its wire, too")
    parser.add_argument("--snippets", type=Path, metavar="DIR", help="check the texts' snippets, too: their directory")
    parser.add_argument("--json", action="store_true", help="print the whole outcome as JSON")
    options = parser.parse_args(arguments)

    descriptions = load(options.spec)
    if not descriptions:
        print(f"skipped: {names} are not in {options.spec}", file=sys.stderr)
        if options.require:
            return 1
    try:
        reports = [*_compared(descriptions, lab=options.lab)] if descriptions else []
        if options.snippets is not None:
            reports.append(check_snippets(options.snippets))
    except (LabFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not reports:
        return 0
    if options.json:
        print(json.dumps([report.as_dict() for report in reports], indent=2))
    else:
        show(reports)
    return 1 if any(report.failed for report in reports) else 0


def _compared(descriptions: Sequence[Description], *, lab: bool) -> Iterator[Report]:
    """What is compared with the descriptions."""
    for check in (check_paths, check_errata, check_samples, check_examples):
        yield check(descriptions)
    if lab:
        with played() as capture:
            yield check_lab(descriptions, capture)


if __name__ == "__main__":
    sys.exit(main())
