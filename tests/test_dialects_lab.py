"""The whole lab between two nodes that write to each other as to WWCP_OICP, seen from the wire."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from p2pnode.oicp import operations as ops
from p2pnode.oicp.dialects import write_request
from p2pnode.oicp.operations import BY_NAME, OPERATIONS
from tests.wwcp_stand_in import strict_about

SECONDS = 90


def lab(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "p2pnode", "lab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_all_that_crosses_the_wire_is_as_a_strict_partner_needs_it(tmp_path: Path) -> None:
    file = tmp_path / "capture.jsonl"
    run = lab("--dialect", "wwcp", "--capture", str(file))
    assert run.returncode == 0, run.stdout + run.stderr
    lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    requests = [(BY_NAME[line["operation"]], line) for line in lines if line["kind"] == "request"]
    assert {operation for operation, _ in requests} == set(OPERATIONS)
    for operation, line in requests:
        strict_about(operation, json.loads(line["body"]))
        body = line["body"].encode()
        assert write_request("wwcp", operation, body) is body
    paths = {line["path"].rpartition("/")[2] for operation, line in requests if operation is ops.PULL_EVSE_STATUS_BY_ID}
    assert paths == {"status-records-by-id"}


def test_nodes_that_are_kept_are_not_captured(tmp_path: Path) -> None:
    run = lab("--keep", "--capture", str(tmp_path / "capture.jsonl"))
    assert run.returncode == 2
    assert "--keep does not go with --capture" in run.stderr
    assert list(tmp_path.iterdir()) == []
