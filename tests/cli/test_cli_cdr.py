"""`p2pnode cdr` against two running nodes: alpine the CPO, rhine the EMP."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from p2pnode.cli import run
from p2pnode.config import load_node
from p2pnode.lab.parties import ALPINE, RHINE
from p2pnode.oicp.codec import encode

Directories = dict[str, Path]
Capture = pytest.CaptureFixture[str]
SESSION = "c0000000-0000-4000-8000-00000000c0de"
CARD = {"RFIDMifareFamilyIdentification": {"UID": RHINE.drivers.card.uid}}
CDR: dict[str, Any] = {
    "SessionID": SESSION,
    "EvseID": ALPINE.points[0].evse_id,
    "Identification": CARD,
    "SessionStart": "2026-11-20T10:00:00Z",
    "ChargingStart": "2026-11-20T10:01:00Z",
    "ChargingEnd": "2026-11-20T10:59:00Z",
    "SessionEnd": "2026-11-20T11:00:00Z",
    "ConsumedEnergy": 11.5,
}


def called(directories: Directories, operation: str, message: dict[str, Any], tmp_path: Path) -> int:
    file = tmp_path / "message.json"
    file.write_bytes(encode(message))
    return run(["call", operation, "--to", "rhine", "--file", str(file), "--dir", str(directories["alpine"])])


def told(capsys: Capture, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    run([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_a_cdr_is_listed_shown_compared_and_a_different_one_is_kept_until_it_is_dropped(
    directories: Directories, capsys: Capture, tmp_path: Path
) -> None:
    at_alpine, at_rhine = (["--dir", str(directories[name])] for name in ("alpine", "rhine"))
    start = {
        "OperatorID": ALPINE.operator_id,
        "SessionID": SESSION,
        "Identification": CARD,
        "EvseID": CDR["EvseID"],
    }
    assert called(directories, "AuthorizeStart", start, tmp_path) == 0
    file = tmp_path / "cdr.json"
    for message, is_valid in ((CDR, True), (CDR | {"SessionID": SESSION[::-1]}, False), (CDR | {"EvseID": 5}, False)):
        file.write_bytes(encode(message))
        assert told(capsys, "cdr", "check", str(file), *at_alpine)["valid"] is is_valid
        assert run(["cdr", "check", str(file), *at_alpine]) == (0 if is_valid else 1)
    assert called(directories, "ChargeDetailRecord", CDR, tmp_path) == 0

    (listed,) = told(capsys, "cdr", "list", "--cpo", "alpine", "--emp", "own", *at_rhine)["cdrs"]
    assert (listed["session_id"], listed["energy"], listed["emp"]) == (SESSION, 11.5, "")
    assert told(capsys, "cdr", "list", "--to", "2026-01-01", "--from", "2025-01-01", *at_rhine)["total"] == 0
    assert told(capsys, "cdr", "show", SESSION, *at_alpine)["record"] == CDR
    assert run(["cdr", "show", SESSION, *at_alpine]) == 0
    assert run(["cdr", "show", "nobody", *at_alpine]) == 1

    for peer, where in (("alpine", at_rhine), ("rhine", at_alpine)):
        assert run(["cdr", "reconcile", "--peer", peer, "--from", "2026-01-01", *where]) == 0
    capsys.readouterr()

    assert called(directories, "ChargeDetailRecord", CDR | {"ConsumedEnergy": 99}, tmp_path) == 3
    (review,) = told(capsys, "cdr", "review", "list", *at_alpine)["reviews"]
    shown = told(capsys, "cdr", "review", "show", str(review["id"]), *at_alpine)
    assert (shown["record"]["ConsumedEnergy"], shown["accepted"]["record"]["ConsumedEnergy"]) == (99, 11.5)
    found = told(capsys, "cdr", "reconcile", "--peer", "rhine", "--from", "2026-01-01", *at_alpine)
    assert (found["agrees"], found["to_review"][0]["session_id"]) == (False, SESSION)
    assert run(["cdr", "reconcile", "--peer", "rhine", "--from", "2026-01-01", *at_alpine]) == 1
    assert "a different CDR of the session was refused" in capsys.readouterr().out
    assert run(["cdr", "review", "show", str(review["id"]), *at_alpine]) == 0
    assert "99" in capsys.readouterr().out
    assert run(["cdr", "review", "drop", str(review["id"]), *at_alpine]) == 0
    assert run(["cdr", "review", "drop", str(review["id"]), *at_alpine]) == 1
    assert run(["cdr", "review", "list", *at_alpine]) == 0
    assert SESSION not in capsys.readouterr().out
    assert run(["cdr", "reconcile", "--peer", "rhine", "--from", "2026-01-01", *at_alpine]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--peer", "nobody", "--from", "2026-01-01"], "no peer is called 'nobody'"),
        (["--peer", "rhine", "--from", "last week"], "from is no date and no moment"),
        (["--peer", "rhine", "--from", "2026-02-01", "--to", "2026-01-01"], "from is not before to"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_one_error_line(
    directories: Directories, capsys: Capture, arguments: list[str], sentence: str
) -> None:
    assert run(["cdr", "reconcile", *arguments, "--dir", str(directories["alpine"])]) == 1
    assert sentence in capsys.readouterr().err


def test_a_comparison_fetches_what_this_node_lacks(directories: Directories, capsys: Capture) -> None:
    with closing(sqlite3.connect(load_node(directories["rhine"]).store.path, isolation_level=None)) as connection:
        connection.execute("UPDATE session SET state = 'ended' WHERE session_id = ?", (SESSION,))
        assert connection.execute("DELETE FROM cdr WHERE session_id = ?", (SESSION,)).rowcount == 1
    arguments = ["cdr", "reconcile", "--peer", "alpine", "--from", "2026-01-01", "--dir", str(directories["rhine"])]
    found = told(capsys, *arguments)
    assert [entry["session_id"] for entry in found["missing_here"]] == [SESSION]
    found = told(capsys, *arguments, "--fetch")
    assert (found["agrees"], found["fetched"]) == (False, 1)
    found = told(capsys, *arguments)
    assert (found["agrees"], found["equal"]) == (True, 1)
