"""The whole lab, as a person runs it: `p2pnode lab` in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from p2pnode import cli
from p2pnode.lab.messages import push_evse_data, push_evse_status
from p2pnode.lab.parties import ALPINE, PARTIES, RHINE
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.operations import BY_NAME
from p2pnode.oicp.scalars import ActionType
from p2pnode.web.runfile import read

LAB = [sys.executable, "-m", "p2pnode", "lab"]
SECONDS = 90
"""The lab takes about eight seconds of a machine that does nothing else."""
STEP = {"operation", "verb", "from", "to", "http", "code", "ms", "ok", "scenario", "title", "problems", "notes"}
LOWER_CASE = {"EvseID": "evseid", "Power": "power", "PowerType": "powertype"}


def _environment(temporary: Path) -> dict[str, str]:
    """Where the lab makes its directories, so that what it leaves behind can be seen."""
    return {**os.environ, "TMPDIR": str(temporary)}


def _lab(temporary: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAB, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=_environment(temporary),
        check=False,
    )


def _foreign_files(directory: Path) -> tuple[Path, Path]:
    """Files of EVSE data and status as a partner's open data has them: foreign operators, quirks, a bad record each."""
    records: list[dict[str, Any]] = [dict(record) for record in _records()]
    for number, record in enumerate(records):
        record["EvseID"] = f"at*dan*e{number:04}"
        record["GeoCoordinates"] = {"Google": "47.070713 15.439504"}
        record["ChargingFacilities"] = [{"power": "22.0", "powertype": "AC_3_PHASE", "Voltage": 400, "Amperage": 32}]
        record["ChargingPoolID"] = None
    records[0]["EvseID"] = "+43*120*000*1"
    bad = {**records[1], "EvseID": "not an EvseID"}
    data = {"EVSEData": [{"OperatorID": "AT*DANUBE", "OperatorName": "Danube", "EVSEDataRecord": [*records, bad]}]}
    keys = dict.fromkeys((record["EvseID"] for record in records), EvseStatusType.AVAILABLE)
    pushed = push_evse_status(RHINE, ActionType.FULL_LOAD, keys)
    (directory / "data.json").write_bytes(encode(data))
    (directory / "status.json").write_bytes(encode(pushed))
    return directory / "data.json", directory / "status.json"


def _records() -> list[dict[str, Any]]:
    pushed: Any = json.loads(encode(push_evse_data(RHINE, ActionType.FULL_LOAD, RHINE.points)))
    records: list[dict[str, Any]] = pushed["OperatorEvseData"]["EvseDataRecord"]
    return records * 3


def test_all_operations_cross_the_wire_in_both_directions_with_imported_data_beside(tmp_path: Path) -> None:
    data, status = _foreign_files(tmp_path)
    (tmp_path / "labs").mkdir()

    done = _lab(tmp_path / "labs", "--json", "--evse-data", str(data), "--evse-status", str(status))

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report) == {"steps", "cells", "ok"}
    assert report["ok"] is True
    assert all(set(step) >= STEP and step["ok"] and step["http"] == 200 for step in report["steps"])
    crossed = {(step["operation"], step["verb"], step["from"], step["to"]) for step in report["steps"]}
    assert crossed == {
        (operation, verb, *direction)
        for operation in BY_NAME
        for verb in ("send", "receive")
        for direction in (("alpine", "rhine"), ("rhine", "alpine"))
    }
    assert list(report["cells"]) == list(BY_NAME)
    assert all(cell["sent"] == cell["received"] >= 2 for cell in report["cells"].values())
    imported = [step["details"]["import"] for step in report["steps"] if "details" in step]
    assert [(one["taken"], len(one["refused"])) for one in imported] == [(18, 1), (18, 0)]
    assert imported[0]["refused"][0]["evse_id"] == "not an EvseID"
    assert imported[0]["refused"][0]["reasons"]
    assert len(imported[0]["mended_records"]) == 18
    assert "steps came out as expected" in done.stderr
    assert list((tmp_path / "labs").iterdir()) == []


