"""`p2pnode cdr`: the charge detail records of a running node."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.directory import got, posted
from p2pnode.cli.files import content_of
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import counted, moment, say, show_json, show_pairs, show_table
from p2pnode.oicp.codec import members_of

DIFFERS = 1
MOST = 2000
LISTED_DAYS = 7
MOMENT = "DATE"
LISTS = {
    "missing_here": "the peer has it, this node has not",
    "missing_there": "this node has it, the peer has not",
    "unknown": "the peer has it, of a session that is not between the two",
    "not_acknowledged": "not acknowledged by the peer",
    "without_cdr": "the session has ended and has no CDR",
    "to_review": "a different CDR of the session was refused",
}
"""What a reconciliation lists, and what it means."""


@click.group()
def cdr() -> None:
    """Charge detail records: list and show them, compare them with a peer, review those that were refused."""


@cdr.command(
    "list",
    epilog=example("p2pnode cdr list --dir my-node", "p2pnode cdr list --from 2026-11-01 --not-forwarded"),
)
@click.option("--from", "from_", metavar=MOMENT, help="Received from this date or moment on.  [default: 7 days ago]")
@click.option("--to", metavar=MOMENT, help="Received before this date or moment.  [default: now]")
@click.option("--cpo", metavar="PEER", help="Of the charging points of this peer, by name or id; `own` is this node's.")
@click.option("--emp", metavar="PEER", help="Of the drivers of this peer, by name or id; `own` is this node's.")
@click.option("--forwarded/--not-forwarded", default=None, help="Only those the EMP has acknowledged, or has not.")
@click.option("--page", type=click.IntRange(0), default=0, show_default=True, help="The page, from 0.")
@click.option("--size", type=click.IntRange(1, MOST), default=100, show_default=True, help="CDRs per page.")
@directory_option
@json_option
def list_(  # noqa: PLR0913 - one parameter for each option
    *,
    from_: str | None,
    to: str | None,
    cpo: str | None,
    emp: str | None,
    forwarded: bool | None,
    page: int,
    size: int,
    directory: Path,
    as_json: bool,
) -> None:
    """List CDRs in the order in which the running node received them."""
    query = {"from": from_ or (datetime.now(UTC) - timedelta(days=LISTED_DAYS)).isoformat()}
    sides = {name: "" if peer == "own" else peer for name, peer in (("cpo", cpo), ("emp", emp)) if peer is not None}
    query |= {**sides, "page": str(page), "size": str(size)}
    query |= {"to": to} if to else {}
    query |= {} if forwarded is None else {"forwarded": str(forwarded).lower()}
    told = got(directory, "/api/cdrs", **query)
    if as_json:
        show_json(told)
        return
    show_table(
        ("session", "evse", "cpo", "emp", "kWh", "started", "received", "acknowledged"),
        [
            (
                found["session_id"],
                found["evse_id"],
                f"{found['operator_id']} ({found['cpo'] or 'own'})",
                f"{found['provider_id']} ({found['emp'] or 'own'})",
                found["energy"],
                moment(found["session_start"]),
                moment(found["received_at"]),
                moment(found["forwarded_at"]) or "not yet",
            )
            for found in told["cdrs"]
        ],
    )
    shown = page * size + len(told["cdrs"])
    if shown < told["total"]:
        say(f"{shown} of {told['total']}; the next are on --page {page + 1}")


@cdr.command(epilog=example("p2pnode cdr show SESSION-ID --dir my-node"))
@click.argument("session_id", metavar="SESSION-ID")
@directory_option
@json_option
def show(session_id: str, *, directory: Path, as_json: bool) -> None:
    """Show the CDR of a session as it came, and what became of it."""
    told = got(directory, f"/api/cdrs/{session_id}")
    if as_json:
        show_json(told)
    else:
        _show(told)


@cdr.command(
    epilog=example(
        "p2pnode cdr reconcile --peer partner --from 2026-11-01 --to 2026-12-01 --dir my-node",
        "p2pnode cdr reconcile --peer partner --from 2026-11-20 --fetch",
    )
)
@click.option(
    "--peer", required=True, metavar="PEER", help="The peer to compare with: its name, OperatorID or ProviderID."
)
@click.option("--from", "from_", required=True, metavar=MOMENT, help="CDRs received from this date or moment on.")
@click.option("--to", metavar=MOMENT, help="CDRs received before this date or moment.  [default: now]")
@click.option("--fetch", is_flag=True, help="Also fetch and store what this node lacks.")
@directory_option
@json_option
def reconcile(  # noqa: PLR0913 - one parameter for each option
    *, peer: str, from_: str, to: str | None, fetch: bool, directory: Path, as_json: bool
) -> int:
    """Compare the CDRs of the running node with those of a peer, by session, energy and time.

    A peer that is a CPO is asked for its CDRs. One that is an EMP cannot be asked, because OICP has no message for
    it: there the command lists what the EMP has not acknowledged, and sessions that ended without a CDR.

    The exit code is 1 where the two do not agree, or something waits for a person.
    """
    asked = {"peer": peer, "from": from_, "fetch": fetch} | ({"to": to} if to else {})
    found = posted(directory, "/api/cdrs/reconcile", asked)
    exit_code = 0 if found["agrees"] else DIFFERS
    if as_json:
        show_json(found)
        return exit_code
    rows = [(found_in, entry) for found_in in LISTS for entry in found[found_in]]
    if rows:
        show_table(
            ("what", "session", "kWh", "started", "why"),
            [
                (LISTS[name], entry["session_id"], entry["energy"], moment(entry["session_start"]), entry["reason"])
                for name, entry in rows
            ],
        )
    if found["different"]:
        show_table(
            ("session", "member that differs", "this node", "the peer"),
            [(each["session_id"], each["member"], each["ours"], each["theirs"]) for each in found["different"]],
        )
    _summarize(found)
    return exit_code


@cdr.command(epilog=example("p2pnode cdr check cdr.json --dir my-node"))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-", metavar="[FILE]")
@directory_option
@json_option
def check(file: str, *, directory: Path, as_json: bool) -> int:
    """Tell what the running node would find wrong with the CDR in FILE, were its operator to send it.

    Checked are all rules of the message, and the CDR against its session, its EVSE's record and the published
    products. FILE is JSON; without it, or with `-`, stdin is read. Nothing is stored or sent. The exit code is 1
    where the CDR would be stopped; warnings do not stop it.
    """
    told = posted(directory, "/api/cdrs/check", content_of(file, "name a file with one CDR"))
    if as_json:
        show_json(told)
    else:
        if told["violations"]:
            show_table(
                ("severity", "place", "code", "what"),
                [
                    (each["severity"], each["pointer"] or "/", each["code"], each["message"])
                    for each in told["violations"]
                ],
            )
        say("the CDR would be sent" if told["valid"] else "the CDR would be stopped")
    return 0 if told["valid"] else DIFFERS


@cdr.group()
def review() -> None:
    """CDRs that were refused with 400 because their session has another one: list, show and drop them."""


@review.command("list", epilog=example("p2pnode cdr review list --dir my-node"))
@directory_option
@json_option
def list_reviews(*, directory: Path, as_json: bool) -> None:
    """List the refused CDRs that are kept, oldest first."""
    told = got(directory, "/api/cdrs/reviews")
    if as_json:
        show_json(told)
        return
    show_table(
        ("number", "session", "sent by", "kWh", "received"),
        [
            (each["id"], each["session_id"], each["peer"] or "own", each["energy"], moment(each["received_at"]))
            for each in told["reviews"]
        ],
    )


@review.command("show", epilog=example("p2pnode cdr review show 1 --dir my-node"))
@click.argument("number", type=click.IntRange(1), metavar="NUMBER")
@directory_option
@json_option
def show_review(number: int, *, directory: Path, as_json: bool) -> None:
    """Show a refused CDR beside the one its session has."""
    told = got(directory, f"/api/cdrs/reviews/{number}")
    if as_json:
        show_json(told)
        return
    accepted, refused = members_of(told.get("accepted", {}).get("record")), members_of(told["record"])
    names = [name for name in {**accepted, **refused} if accepted.get(name) != refused.get(name)]
    say(f"session {told['session_id']}, refused {moment(told['received_at'])}, sent by {told['peer'] or 'own'}")
    show_table(("member", "accepted", "refused"), [(name, accepted.get(name), refused.get(name)) for name in names])


@review.command(epilog=example("p2pnode cdr review drop 1 --dir my-node"))
@click.argument("number", type=click.IntRange(1), metavar="NUMBER")
@directory_option
@json_option
def drop(number: int, *, directory: Path, as_json: bool) -> None:
    """Forget a refused CDR; the one its session has stays as it is."""
    told = posted(directory, f"/api/cdrs/reviews/{number}/drop")
    if as_json:
        show_json(told)
    else:
        say(f"dropped: a refused CDR of session {told['session_id']}")


def _show(told: Mapping[str, Any]) -> None:
    show_pairs(
        (
            ("session", told["session_id"]),
            ("evse", told["evse_id"]),
            ("cpo", f"{told['operator_id']} ({told['cpo'] or 'own'})"),
            ("emp", f"{told['provider_id']} ({told['emp'] or 'own'})"),
            ("energy, kWh", told["energy"]),
            ("started", moment(told["session_start"])),
            ("ended", moment(told["session_end"])),
            ("received", moment(told["received_at"])),
            ("acknowledged by the EMP", moment(told["forwarded_at"]) or "not yet"),
        )
    )
    click.echo()
    show_json(told["record"])


def _summarize(found: Mapping[str, Any]) -> None:
    """The comparison in a few sentences."""
    if found["asked"]:
        say(f"{counted(found['equal'], 'CDR')} the same on both sides")
    if found["acknowledged"] or found["not_acknowledged"]:
        say(f"{counted(found['acknowledged'], 'CDR')} acknowledged by the peer, {len(found['not_acknowledged'])} not")
    if found["unreadable"]:
        say(f"{counted(found['unreadable'], 'CDR')} of the peer that nobody can read")
    if found["fetched"]:
        say(f"{counted(found['fetched'], 'CDR')} fetched and stored")
    elif found["missing_here"]:
        say("hint: --fetch stores what this node lacks")
    if found["to_review"]:
        say("hint: `p2pnode cdr review show NUMBER` shows both")
