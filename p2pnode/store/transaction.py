"""What one work may read and write of sessions and CDRs: the `Transaction` of the roaming services."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, update

from p2pnode.roaming.records import CdrRecord, SessionEvent, SessionRecord
from p2pnode.store import tables
from p2pnode.store.connection import WriteConnection
from p2pnode.store.lookups import SessionLookups
from p2pnode.store.rows import CDRS, EVENTS, SESSIONS
from p2pnode.store.statements import ADD_CDR, ADD_EVENT, PUT_SESSION, hot
from p2pnode.store.values import to_us

_DELETE_SESSION = hot(delete(tables.session).where(tables.session.c.key == bindparam("key")), ["key"])
_FORWARD_CDR = hot(
    update(tables.cdr).where(tables.cdr.c.key == bindparam("the_key")).values(forwarded_at=bindparam("at")),
    ["at", "the_key"],
)


class SqlTransaction(SessionLookups):
    """Reads and writes inside a transaction of the writer of sessions. Used on its thread, by one at a time."""

    def __init__(self, connection: WriteConnection) -> None:
        super().__init__(connection)
        self._connection = connection

    def put_session(self, record: SessionRecord) -> None:
        """Insert the session, or replace the one with its key."""
        self._connection.run(PUT_SESSION, SESSIONS.encode(record))

    def delete_session(self, key: str) -> None:
        """Forget the session and its history; a CDR of it stays."""
        self._connection.run(_DELETE_SESSION, (key,))

    def add_event(self, event: SessionEvent) -> None:
        """Append one line to a session's history. Raises Conflict where there is no such session."""
        self._connection.run(ADD_EVENT, EVENTS.encode(event))

    def add_cdr(self, record: CdrRecord) -> None:
        """Insert a CDR. Raises Conflict where its session has one."""
        self._connection.run(ADD_CDR, CDRS.encode(record))

    def mark_cdr_forwarded(self, key: str, at: datetime) -> None:
        """Note that the EMP has acknowledged the CDR."""
        self._connection.run(_FORWARD_CDR, (to_us(at), key))


if TYPE_CHECKING:
    from p2pnode.roaming.ports import Transaction

    _: type[Transaction] = SqlTransaction
