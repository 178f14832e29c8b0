"""What stands in the log, and what never does."""

import asyncio
import errno
import io
import json
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from p2pnode.config.node import LogSection
from p2pnode.observe import logs
from p2pnode.observe.logs import NodeLog
from p2pnode.observe.masking import mask_evco, mask_uid, masked
from p2pnode.roaming.records import CallOutcome, Verb

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
OUTCOME = CallOutcome("AuthorizeStart", Verb.RECEIVE, "north", 200, "102", 12.345, "id-1", AT)
SECRETS = {"uid": "04E51DCA", "EvcoID": "DE-GDF-C12345678-X", "pin": "4711", "hashed_pin": {"Value": "x"}}


def _log(form: str = "json", **settings: object) -> tuple[NodeLog, io.StringIO]:
    stream = io.StringIO()
    return NodeLog(LogSection.model_validate({"format": form, **settings}), "n1", stream), stream


def test_every_message_on_the_wire_is_one_json_line() -> None:
    log, stream = _log()
    log.call(OUTCOME)
    log.call(OUTCOME)
    first, second = stream.getvalue().splitlines()
    assert first == second
    assert json.loads(first) == {
        "timestamp": "2026-01-02T03:04:05.678000Z",
        "level": "info",
        "event": "call",
        "node": "n1",
        "verb": "receive",
        "operation": "AuthorizeStart",
        "peer": "north",
        "http": 200,
        "code": "102",
        "ms": 12.35,
        "process_id": "id-1",
        "reason": "RFID Authentication failed - invalid UID.",
    }


def test_a_message_in_text_is_one_line_with_its_direction() -> None:
    log, stream = _log("text")
    log.call(OUTCOME)
    assert stream.getvalue() == (
        "2026-01-02T03:04:05.678000Z n1 <- north AuthorizeStart 102 http=200 ms=12.3 id=id-1"
        ' reason="RFID Authentication failed - invalid UID."\n'
    )


def test_only_a_negative_message_has_a_reason_and_it_stays_on_its_line() -> None:
    log, stream = _log("text")
    log.call(replace(OUTCOME, code="000"))
    log.call(replace(OUTCOME, code="017", detail="'DE*X\n2026 forged' is no peer's id."))
    log.call(replace(OUTCOME, code="999"))
    good, bad, unknown = stream.getvalue().splitlines()
    assert good.endswith(" id=id-1")
    told = {"reason": "Unauthorized Access. 'DE*X\n2026 forged' is no peer's id."}
    assert bad.endswith(f" reason={json.dumps(told['reason'])}")
    assert unknown.endswith(" id=id-1")


async def test_lines_of_messages_wait_for_each_other_but_stand_before_what_comes_after_them() -> None:
    log, stream = _log()
    log.call(OUTCOME)
    log.call(OUTCOME)
    assert stream.getvalue() == ""
    log.logger.info("started")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["call", "call", "started"]


async def test_lines_of_messages_are_written_soon_also_where_nothing_comes_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "SOON", 0.0)
    log, stream = _log()
    log.call(OUTCOME)
    await asyncio.sleep(0.001)
    assert json.loads(stream.getvalue())["event"] == "call"


@pytest.mark.parametrize("settings", [{"access": False}, {"level": "warning"}])
def test_lines_of_messages_can_be_switched_off(settings: dict[str, object]) -> None:
    log, stream = _log("json", **settings)
    log.call(OUTCOME)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_medium_and_no_secret_is_logged_at_any_depth(form: str) -> None:
    log, stream = _log(form)
    log.logger.info("seen", **SECRETS, message={"Identification": [{"RFID": SECRETS}]})
    text = stream.getvalue()
    assert "…CA" in text
    assert "DE-GDF-…" in text
    for secret in ("04E51D", "C12345678", "4711", "'x'", '"x"'):
        assert secret not in text


def test_masks_show_enough_to_recognise_and_too_little_to_use() -> None:
    assert mask_uid("04E51DCA") == "…CA"
    assert mask_uid("CA") == "…"
    assert mask_evco("DE*GDF*123456*X") == "DE-GDF-…"
    assert mask_evco("nonsense") == "…"
    assert masked("evse_id", "DE*ABC*E1") == "DE*ABC*E1"


def test_a_value_nested_without_end_is_cut() -> None:
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    assert "…" in repr(masked("x", deep))


def test_a_level_silences_what_is_below_it() -> None:
    log, stream = _log(level="error")
    log.logger.warning("not seen")
    log.logger.error("seen")
    assert json.loads(stream.getvalue())["event"] == "seen"


def test_what_libraries_log_arrives_with_its_traceback_and_without_local_values() -> None:
    log, stream = _log()
    hidden = "a local " + "value"
    try:
        _ = 1 / len(hidden[:0])
    except ZeroDivisionError:
        log.library.exception("failed in %s", "a library")
    line = json.loads(stream.getvalue())
    assert line["event"] == "failed in a library"
    assert "ZeroDivisionError" in line["exception"]
    assert hidden not in stream.getvalue()


def test_two_logs_in_one_process_do_not_mix() -> None:
    one, first = _log("json")
    two, second = _log("text")
    one.logger.info("to one")
    two.logger.info("to two")
    assert "to two" not in first.getvalue()
    assert "to one" not in second.getvalue()


class Disk(io.StringIO):
    """A file on a disk that may be full."""

    full = False

    def write(self, text: str, /) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


async def test_a_log_that_cannot_be_written_fails_nobody_and_goes_on_once_it_can() -> None:
    disk = Disk()
    log = NodeLog(LogSection(format="json"), "n1", disk)
    disk.full = True
    log.logger.error("lost")
    log.library.error("lost too")
    log.call(OUTCOME)
    await asyncio.sleep(logs.SOON * 2)
    disk.full = False
    log.logger.info("written")
    assert [json.loads(line)["event"] for line in disk.getvalue().splitlines()] == ["written"]
