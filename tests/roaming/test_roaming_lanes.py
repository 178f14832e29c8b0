"""A lane of the outbox over a store that may fail."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from p2pnode.config.outbox import OutboxSection
from p2pnode.roaming.background import Background
from p2pnode.roaming.breaker import Breakers
from p2pnode.roaming.lanes import Answered, Deferred, Entry, Hopeless, Lane, LaneParts, Outcome
from p2pnode.roaming.outbox_records import QueuedRecord

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = OutboxSection(base_seconds=0.001, cap_seconds=0.002)


class Rows:
    """The outbox on a disk that is full at first: what has been delivered cannot be taken out."""

    def __init__(self) -> None:
        self.records = [
            QueuedRecord(1, "emp", "lane", "a", "ChargeDetailRecord", "DE*ABC", "p", "DE-XYZ", "", b"{}", START)
        ]
        self.is_full = True
        self.emptied = asyncio.Event()

    async def waiting(self, peer: str, lane: str, after: int, limit: int) -> Sequence[QueuedRecord]:
        del peer, lane
        return [record for record in self.records if record.id > after][:limit]

    async def settle(self, record: QueuedRecord, _: Answered) -> None:
        if self.is_full:
            self.is_full = False
            raise OSError("the disk is full")
        self.records = [kept for kept in self.records if kept.id != record.id]
        if not self.records:
            self.emptied.set()

    async def postpone(self, record: QueuedRecord, outcome: Deferred | Hopeless) -> None:
        raise AssertionError((record, outcome))


async def test_a_lane_that_could_not_note_a_delivery_goes_on_once_it_can() -> None:
    rows, background, attempted = Rows(), Background(), list[int]()
    asyncio.get_running_loop().set_exception_handler(lambda _, __: None)

    async def attempt(entry: Entry) -> Outcome:
        attempted.append(entry.record.id)
        return Answered(None, "000")

    def now() -> datetime:
        return datetime.now(UTC)

    parts = LaneParts(
        settings=SETTINGS,
        store=cast("Any", rows),
        breakers=Breakers(SETTINGS, now, lambda _: None),
        background=background,
        now=now,
        random=lambda: 0.0,
        attempt=attempt,
        settle=rows.settle,
        postpone=rows.postpone,
        held_by=lambda _: None,
        moved=lambda _, __: None,
        resting=asyncio.Event(),
    )
    lane = Lane(parts, "emp", "lane", complete=False)
    lane.start()
    async with asyncio.timeout(5):
        await rows.emptied.wait()
    lane.stop()
    await background.aclose()
    assert attempted == [1, 1]
