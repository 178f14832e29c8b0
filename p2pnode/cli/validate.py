"""`p2pnode validate`: what is wrong with a message, and where."""

from collections import Counter

import click

from p2pnode.cli.files import content_of
from p2pnode.cli.options import example, json_option, one_of_many
from p2pnode.cli.output import counted, say, show_json, show_table
from p2pnode.oicp.rules import errors_in
from p2pnode.oicp.validation import KINDS, Validation

INVALID = 1
UNREADABLE = 2
SHOWN = 200
"""How many lines a person is shown."""


@click.command(
    epilog=example(
        "p2pnode validate AuthorizeStart request.json",
        "p2pnode validate PullEvseData.answer - < page.json",
        "p2pnode validate evse-data evses.json --json",
    )
)
@click.argument("kind", type=one_of_many("kind of message", KINDS), metavar="KIND")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-", metavar="[FILE]")
@json_option
def validate(kind: str, file: str, *, as_json: bool) -> int:
    """Tell everything that is wrong with the message in FILE, and where.

    A node mends EVSE records that are not quite right when it takes them in; what it would mend is told, too.

    KIND is an operation that `p2pnode operations` lists, for its request, or for example AuthorizeStart.answer for the
    answer, or evse-data or evse-status for a file of records. FILE is JSON; without it, or with `-`, stdin is read.
    The exit code is 0 where the message is valid, warnings or not, 1 where it is not, 2 where there is none.
    """
    found = KINDS[kind](content_of(file, "name a file with one JSON message", exit_code=UNREADABLE))
    if as_json:
        show_json(_json(kind, found))
    else:
        _show(kind, found)
    return 0 if found.is_valid else INVALID


def _show(kind: str, found: Validation) -> None:
    rows = [
        *((each.severity.value, each.pointer or "/", each.code, each.message) for each in found.violations),
        *(("mended", mend.pointer or "/", mend.kind.value, mend.sentence) for mend in found.mends),
    ]
    if rows:
        show_table(("severity", "place", "code", "what"), rows[:SHOWN])
    if len(rows) > SHOWN:
        say(f"and {len(rows) - SHOWN} more; --json shows all")
    errors = len(errors_in(found.violations))
    counts = [_count(errors, "error"), _count(len(found.violations) - errors, "warning")]
    if found.records:
        counts += [_count(found.records, "record"), _count(len(found.mends), "mend")]
    say(f"{kind} is {'valid' if found.is_valid else 'not valid'}: {', '.join(counts)}")
    for code, count in Counter(row[2] for row in rows).most_common() if len(rows) > SHOWN else ():
        say(f"  {code}, {counted(count, 'time')}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _json(kind: str, found: Validation) -> dict[str, object]:
    return {
        "kind": kind,
        "valid": found.is_valid,
        "records": found.records,
        "violations": [
            {"pointer": each.pointer, "code": each.code, "severity": each.severity.value, "message": each.message}
            for each in found.violations
        ],
        "mended": [
            {"pointer": mend.pointer, "code": mend.kind.value, "message": mend.sentence} for mend in found.mends
        ],
    }
