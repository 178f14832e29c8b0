"""The outbox in the store: its order, its dead letters, and what a database without one still had to deliver."""

# pyright: reportPrivateUsage=false
# One test looks at how the database goes about it.

import tracemalloc
from pathlib import Path
from typing import Any

from alembic import command
from msgspec.structs import replace
from sqlalchemy import event

from p2pnode.roaming.outbox_records import QueueCount, QueuedRecord, QueueState
from p2pnode.roaming.records import CdrFilter, PageRequest
from p2pnode.store.database import SESSIONS, Database, migrations
from p2pnode.store.store import SqlStore
from p2pnode.store.values import from_us
from tests.store.store_kit import START, OpenStore


def message(session_key: str = "a1", *, peer: str = "stromer", operation: str = "ChargeDetailRecord") -> QueuedRecord:
    return QueuedRecord(0, peer, operation, session_key, operation, "DE*ABC", "process", "DE-XYZ", "", b"{}", START)


async def test_messages_are_read_in_the_order_in_which_they_were_queued_and_gaps_do_no_harm(
    open_store: OpenStore,
) -> None:
    async with open_store() as store:
        queued = [await store.write(lambda transaction: transaction.queue(message())) for _ in range(5)]
        assert await store.write(lambda transaction: transaction.unqueue(queued[2].id))
        found = await store.waiting("stromer", "ChargeDetailRecord", queued[0].id, 2)
        assert [record.id for record in found] == [queued[1].id, queued[3].id]
        assert await store.lanes() == [("stromer", "ChargeDetailRecord")]


async def test_a_number_is_not_used_again_for_what_still_waits_after_a_restart(open_store: OpenStore) -> None:
    async with open_store() as store:
        first = await store.write(lambda transaction: transaction.queue(message()))
    async with open_store() as store:
        second = await store.write(lambda transaction: transaction.queue(message()))
    assert second.id > first.id


async def test_a_number_is_not_used_again_once_the_last_message_has_left_after_a_restart(open_store: OpenStore) -> None:
    async with open_store() as store:
        first = await store.write(lambda transaction: transaction.queue(message()))
    async with open_store() as store:
        assert await store.write(lambda transaction: transaction.unqueue(first.id))
        second = await store.write(lambda transaction: transaction.queue(message()))
    assert second.id > first.id


async def test_a_dead_letter_is_counted_and_not_read_as_waiting(open_store: OpenStore) -> None:
    async with open_store() as store:
        record = await store.write(lambda transaction: transaction.queue(message()))
        await store.write(lambda transaction: transaction.queue(message()))
        dead = replace(record, attempts=3, state=QueueState.DEAD, reason="too old")
        await store.write(lambda transaction: transaction.requeue(dead))
        assert [found.id for found in await store.waiting("stromer", "ChargeDetailRecord", 0, 9)] == [record.id + 1]
        (count,) = (await store.outbox_counts()).values()
        assert (count.waiting, count.dead, count.oldest) == (1, 1, START)
        assert [found.reason for found in await store.outbox(state=QueueState.DEAD)] == ["too old"]


async def test_no_lane_and_no_count_reads_what_waits_for_others(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "p2pnode.db", 1.0)
    with database.writing().connect() as connection:
        command.upgrade(migrations(connection, SESSIONS), "0006")
        connection.exec_driver_sql(
            "INSERT INTO outbox SELECT 7, 'stromer', 'L', 's', 'O', '', '', '', '', x'', 5, 0, NULL, 'waiting', ''"
        )
        connection.commit()
    asked: list[tuple[str, Any]] = []
    async with SqlStore.open(tmp_path / "p2pnode.db") as store:
        engine = store._reader._engine
        event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        assert [found.id for found in await store.waiting("stromer", "L", 0, 9)] == [7]
        assert await store.lanes() == [("stromer", "L")]
        assert await store.outbox_counts() == {"stromer": QueueCount(1, 0, from_us(5))}
        assert await store.outbox("stromer", QueueState.DEAD) == []
        assert len(await store.outbox_about("stromer", "L", ["s"])) == 1
        wanted = CdrFilter(None, None, from_us(0), from_us(9), told=("stromer", "L"))
        assert (await store.cdr_page(wanted, PageRequest())).total == 0
        with engine.connect() as read:
            plans = [
                " ".join(row[3] for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given))
                for statement, given in list(asked)
                if statement.startswith("SELECT")
            ]
    assert "SEARCH outbox USING INDEX ix_outbox_session_key (session_key=?)" in plans.pop()
    assert "SEARCH outbox USING INDEX ix_outbox_session_key (session_key=?)" in plans.pop()
    assert plans == [
        "SEARCH outbox USING INDEX ix_outbox_waiting (peer=? AND lane=? AND id>?)",
        "SCAN outbox USING COVERING INDEX ix_outbox_waiting",
        "SCAN outbox USING COVERING INDEX ix_outbox_dead",
        "SCAN outbox USING COVERING INDEX ix_outbox_waiting",
        "SEARCH outbox USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH outbox USING INDEX ix_outbox_dead (peer=?)",
        "SEARCH outbox USING INDEX ix_outbox_session_key (session_key=?)",
    ]


