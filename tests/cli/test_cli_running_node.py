"""The commands that talk to a running node, against two real ones."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from p2pnode.cli import run
from p2pnode.lab.messages import push_evse_data
from p2pnode.lab.parties import ALPINE
from p2pnode.oicp.codec import encode
from p2pnode.oicp.operations import BY_NAME, OPERATIONS
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code

Directories = dict[str, Path]
SCREEN = 100
"""Columns of a terminal."""

WITHOUT_SESSION = {
    "AuthorizeStop",
    "ChargingNotificationStart",
    "ChargingNotificationProgress",
    "ChargingNotificationEnd",
    "ChargingNotificationError",
    "ChargeDetailRecord",
    "AuthorizeRemoteStop",
    "AuthorizeRemoteReservationStop",
}
"""Their samples name a session that the nodes do not know."""
EXPECTED = dict.fromkeys(WITHOUT_SESSION, Code.SESSION_INVALID) | {
    "PushEvseStatus": Code.DATA_ERROR,  # an update of charge points that were never published
    "AuthorizeStart": Code.RFID_INVALID_UID,
    "AuthorizeRemoteStart": Code.UNKNOWN_EVSE_ID,
    "AuthorizeRemoteReservationStart": Code.UNKNOWN_EVSE_ID,
}


@pytest.mark.parametrize("name", [operation.name for operation in OPERATIONS])
def test_every_operation_can_be_called_with_its_sample_and_is_answered(
    directories: Directories, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    exit_code = run(["call", name, "--dir", str(directories["alpine"]), "--to", "rhine", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert told["http"] == 200
    assert told["code"] == EXPECTED.get(name, Code.SUCCESS)
    assert exit_code == (0 if told["code"] == Code.SUCCESS else 3)
    assert set(told) == {"http", "answer", "code", "ms"}


def test_a_call_can_be_looked_at_before_it_is_made(
    directories: Directories, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["call", "AuthorizeStart", "--dir", str(directories["alpine"]), "--to", "rhine"]
    assert run([*call, "--print"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["OperatorID"], printed["EvseID"]) == ("CH*ALP", "CH*ALP*E1234*1")
    assert run(["sessions", printed["SessionID"], "--dir", str(directories["alpine"])]) == 1
    assert "there is no such session" in capsys.readouterr().err


def test_a_sample_that_belongs_to_a_session_is_told_which(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--dir", str(directories["alpine"]), "--to", "rhine"]
    run(["call", "AuthorizeStart", *at, "--print"])
    start = json.loads(capsys.readouterr().out)
    start["Identification"] = {"RFIDMifareFamilyIdentification": {"UID": "04B7C6D5E4F390"}}
    (tmp_path / "start.json").write_text(json.dumps(start))
    assert run(["call", "AuthorizeStart", *at, "--file", str(tmp_path / "start.json")]) == 0
    capsys.readouterr()
    assert run(["call", "ChargeDetailRecord", *at, "--session", start["SessionID"]]) == 0
    assert json.loads(capsys.readouterr().out)["SessionID"] == start["SessionID"]

    assert run(["call", "ChargeDetailRecord", *at]) == 3
    assert capsys.readouterr().err.splitlines()[-1].startswith("hint: ")
    assert run(["call", "PullEvseStatus", *at, "--session", start["SessionID"]]) == 2
    assert "PullEvseStatus is a message of no session" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["rhine", "DE*RHN", "DERHN", "DE-RHN"])
def test_a_peer_is_named_by_its_name_or_by_one_of_its_ids(
    directories: Directories, capsys: pytest.CaptureFixture[str], to: str
) -> None:
    assert run(["call", "PullEvseStatus", "--dir", str(directories["alpine"]), "--to", to]) == 0

    told = capsys.readouterr()
    assert json.loads(told.out)["StatusCode"]["Code"] == "000"
    assert told.err.startswith("PullEvseStatus to rhine: 000 Success.")


def test_a_message_from_a_file_and_the_pages_of_its_answer(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "push.json"
    file.write_bytes(encode(push_evse_data(ALPINE, ActionType.FULL_LOAD, ALPINE.points)))
    (tmp_path / "pull.json").write_text('{"ProviderID": "DE-RHN", "GeoCoordinatesResponseFormat": "Google"}')
    pull = ["call", "PullEvseData", "--dir", str(directories["rhine"]), "--to", "alpine", "--page", "1", "--size", "4"]
    pull += ["--file", str(tmp_path / "pull.json")]

    assert run(["call", "PushEvseData", "--dir", str(directories["alpine"]), "--to", "rhine", "--file", str(file)]) == 0
    capsys.readouterr()
    assert run(pull) == 0

    page = json.loads(capsys.readouterr().out)
    assert (page["number"], page["numberOfElements"], page["totalElements"], page["last"]) == (1, 2, 6, True)


def test_a_message_comes_from_stdin(directories: Directories) -> None:
    command = [sys.executable, "-m", "p2pnode", "call", "PullEvseStatus", "--to", "rhine", "--file", "-"]
    body = b'{"ProviderID": "CH-ALP"}'

    done = subprocess.run(
        [*command, "--dir", str(directories["alpine"])], input=body, capture_output=True, check=True, timeout=30
    )

    assert json.loads(done.stdout)["StatusCode"]["Code"] == "000"


def test_a_message_in_the_name_of_another_is_refused_with_code_3(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pull.json"
    file.write_text('{"ProviderID": "DE-RHN"}')

    call = ["call", "PullEvseStatus", "--dir", str(directories["alpine"]), "--to", "rhine", "--file", str(file)]
    assert run(call) == 3

    assert json.loads(capsys.readouterr().out)["StatusCode"]["Code"] == "017"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("PullEvseStatus", "--to", "nobody"), "no peer is called 'nobody' or has this id"),
        (("PullEvseStatus", "--to", "rhine", "--file", "/nowhere"), "/nowhere cannot be read"),
    ],
)
def test_a_call_that_cannot_be_made_says_why(
    directories: Directories, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert run(["call", *arguments, "--dir", str(directories["alpine"])]) == 1
    assert told in capsys.readouterr().err


def test_an_unknown_operation_is_wrong_usage(directories: Directories, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["call", "Frobnicate", "--dir", str(directories["alpine"]), "--to", "rhine"]) == 2
    assert "Frobnicate" in capsys.readouterr().err


def test_the_status_of_a_node_tells_of_its_peer(directories: Directories, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--dir", str(directories["alpine"]), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [peer["name"] for peer in told["peers"]] == ["rhine"]
    assert list(told["cells"]) == list(BY_NAME)

    assert run(["call", "AuthorizeRemoteStart", "--dir", str(directories["alpine"]), "--to", "rhine"]) == 3
    capsys.readouterr()
    assert run(["status", "--dir", str(directories["alpine"])]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [len(line) <= SCREEN for line in lines if "DE*RHN" in line] == [True]
    (refusal,) = (line for line in lines if line.startswith("rhine ") and " refusal " in line)
    assert re.fullmatch(r"rhine +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  refusal  AuthorizeRemoteStart sent: 603 .*", refusal)


def test_a_file_is_imported_with_each_refusal_and_its_reason(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        {"EvseID": "CH*ALP*E9001*1", "EvseStatus": "Available"},
        {"EvseID": "???", "EvseStatus": "Available"},
        {"EvseID": "CH*ALP*E9003*1", "EVSEStatus": "Charging"},
    ]
    file = tmp_path / "status.json"
    file.write_text(json.dumps({"OperatorEvseStatus": {"OperatorID": "CH*ALP", "EvseStatusRecord": records}}))
    command = ["evse", "import", str(file), "--status", "--dir", str(directories["alpine"])]

    assert run(command) == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == "2 records taken, 1 of them mended, 1 refused"
    assert "???" in told.out
    assert "EvseID is not a valid EvseIDType" in told.out

    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["taken"] == 2


def test_a_file_of_which_nothing_is_taken_fails_with_the_option_it_may_need(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "status.json"
    file.write_text('{"EVSEStatuses": [{"OperatorID": "CH*ALP", "EVSEStatusRecord": [{"EvseID": "CH*ALP*E1*1"}]}]}')

    assert run(["evse", "import", str(file), "--dir", str(directories["alpine"])]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "hint: a file of EVSE status is imported with --status"


def test_what_a_peer_does_not_take_of_an_import_is_told(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "foreign.json"
    file.write_text('[{"EvseID": "FR*XYZ*E1*1", "EvseStatus": "Available"}]')

    assert run(["evse", "import", str(file), "--status", "--dir", str(directories["alpine"])]) == 3
    told = capsys.readouterr().err
    assert told.startswith("1 record taken, ")
    assert "not taken by every peer: rhine: 018 not of this operator: FR*XYZ*E1*1" in told
    assert "`evse_prefixes`" in told.splitlines()[-1]


def test_a_file_that_holds_nothing_usable_is_an_error(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "poem.json").write_text('{"roses": "red"}')

    assert run(["evse", "import", str(tmp_path / "poem.json"), "--dir", str(directories["alpine"])]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    (tmp_path / "poem.json").write_text("[]")
    assert run(["evse", "import", str(tmp_path / "poem.json"), "--dir", str(directories["alpine"])]) == 1
    assert capsys.readouterr().err.startswith("0 records taken")
    assert run(["evse", "import", str(tmp_path / "none.json"), "--dir", str(directories["alpine"])]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_sessions_are_listed_and_shown_with_their_history(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = {
        "OperatorID": "CH*ALP",
        "EvseID": ALPINE.points[0].evse_id,
        "Identification": {"RFIDMifareFamilyIdentification": {"UID": "04B7C6D5E4F390"}},
    }
    (tmp_path / "start.json").write_text(json.dumps(start))
    call = ["call", "AuthorizeStart", "--dir", str(directories["alpine"]), "--to", "rhine"]
    assert run([*call, "--file", str(tmp_path / "start.json")]) == 0
    session_id = json.loads(capsys.readouterr().out)["SessionID"]

    assert run(["sessions", "--dir", str(directories["rhine"])]) == 0
    assert session_id in capsys.readouterr().out
    assert run(["sessions", session_id, "--dir", str(directories["rhine"])]) == 0
    told = capsys.readouterr().out
    assert "CH*ALP (alpine)" in told
    assert "DE-RHN (own)" in told
    assert "AuthorizeStart" in told
    assert "04B7C6D5E4F390" not in told
    assert run(["sessions", session_id, "--dir", str(directories["rhine"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "authorized"
    assert run(["sessions", "no-such-session", "--dir", str(directories["rhine"])]) == 1
    assert "there is no such session" in capsys.readouterr().err


def test_a_node_is_not_run_twice(directories: Directories, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(directories["alpine"])]) == 1
    assert "is running already" in capsys.readouterr().err


def test_a_node_that_cannot_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(tmp_path / "nowhere")]) == 1
    assert f"hint: make one: p2pnode init {tmp_path / 'nowhere'}" in capsys.readouterr().err
    assert run(["run", str(tmp_path)]) == 1
    assert f"error: there is no node in {tmp_path}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC", "--port", "0"])
    (tmp_path / "node" / "pki" / "node.pem").unlink()
    capsys.readouterr()
    assert run(["run", str(tmp_path / "node")]) == 1
    assert capsys.readouterr().err.splitlines()[-2].startswith("error: ")


def test_a_node_whose_peers_claim_the_same_id_does_not_start_and_names_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC", "--port", "0"])
    claims = '[[peer]]\nname = "north"\nproviders = ["DE-XYZ"]\n\n[[peer]]\nname = "south"\nproviders = ["de*xyz"]\n'
    (tmp_path / "node" / "peers.toml").write_text(claims, encoding="utf-8")
    capsys.readouterr()
    assert run(["run", str(tmp_path / "node")]) == 1
    told = capsys.readouterr().err.splitlines()[0]
    assert told.startswith(f"error: {tmp_path / 'node' / 'peers.toml'}:5: ")
    assert "peers 'north' and 'south' both claim the provider 'de*xyz'" in told


def test_a_node_whose_key_everybody_can_read_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC", "--port", "0"])
    key = tmp_path / "node" / "pki" / "node.key"
    key.chmod(0o644)
    capsys.readouterr()
    assert run(["run", str(tmp_path / "node")]) == 1
    assert f"chmod 600 {key}" in capsys.readouterr().err


def test_a_node_runs_until_sigterm_and_leaves_no_run_file(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    run(["init", str(directory), "--operator", "DE*ABC", "--port", "0"])
    with subprocess.Popen(
        [sys.executable, "-m", "p2pnode", "run", str(directory), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        listening = json.loads((directory / "run.json").read_text())
        assert listening["pid"] == process.pid
        os.kill(process.pid, 15)
        assert process.wait(timeout=20) == 0

    assert not (directory / "run.json").exists()


@pytest.mark.parametrize(
    ("word", "status"),
    [
        (["--ocpp", "Charging"], "Occupied"),
        (["--ocpi", "INOPERATIVE"], "OutOfService"),
        (["--oicp", "Available"], "Available"),
    ],
)
def test_a_status_is_published_in_the_words_of_the_charge_point_system(
    directories: Directories, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: list[str], status: str
) -> None:
    file = tmp_path / "evses.json"
    file.write_bytes(encode(push_evse_data(ALPINE, ActionType.FULL_LOAD, ALPINE.points)))
    where = ["--dir", str(directories["alpine"]), "--json"]
    assert run(["evse", "import", str(file), *where]) == 0
    evse_id = ALPINE.points[0].evse_id
    capsys.readouterr()

    assert run(["evse", "status", evse_id, *word, *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"evse_id": evse_id, "status": status}
    assert run(["evse", "status", evse_id, *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"evse_id": evse_id, "status": status}


def test_a_word_no_charge_point_system_says_is_refused_with_the_words_there_are(
    directories: Directories, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--dir", str(directories["alpine"])]
    assert run(["evse", "status", ALPINE.points[0].evse_id, "--ocpp", "Sleeping", *where]) == 2
    assert "there are Available" in capsys.readouterr().err
    assert run(["evse", "status", "CH*ALP*E9999*9", *where]) == 1
    assert "has no EVSE data from this node" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("outbox", "list", "--peer", "rhin"), "did you mean rhine?"),
        (("cdr", "list", "--cpo", "DE*RHM"), "did you mean DE*RHN?"),
        (("cdr", "list", "--emp", "nobody"), "known are: rhine"),
        (("cdr", "reconcile", "--peer", "Rhine", "--from", "2026-11-01"), "did you mean rhine?"),
        (("peer", "show", "rhein"), "did you mean rhine?"),
        (("peer", "remove", "rhein"), "did you mean rhine?"),
    ],
)
def test_a_peer_that_is_not_there_is_an_error_with_the_nearest_there_are(
    directories: Directories, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], hint: str
) -> None:
    assert run([*arguments, "--dir", str(directories["alpine"])]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: no peer is called {arguments[-3 if '--from' in arguments else -1]!r}")
    assert told.err.splitlines()[1:] == [f"hint: {hint}"]


def test_what_is_listed_of_a_peer_is_asked_by_its_name_or_by_an_id(
    directories: Directories, capsys: pytest.CaptureFixture[str]
) -> None:
    for peer in ("rhine", "DE-RHN", "own", "CH-ALP"):
        assert run(["cdr", "list", "--emp", peer, "--dir", str(directories["alpine"])]) == 0
    assert run(["outbox", "list", "--peer", "DE*RHN", "--dir", str(directories["alpine"])]) == 0
    assert capsys.readouterr().err == ""


def test_the_outbox_is_listed_and_what_is_not_in_it_is_told_so(
    directories: Directories, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--dir", str(directories["alpine"])]
    assert run(["outbox", "list", "--json", *at]) == 0
    assert isinstance(json.loads(capsys.readouterr().out)["messages"], list)
    assert run(["outbox", "list", "--own", "--state", "dead", *at]) == 0
    capsys.readouterr()
    for command in ("show", "requeue", "drop"):
        assert run(["outbox", command, "999999", *at]) == 1
        told = capsys.readouterr().err
        assert told.startswith("error: there is no such")
        assert "hint: `p2pnode outbox list" in told
    assert run(["outbox", "requeue", "--own", *at]) == 0
    assert "0 dead letters wait again" in capsys.readouterr().err
    assert run(["outbox", "requeue", "17", "--own", *at]) == 1
    assert "one of a number, --peer and --own" in capsys.readouterr().err
