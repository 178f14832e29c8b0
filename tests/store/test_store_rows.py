"""Records as rows: nothing is lost on the way, and a row that nobody has written is told apart."""

# pyright: reportPrivateUsage=false
# These tests look inside.

import re
import sqlite3
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pnode.roaming.published_records import AuthenticationRecord, EvsePricingRecord, ProductRecord, StatusRecord
from p2pnode.roaming.records import OWN, CdrFilter, CdrRecord, PageRequest, ReceiptRecord, SessionEvent, SessionRecord
from p2pnode.store.database import Database
from p2pnode.store.errors import Damaged
from p2pnode.store.publication import SqlPublication
from p2pnode.store.rows import AUTHENTICATION, CDRS, EVENTS, EVSE_PRICING, PRODUCTS, RECEIPTS, SESSIONS, STATUSES, Rows
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction
from p2pnode.store.values import from_us, to_us
from tests.clock import Clock
from tests.store.store_kit import (
    START,
    bodies,
    cdr,
    event,
    everything,
    evse,
    identification,
    put_sessions,
    session,
    status,
)

moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])).filter(
    lambda moment: datetime(2, 1, 1, tzinfo=UTC) < moment < datetime(9998, 1, 1, tzinfo=UTC)
)
decimals = st.decimals(allow_nan=False, allow_infinity=False)

st.register_type_strategy(datetime, moments)
st.register_type_strategy(Decimal, decimals)


@given(moments)
def test_a_moment_is_stored_to_the_microsecond_in_utc(moment: datetime) -> None:
    back = from_us(to_us(moment))
    assert back == moment
    assert back.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        to_us(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


KINDS: list[tuple[type, Rows[Any]]] = [
    (SessionRecord, SESSIONS),
    (SessionEvent, EVENTS),
    (CdrRecord, CDRS),
    (ReceiptRecord, RECEIPTS),
    (StatusRecord, STATUSES),
    (ProductRecord, PRODUCTS),
    (EvsePricingRecord, EVSE_PRICING),
    (AuthenticationRecord, AUTHENTICATION),
]


@pytest.mark.parametrize(("kind", "rows"), KINDS, ids=[kind.__name__ for kind, _ in KINDS])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_record_becomes_a_row_and_the_same_record_again(kind: type, rows: Rows[Any], data: st.DataObject) -> None:
    record = data.draw(st.builds(kind))
    encoded = dict(zip(rows.names, rows.encode(record), strict=True))
    assert all(value is None or type(value) in {str, int, bytes} for value in encoded.values())
    assert rows.decode([encoded[column.name] for column in rows.columns]) == record


Read = Callable[[SqlStore], Awaitable[object]]

CDRS_WANTED = CdrFilter(emp="stromer", provider_keys=None, from_=START, to=START + timedelta(days=1))


DAMAGES: list[tuple[str, Read, str | None]] = [
    ("UPDATE session SET state = 'dreaming'", lambda store: store.session("a1"), "session cannot be read"),
    ("UPDATE session SET energy = 'much'", lambda store: store.sessions(), "session cannot be read"),
    ("UPDATE session SET created_at = 'early'", lambda store: store.session("a1"), "created_at is str"),
    ("UPDATE session SET created_at = 1 << 62", lambda store: store.session("a1"), "OverflowError"),
    ("UPDATE session SET cpo = x'00'", lambda store: store.session("a1"), "cpo is bytes"),
    ("UPDATE session SET cpo = CAST(x'ff' AS TEXT)", lambda store: store.session("a1"), "cannot be read"),
    ("UPDATE session SET cpo = CAST(x'ff' AS TEXT)", lambda store: store.sessions(), "cannot be read"),
    ("UPDATE session_event SET verb = 'shout'", lambda store: store.history("a1"), "session_event cannot"),
    ("UPDATE cdr SET energy = ''", lambda store: store.cdr("a1"), "cdr cannot be read"),
    (
        "UPDATE cdr SET body = 'text'",
        lambda store: store.cdr_page(CDRS_WANTED, PageRequest()),
        "cdr cannot be read",
    ),
    ("UPDATE status SET body = 5", lambda store: store.statuses((OWN,)), "body is int"),
    ("UPDATE authentication SET body = 'x'", lambda store: store.authentication("uid", "1234ABCD"), "body is str"),
    ("UPDATE evse SET authentication_modes = 5", lambda store: store.evse("DE*ABC*E1"), None),
    ("UPDATE evse SET latitude = 'north'", lambda store: store.evse("DE*ABC*E1"), "latitude is str"),
    (
        "UPDATE evse_body SET body = 'text'",
        lambda store: store.evse_page(everything(store), PageRequest()),
        "body is str",
    ),
    (
        "UPDATE evse_body SET body = 'text'",
        lambda store: bodies(store, everything(store), PageRequest()),
        "evse_body cannot be read",
    ),
    (
        "UPDATE mark SET at = 'then'",
        lambda store: store.publish(lambda p: p.put_evses([evse()], START)),
        "mark cannot",
    ),
]


@contextmanager
def both(path: Path) -> Generator[sqlite3.Connection]:
    """Both databases, as one."""
    with sqlite3.connect(path) as connection:
        connection.execute("ATTACH DATABASE ? AS published", (str(Database.at(path, 1).published.path),))
        yield connection
    connection.close()


@pytest.mark.parametrize(("damage", "read", "sentence"), DAMAGES)
async def test_a_row_that_the_store_has_not_written_is_told_with_its_table(
    path: Path, clock: Clock, damage: str, read: Read, sentence: str | None
) -> None:
    """A look-up refuses it, a list goes without."""
    told: list[str] = []
    async with SqlStore.open(path, now=clock, left_out=told.append) as store:
        await _damage_and_read(store, path, damage, read)
        if sentence is None:  # SQLite made a text of it
            await read(store)
            return
        try:
            assert await read(store) == []
        except Damaged as error:
            told.append(str(error))
        assert len(told) == 1
        assert re.search(sentence, told[0])


async def _damage_and_read(store: SqlStore, path: Path, damage: str, read: Read) -> None:
    def fill(transaction: SqlTransaction) -> None:
        transaction.put_session(session())
        transaction.add_event(event())
        transaction.add_cdr(cdr())

    def publish(publication: SqlPublication) -> None:
        publication.put_evses([evse()], START)
        publication.put_statuses([status()])
        publication.put_authentication([identification()])

    await store.write(fill)
    await store.publish(publish)
    await read(store)
    with both(path) as connection:
        assert connection.execute(damage).rowcount > 0


async def test_a_list_goes_without_the_rows_nobody_can_read_only(path: Path, clock: Clock) -> None:
    told: list[str] = []
    async with SqlStore.open(path, now=clock, left_out=told.append) as store:
        await store.write(lambda transaction: put_sessions(transaction, *(session(key) for key in "abc")))
        with both(path) as connection:
            connection.execute("UPDATE session SET state = 'dreaming' WHERE key = 'b'")
        assert [found.key for found in await store.sessions()] == ["c", "a"]
        assert told == ["a row of session cannot be read (ValueError)"]


async def test_an_error_does_not_tell_what_is_stored(store: SqlStore, path: Path) -> None:
    await store.publish(lambda publication: publication.put_authentication([identification(pin="$2b$10$secret")]))
    with both(path) as connection:
        connection.execute("UPDATE authentication SET body = 5")
    with pytest.raises(Damaged) as error:
        await store.authentication("uid", "1234ABCD")
    told: BaseException | None = error.value
    while told is not None:
        assert "1234ABCD" not in str(told)
        assert "secret" not in str(told)
        told = told.__cause__ or told.__context__
