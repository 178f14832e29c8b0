"""Steps of the lab: what has to cross the wire, what did, and what is told of it."""

import io
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from rich.console import Console

from p2pnode.lab.parties import ALPINE, RHINE
from p2pnode.lab.report import Report
from p2pnode.lab.stage import Actor, Checks, Crossing, Row, Stage, Step, StepFailed
from p2pnode.lab.timeline import Timeline, closing_table
from p2pnode.lab.wire import Seen, Wire
from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.operations import AUTHORIZE_START, BY_NAME, PUSH_EVSE_STATUS
from p2pnode.oicp.status import Code
from p2pnode.web.client import AdminClient
from p2pnode.web.problem import Problem

NOWHERE = AdminClient("http://127.0.0.1:1")
CPO, EMP = Actor(ALPINE, NOWHERE), Actor(RHINE, NOWHERE)
SENT = Seen("alpine", "send", "rhine", "AuthorizeStart", 200, "000", 4.5, "one")
RECEIVED = Seen("rhine", "receive", "alpine", "AuthorizeStart", 200, "000", 2.5, "one")
ASKED = Crossing(AUTHORIZE_START, CPO, EMP)


class Listener:
    """An audience that remembers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def scenario(self, title: str) -> None:
        self.told.append(title)

    def step(self, step: Step) -> None:
        self.told.append(step.title)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def stage(listener: Listener) -> Stage:
    return Stage(Wire(), listener, 0.0, patience=0.01)


async def _play(
    stage: Stage, seen: Iterable[Seen], *expected: Crossing, compare: Callable[[Checks], None] = lambda _: None
) -> None:
    """A step during which these messages are seen."""
    async with stage.step("asks", *expected) as checks:
        for message in seen:
            stage.wire.note(message)
        compare(checks)


def _problems(stage: Stage) -> list[str]:
    return [problem for step in stage.steps for row in step.rows for problem in row.problems]


async def test_a_message_that_crosses_makes_a_row_of_its_sender_and_one_of_its_receiver(
    stage: Stage, listener: Listener
) -> None:
    stage.begin("a driver comes")
    await _play(stage, [SENT, RECEIVED], ASKED)

    (step,) = stage.steps
    assert step.ok
    assert [(row.verb, row.sender, row.receiver, row.ms) for row in step.rows] == [
        ("send", "alpine", "rhine", 4.5),
        ("receive", "alpine", "rhine", 2.5),
    ]
    assert listener.told == ["a driver comes", "asks"]


async def test_another_code_than_expected_fails_the_step(stage: Stage) -> None:
    with pytest.raises(StepFailed, match="asks"):
        await _play(stage, [SENT, RECEIVED], replace(ASKED, code=Code.RFID_INVALID_UID))

    assert _problems(stage) == ["expected code 102, came 000"]


async def test_a_message_that_does_not_cross_fails_the_step(stage: Stage) -> None:
    with pytest.raises(StepFailed):
        await _play(stage, [], ASKED)

    assert _problems(stage) == ["expected AuthorizeStart to cross the wire, nothing came"]


async def test_a_message_its_receiver_has_not_noted_fails_the_step(stage: Stage) -> None:
    with pytest.raises(StepFailed):
        await _play(stage, [SENT, replace(RECEIVED, process_id="another")], ASKED)

    assert _problems(stage) == ["rhine has not noted it"]


async def test_what_crosses_beside_the_expected_has_to_be_answered_with_success(stage: Stage) -> None:
    beside = (replace(SENT, operation="PushEvseStatus"), replace(RECEIVED, operation="PushEvseStatus"))
    await _play(stage, [*beside, SENT, RECEIVED], ASKED)
    with pytest.raises(StepFailed):
        await _play(stage, [replace(seen, code="018", process_id="two") for seen in beside])

    assert [step.ok for step in stage.steps] == [True, False]


async def test_a_message_counts_for_the_step_in_which_it_crossed_only(stage: Stage) -> None:
    await _play(stage, [SENT, RECEIVED], ASKED)
    with pytest.raises(StepFailed):
        await _play(stage, [], ASKED)

    assert [len(step.rows) for step in stage.steps] == [2, 1]


async def test_a_difference_is_told_with_what_was_expected_and_what_came(stage: Stage) -> None:
    def compare(checks: Checks) -> None:
        checks.equal("status", EvseStatusType.AVAILABLE, "Occupied")
        checks.equal("EvseIDs", {"b", "a"}, {"a"})
        checks.equal("text", "x" * 500, "")
        checks.that("it is cheap", holds=False)

    with pytest.raises(StepFailed):
        await _play(stage, [SENT, RECEIVED], ASKED, compare=compare)

    assert _problems(stage) == [
        "status: expected 'Available', came 'Occupied'",
        "EvseIDs: expected ['a', 'b'], came ['a']",
        f"text: expected '{'x' * 398}…, came ''",
        "does not hold: it is cheap",
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Problem("the node is gone", "see its log"), "the node is gone (see its log)"),
        (KeyError("content"), "an answer lacks something or has another form: KeyError: 'content'"),
    ],
)
async def test_a_failure_inside_a_step_is_told_with_the_step(stage: Stage, error: Exception, told: str) -> None:
    def fail(_checks: Checks) -> None:
        raise error

    with pytest.raises(StepFailed):
        await _play(stage, [], ASKED, compare=fail)

    assert told in _problems(stage)


def _cells(count: int) -> dict[str, dict[str, int]]:
    return {name: {"sent": count, "received": count} for name in BY_NAME}


def _step(*problems: str) -> Step:
    row = Row(PUSH_EVSE_STATUS.name, "send", "alpine", "rhine", 200, "000", 3.0, problems)
    return Step("publishing", "one renamed", 1.5, (row,), notes=("a note",))


def test_a_report_is_ok_when_every_step_is_and_every_operation_went_both_ways() -> None:
    report = Report([_step()], {"alpine": _cells(2), "rhine": _cells(1)})

    assert report.ok
    assert report.missing == ()
    told = report.wire()
    assert set(told) == {"steps", "cells", "ok"}
    assert told["cells"] == _cells(3)


def test_a_report_names_the_operation_that_has_not_crossed_in_one_direction() -> None:
    cells = _cells(2)
    cells["AuthorizeStart"]["received"] = 0
    report = Report([_step()], {"alpine": _cells(2), "rhine": cells})

    assert not report.ok
    assert report.missing == ("rhine has not received AuthorizeStart",)


@pytest.mark.parametrize(
    "report",
    [
        Report([_step("expected this, came that")], {"alpine": _cells(1), "rhine": _cells(1)}),
        Report([_step()], {"alpine": _cells(1), "rhine": _cells(1)}, failure="a node ended"),
        Report([], {}),
    ],
)
def test_a_report_with_any_failure_is_not_ok(report: Report) -> None:
    assert not report.ok
    assert report.wire()["ok"] is False


def test_the_timeline_tells_a_failing_step_in_plain_text_with_what_was_expected_and_what_came() -> None:
    written = io.StringIO()
    timeline = Timeline(Console(file=written, width=200))

    timeline.scenario("Publishing")
    timeline.step(_step())
    timeline.step(_step("expected this, came that"))

    lines = written.getvalue().splitlines()
    assert lines[1] == "Publishing"
    assert "ok" in lines[2]
    assert "alpine → rhine" in lines[2]
    assert lines[3].strip() == "a note"
    assert "FAILED" in lines[4]
    assert lines[6].strip() == "PushEvseStatus (send): expected this, came that"
    assert "\x1b" not in written.getvalue()


def test_the_closing_table_has_a_line_for_each_operation_with_both_directions() -> None:
    written = io.StringIO()
    cells = {"alpine": _cells(2), "rhine": _cells(3)}
    cells["rhine"]["PushEvseStatus"] = {"sent": 5, "received": 1}

    Console(file=written, width=200).print(closing_table("alpine", "rhine", cells, [_step("no")]))

    lines = written.getvalue().splitlines()
    assert len(lines) == 25
    pushed = next(line for line in lines if line.startswith("PushEvseStatus"))
    assert pushed.split() == ["PushEvseStatus", "2", "(received", "1)", "5", "(received", "2)", "3.0", "ms", "1"]
