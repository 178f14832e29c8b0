"""`p2pnode sessions`: the sessions of a running node."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from p2pnode.cli.directory import got
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import moment, show_json, show_pairs, show_table
from p2pnode.oicp.status import described
from p2pnode.roaming.records import Verb


@click.command(epilog=example("p2pnode sessions --dir my-node", "p2pnode sessions SESSION-ID --dir my-node"))
@click.argument("session_id", metavar="[SESSION-ID]", required=False)
@directory_option
@json_option
def sessions(session_id: str | None, directory: Path, *, as_json: bool) -> None:
    """List a running node's sessions, or show one with its history."""
    told = got(directory, f"/api/sessions/{session_id}" if session_id else "/api/sessions")
    if as_json:
        show_json(told)
    elif session_id:
        _show(told)
    else:
        show_table(
            ("session", "state", "evse", "cpo", "emp", "kWh", "changed"),
            [
                (
                    session["session_id"],
                    session["state"],
                    session["evse_id"],
                    _party(session, "cpo", "operator_id"),
                    _party(session, "emp", "provider_id"),
                    session["energy"],
                    moment(session["updated_at"]),
                )
                for session in told["sessions"]
            ],
        )


def _party(session: Mapping[str, Any], side: str, identifier: str) -> str:
    """The id of a side, with the peer's name where the side is not our own."""
    return f"{session[identifier]} ({session[side] or 'own'})"


def _show(session: Mapping[str, Any]) -> None:
    show_pairs(
        (
            ("session", session["session_id"]),
            ("state", session["state"]),
            ("evse", session["evse_id"]),
            ("cpo", _party(session, "cpo", "operator_id")),
            ("emp", _party(session, "emp", "provider_id")),
            ("identification", session["identification"]),
            ("energy, kWh", session["energy"]),
            ("began", moment(session["created_at"])),
            ("charging since", moment(session["charging_start"])),
            ("changed", moment(session["updated_at"])),
            ("expires", moment(session["expires_at"])),
        )
    )
    click.echo()
    show_table(
        ("at", "operation", "direction", "peer", "answer"),
        [
            (
                moment(event["at"]),
                event["operation"],
                "received from" if event["verb"] == Verb.RECEIVE else "sent to",
                event["peer"] or "own backend",
                f"{event['code']} {described(event['code'])}",
            )
            for event in session["history"]
        ],
    )