async def test_what_a_database_without_an_outbox_had_to_deliver_is_carried_over(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "p2pnode.db", 1.0)
    engine = database.writing()
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(migrations(connection, SESSIONS), "0003")
        for key in ("s1", "s2", "s3"):
            connection.exec_driver_sql(
                "INSERT INTO session (key, session_id, state, cpo, emp, operator_id, provider_id, created_at,"
                " updated_at, authorized_by_push) VALUES (?, ?, 'charging', '', 'emp', 'DE*CPO', 'DE-ONE', 1, 1, 0)",
                (key, key),
            )
            connection.exec_driver_sql(
                "INSERT INTO cdr (key, session_id, cpo, emp, operator_key, operator_id, provider_key, provider_id,"
                " evse_id, session_start, session_end, energy, body, received_at, forwarded_at)"
                " VALUES (?, ?, '', 'emp', 'DECPO', 'DE*CPO', 'DEONE', 'DE-ONE', 'E', 1, 2, '1', x'7b7d', 5, ?)",
                (key, key, 7 if key == "s3" else None),
            )
        for key, operation, body, code in (
            ("s1", "ChargingNotificationStart", b'{"a":1}', "320"),
            ("s1", "ChargingNotificationEnd", b'{"a":2}', "320"),
            ("s1", "ChargingNotificationStart", b'{"a":1}', "000"),
            ("s2", "ChargeDetailRecord", b"", "400"),
        ):
            connection.exec_driver_sql(
                "INSERT INTO session_event (session_key, at, operation, verb, peer, code, body)"
                " VALUES (?, 3, ?, 'send', 'emp', ?, ?)",
                (key, operation, code, body),
            )
        connection.exec_driver_sql("COMMIT")
    engine.dispose()
    async with SqlStore.open(tmp_path / "p2pnode.db") as store:
        waiting = [(record.session_key, record.operation, record.body) for record in await store.outbox()]
    assert waiting == [("s1", "ChargingNotificationEnd", b'{"a":2}'), ("s1", "ChargeDetailRecord", b"")]


async def test_a_long_history_is_not_read_into_memory_to_find_what_was_not_delivered(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "p2pnode.db", 1.0)
    engine = database.writing()
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(migrations(connection, SESSIONS), "0003")
        connection.exec_driver_sql(
            "INSERT INTO session (key, session_id, state, cpo, emp, operator_id, provider_id, created_at,"
            " updated_at, authorized_by_push) VALUES ('s1', 's1', 'charging', '', 'emp', 'DE*CPO', 'DE-ONE', 1, 1, 0)"
        )
        connection.exec_driver_sql(
            "INSERT INTO session_event (session_key, at, operation, verb, peer, code, body)"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)"
            " SELECT 's1', 3, 'ChargingNotificationProgress', 'send', 'emp', iif(i = 1, '320', '000'),"
            " CAST(printf('%08000d', i) AS BLOB) FROM n"
        )
        connection.exec_driver_sql("COMMIT")
    engine.dispose()
    tracemalloc.start()
    try:
        database.migrate()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000
    async with SqlStore.open(tmp_path / "p2pnode.db") as store:
        assert [bytes(record.body)[-1:] for record in await store.outbox()] == [b"1"]