def test_a_file_without_charge_points_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "poem.json").write_text('{"roses": "red"}')

    done = _lab(tmp_path, "--evse-data", str(tmp_path / "poem.json"))

    assert done.returncode == 1
    assert done.stdout == ""
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


def _nodes_of(temporary: Path, count: int = 2) -> list[int]:
    """The process ids of the lab's nodes, once they serve."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = [run for path in temporary.glob("p2pnode-lab-*/*") if (run := read(path)) is not None]
        if len(found) == count:
            return [run.pid for run in found]
        time.sleep(0.02)
    raise TimeoutError("the nodes did not come up")


def _all_ended(pids: list[int], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}/cmdline").exists() and _is_node(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def _is_node(pid: int) -> bool:
    try:
        return b"p2pnode" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the end of the nodes is looked up in /proc")
@pytest.mark.parametrize(
    ("how", "exit_code", "leaves"),
    [
        pytest.param(signal.SIGINT, 130, 0, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, 0, id="SIGTERM"),
        pytest.param(signal.SIGKILL, -9, 1, id="SIGKILL"),
    ],
)
def test_no_node_outlives_a_lab_that_is_ended(tmp_path: Path, how: signal.Signals, exit_code: int, leaves: int) -> None:
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores Ctrl-C
    with subprocess.Popen(
        [*LAB, "--plain"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment(tmp_path)
    ) as lab:
        signal.signal(signal.SIGINT, former)
        pids = _nodes_of(tmp_path)
        lab.send_signal(how)
        _, told = lab.communicate(timeout=SECONDS)

    assert lab.returncode == exit_code
    assert b"Traceback" not in told
    assert _all_ended(pids)
    assert len(list(tmp_path.iterdir())) == leaves


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="as above")
def test_a_node_that_dies_in_the_middle_fails_the_lab_with_the_end_of_its_log(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*LAB, "--plain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(tmp_path), text=True
    ) as lab:
        pids = _nodes_of(tmp_path)
        assert lab.stdout is not None
        while " ok " not in lab.stdout.readline():
            pass
        os.kill(pids[1], signal.SIGKILL)
        told, error = lab.communicate(timeout=SECONDS)

    assert lab.returncode == 1
    assert "FAILED" in told
    lines = error.splitlines()
    assert lines[-2].removeprefix("error: ") in {
        f"{name} ended in the middle of the lab" for name in ("alpine", "rhine")
    }
    assert lines[-1].startswith("hint: the nodes' logs are in ")
    assert sum(line.endswith("node.log:") for line in lines) == 2
    assert any(line.startswith("  ") and "PushEvseData" in line for line in lines)
    assert _all_ended(pids)


@dataclass(frozen=True)
class Kept:
    """A lab whose nodes were kept, then stopped: what it and they told meanwhile, by where it was told."""

    root: Path
    pids: list[int]
    told: Mapping[str, str]
    status: Mapping[str, Any]
    ended: bool


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """One run for all that looks at what is left of it. Every driver of both parties has charged in it."""
    temporary = tmp_path_factory.mktemp("kept")
    done = _lab(temporary, "--keep")
    (root,) = temporary.iterdir()
    pids = _nodes_of(temporary)
    told = {"stdout of the lab": done.stdout, "stderr of the lab": done.stderr}
    try:
        assert done.returncode == 0, done.stdout
        for name in ("alpine", "rhine"):
            told |= {f"{name}, {where}": text for where, text in _told_by(root / name).items()}
        for pid in pids:
            for file in ("cmdline", "environ"):
                told[f"{file} of {pid}"] = Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
    ended = _all_ended(pids)
    for written in (*root.glob("*/*.log"), *root.glob("*/*.jsonl")):
        told[str(written)] = written.read_text(encoding="utf-8")
    return Kept(root, pids, told, json.loads(told["alpine, status --json"]), ended)


def _told_by(directory: Path) -> Mapping[str, str]:
    """What a running node tells: its status, its metrics, its peers, and its answers to messages that are wrong."""
    run = read(directory)
    assert run is not None
    told: dict[str, str] = {}
    commands = (["status"], ["status", "--json"], ["peer", "check", "--json"], ["audit", "show"])
    for words in commands if directory.name == ALPINE.name else ():
        with StringIO() as printed, redirect_stdout(printed), redirect_stderr(printed):
            cli.run([*words, "--dir", str(directory)])
            told[" ".join(words)] = printed.getvalue()
    for path in ("/metrics", "/api/status", "/api/operations"):
        with urlopen(run.admin + path) as answer:  # noqa: S310 - the node's own address
            told[path] = answer.read().decode()
    own, drivers = (ALPINE, RHINE.drivers) if directory.name == ALPINE.name else (RHINE, ALPINE.drivers)
    wrong: tuple[dict[str, object], ...] = (
        {"RFIDMifareFamilyIdentification": {"UID": drivers.card.uid, "EvcoID": 1}},
        {"QRCodeIdentification": {"EvcoID": drivers.code.evco_id, "PIN": drivers.code.pin, "HashedPIN": {}}},
        {"RemoteIdentification": {"EvcoID": f"{drivers.app.evco_id}-{drivers.locked.pin}"}},
        {str(drivers.card.uid): drivers.car.evco_id},
    )
    for number, identification in enumerate(wrong):
        body = json.dumps({"OperatorID": own.operator_id, "Identification": identification}).encode()
        request = Request(f"{run.admin}/api/call/AuthorizeStart", body, {"Content-Type": "application/json"})  # noqa: S310 - the node's own address
        with urlopen(request) as answer:  # noqa: S310 - the node's own address
            told[f"answer {number}"] = answer.read().decode()
            assert json.loads(told[f"answer {number}"])["code"] != "017"
    return told


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="as above")
def test_the_timeline_is_plain_text_on_a_pipe(kept: Kept) -> None:
    timeline = kept.told["stdout of the lab"]
    assert "\x1b" not in timeline
    assert "alpine → rhine   AuthorizeStart                   102" in timeline
    assert "kWh, the same on both sides" in timeline
    assert kept.told["stderr of the lab"] == ""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="as above")
def test_kept_nodes_go_on_until_they_are_stopped(kept: Kept) -> None:
    lines = kept.told["stdout of the lab"]
    first, second = kept.pids
    assert f"kill {first} {second}" in lines or f"kill {second} {first}" in lines
    assert str(kept.root) in lines
    assert kept.status["name"] == "alpine"
    assert kept.ended
    assert list(kept.root.glob("*/run.json")) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="as above")
def test_nothing_a_lab_tells_names_a_driver_a_pin_or_a_key_of_it(kept: Kept) -> None:
    secrets: set[str] = set()
    for party in PARTIES:
        for driver in party.drivers.all():
            secrets |= {text for text in (driver.uid, driver.evco_id, driver.pin) if text}
        secrets.add(party.stranger)
    keys = [line for file in kept.root.glob("*/pki/*.key") for line in file.read_text(encoding="ascii").splitlines()]
    assert len(keys) >= 2 * 4
    secrets |= {line for line in keys if not line.startswith("-----")}
    spelled = [text for secret in secrets for text in {secret, secret.replace("-", ""), secret.replace("-", "*")}]
    searched = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, spelled))})(?!\w)", re.IGNORECASE)
    assert {where: found for where, text in kept.told.items() if (found := searched.findall(text))} == {}
    assert len([where for where in kept.told if where.endswith(("node.log", "audit.jsonl"))]) == 4
    stored = b"".join(file.read_bytes() for file in kept.root.glob("*/*.db*"))
    assert all(party.drivers.card.uid.encode() in stored for party in PARTIES if party.drivers.card.uid)
