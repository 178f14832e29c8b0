"""Look-ups of single records, as SQL compiled once: on the thread that shares them, and inside a transaction."""

from typing import Any, Protocol

from sqlalchemy import bindparam, exists, null, select

from p2pnode.roaming.published_records import AuthenticationRecord, EvseOwner, EvseRecord
from p2pnode.roaming.records import CdrRecord, SessionRecord
from p2pnode.store.rows import AUTHENTICATION, CDRS, SESSIONS, STATUSES
from p2pnode.store.statements import hot
from p2pnode.store.versions import BODY, CURRENT, EVSE, EVSES, RECORD

_SESSION = hot(select(*SESSIONS.columns).where(SESSIONS.table.c.key == bindparam("key")), ["key"])
_CDR = hot(select(*CDRS.columns).where(CDRS.table.c.key == bindparam("key")), ["key"])
_WHO_VOUCHES = hot(
    select(*AUTHENTICATION.columns)
    .where(AUTHENTICATION.table.c.kind == bindparam("kind"), AUTHENTICATION.table.c.key == bindparam("key"))
    .order_by(AUTHENTICATION.table.c.owner, AUTHENTICATION.table.c.provider_key),
    ["kind", "key"],
)
_record = (
    select(*RECORD, EVSE.c.valid_from, null())
    .join_from(EVSE, BODY, BODY.c.id == EVSE.c.id)
    .where(EVSE.c.evse_key == bindparam("evse_key"), CURRENT)
    .order_by(EVSE.c.owner)
)
_EVSE = hot(_record, ["evse_key"])
_EVSE_OF = hot(_record.where(EVSE.c.owner == bindparam("owner")), ["evse_key", "owner"])
_OWNERS = hot(
    select(EVSE.c.owner, EVSE.c.is_hubject_compatible)
    .where(EVSE.c.evse_key == bindparam("evse_key"), CURRENT)
    .union_all(select(STATUSES.table.c.owner, null()).where(STATUSES.table.c.evse_key == bindparam("evse_key"))),
    ["evse_key", "evse_key"],
)
_any = exists(EVSE.c.id).where(EVSE.c.owner == bindparam("owner"), CURRENT)
_under = _any.where(EVSE.c.operator_key == bindparam("operator_key"))
_listed = exists(EVSE.c.id).where(EVSE.c.owner == bindparam("owner"), EVSE.c.evse_key == bindparam("evse_key"), CURRENT)
_LACKS = hot(select(_any & ~_listed), ["owner", "owner", "evse_key"])
_LACKS_UNDER = hot(select(_under & ~_listed), ["owner", "operator_key", "owner", "evse_key"])


class Source(Protocol):
    """What runs a compiled query."""

    def rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """The rows of a compiled query. Raises StoreError."""
        ...


class SessionLookups:
    """Single sessions and CDRs by their keys."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def session(self, key: str) -> SessionRecord | None:
        """The session with this key."""
        found = self._source.rows(_SESSION, (key,))
        return SESSIONS.decode(found[0]) if found else None

    def cdr(self, key: str) -> CdrRecord | None:
        """The CDR of the session with this key."""
        found = self._source.rows(_CDR, (key,))
        return CDRS.decode(found[0]) if found else None


class Lookups(SessionLookups):
    """Single records by their keys, also of what is published."""

    def evse(self, evse_key: str, owner: str | None = None) -> EvseRecord | None:
        """The current record of an EVSE, of one owner or of any: our own before those of peers."""
        found = (
            self._source.rows(_EVSE, (evse_key,)) if owner is None else self._source.rows(_EVSE_OF, (evse_key, owner))
        )
        return EVSES.decode(found[0]) if found else None

    def evse_owners(self, evse_key: str) -> list[EvseOwner]:
        """Who has published the EVSE: first those who published its data, then those who did its status alone."""
        rows = self._source.rows(_OWNERS, (evse_key, evse_key))
        listed = {owner: bool(compatible) for owner, compatible in rows if compatible is not None}
        found = [EvseOwner(owner, listed[owner]) for owner in sorted(listed)]
        others = sorted(owner for owner, _ in rows if owner not in listed)
        return [*found, *(EvseOwner(owner, None) for owner in others)]

    def lacks_evse(self, owner: str, evse_key: str, operator_key: str | None = None) -> bool:
        """Whether the owner has published EVSE data (for the operator), and none of this EVSE."""
        if operator_key is None:
            return self._source.rows(_LACKS, (owner, owner, evse_key)) == [(1,)]
        return self._source.rows(_LACKS_UNDER, (owner, operator_key, owner, evse_key)) == [(1,)]

    def authentication(self, kind: str, key: str) -> list[AuthenticationRecord]:
        """Who vouches for this identification."""
        return [AUTHENTICATION.decode(row) for row in self._source.rows(_WHO_VOUCHES, (kind, key))]
