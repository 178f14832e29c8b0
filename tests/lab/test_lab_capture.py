"""What the lab writes down: every body as its sender wrote it, for its owner alone."""

import json
from pathlib import Path

import pytest

from p2pnode.lab.capture import Recorder, operation_at
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    BASE_PATH,
    CHARGING_NOTIFICATION_END,
    OPERATIONS,
    PULL_EVSE_STATUS_BY_ID,
    PUSH_EVSE_DATA,
    AnyOperation,
)
from p2pnode.web.problem import Problem
from tests.peering.peering_kit import Notes, face_over, hold, partner, path_of, post, until
from tests.samples import sample

ROWS = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]


@pytest.mark.parametrize("operation", ROWS)
def test_each_operation_is_known_by_its_paths_and_bodies(operation: AnyOperation) -> None:
    for path in operation.paths:
        assert operation_at(path_of(operation, path=path), sample(operation)) is operation


def test_what_belongs_to_no_operation_is_left_out() -> None:
    assert operation_at(f"{BASE_PATH}/openapi.json", b"") is None
    assert operation_at(path_of(CHARGING_NOTIFICATION_END), b"[1") is None


async def test_each_body_is_passed_on_and_written_down_as_it_was(tmp_path: Path) -> None:
    notes = Notes()
    file = tmp_path / "capture.jsonl"
    file.write_text("old", "utf-8")
    file.chmod(0o644)
    operations = (AUTHORIZE_START, PUSH_EVSE_DATA, PULL_EVSE_STATUS_BY_ID)
    async with face_over(await hold(partner()), notes) as face, Recorder(file) as recorder:
        port = await recorder.relay("node", face.port)
        replies = [await post(port, path_of(operation), sample(operation)) for operation in operations]
        await until(lambda: len(notes.received) == len(operations))
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [(line["kind"], line["operation"], line["http"]) for line in lines] == [
        (kind, operation.name, http) for operation in operations for kind, http in (("request", 0), ("answer", 200))
    ]
    assert {line["receiver"] for line in lines} == {"node"}
    assert [line["body"].encode() for line in lines[::2]] == [sample(operation) for operation in operations]
    assert [line["body"].encode() for line in lines[1::2]] == [reply.body for reply in replies]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be written"):
        async with Recorder(tmp_path / "nowhere" / "capture.jsonl"):
            pass
