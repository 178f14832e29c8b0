"""What one work may read and write of what is published: the `Publication` of the roaming services."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, select

from p2pnode.roaming.published_records import (
    AuthenticationRecord,
    EvsePricingRecord,
    EvseRecord,
    ProductRecord,
    StatusRecord,
)
from p2pnode.roaming.records import OWN
from p2pnode.store import tables, versions
from p2pnode.store.clock import LogicalClock
from p2pnode.store.connection import WriteConnection
from p2pnode.store.published import (
    AUTHENTICATION_SET,
    EVSE_PRICING_SET,
    OWNER_STATUS_SET,
    PRODUCT_SET,
    STATUS_SET,
)
from p2pnode.store.rows import checked
from p2pnode.store.statements import chunks, hot, upsert
from p2pnode.store.values import from_us, to_us

Priced = TypeVar("Priced", ProductRecord, EvsePricingRecord)

_MARK = hot(select(tables.mark.c.at).where(tables.mark.c.name == bindparam("name")), ["name"])
_SET_MARK = hot(upsert(tables.mark, ["name", "at"]), ["name", "at"])


def changed_mark(kind: str, *, own: bool) -> str:
    """The name of the mark that tells when a table's rows of ours, or of others, have changed last."""
    return f"{kind} of {'ours' if own else 'others'}"


class SqlPublication:
    """Reads and writes inside a transaction of the writer of what is published. Used by one work after the other."""

    def __init__(self, connection: WriteConnection, clock: LogicalClock) -> None:
        self._connection = connection
        self._clock = clock

    def do_together(self, works: Sequence[Callable[["SqlPublication"], Any]]) -> Collection[int]:  # noqa: ARG002 - one by one, in their order
        """None: what is published is large, and its order matters."""
        return ()

    def known_evses(self, owner: str, evse_keys: Iterable[str]) -> set[str]:
        """Those of the keys that the owner has currently published."""
        return versions.known(self._connection, owner, evse_keys)

    def put_evses(self, records: Sequence[EvseRecord], at: datetime) -> None:
        """Begin a version of each record that is new or differs from its current version; the last of a key counts."""
        moment = self._tick(at)
        versions.put(self._connection, records, moment)
        self._touch("evse", {record.owner for record in records}, moment)

    def delete_evses(self, owner: str, evse_keys: Iterable[str], at: datetime) -> int:
        """End the current versions of these records; how many there were."""
        moment = self._tick(at)
        self._touch("evse", {owner}, moment)
        return versions.delete(self._connection, owner, evse_keys, moment)

    def replace_evses(
        self,
        owner: str,
        operator_key: str,
        records: Sequence[EvseRecord],
        at: datetime,
        *,
        untouched: Collection[str] = (),
    ) -> None:
        """Make these records all that the owner publishes for the operator, beside those with the keys `untouched`."""
        moment = self._tick(at)
        versions.replace(self._connection, (owner, operator_key), records, moment, untouched)
        self._touch("evse", {owner}, moment)

    def known_statuses(self, owner: str, evse_keys: Iterable[str]) -> set[str]:
        """Those of the keys for which the owner has published a status."""
        status = tables.status
        found: set[str] = set()
        for some in chunks(list(evse_keys)):
            query = select(status.c.evse_key).where(status.c.owner == owner, status.c.evse_key.in_(some))
            found |= {row[0] for row in self._connection.select(query)}
        return found

    def put_statuses(self, records: Sequence[StatusRecord]) -> None:
        """Insert or update the status of these EVSEs; one that is the same keeps its `changed_at`."""
        STATUS_SET.put(self._connection, records)
        self._touch("status", {record.owner for record in records})

    def delete_statuses(self, owner: str, evse_keys: Iterable[str]) -> int:
        """Forget these statuses; how many there were."""
        self._touch("status", {owner})
        return OWNER_STATUS_SET.delete(self._connection, (owner,), evse_keys)

    def replace_statuses(self, owner: str, operator_key: str, records: Sequence[StatusRecord]) -> None:
        """Make these statuses the whole of what the owner publishes for the operator."""
        STATUS_SET.replace(self._connection, (owner, operator_key), records)
        self._touch("status", {owner})

    def known_products(self, owner: str, operator_key: str, provider_key: str) -> set[str]:
        """The product ids the owner has published for the operator and provider."""
        return PRODUCT_SET.known(self._connection, (owner, operator_key, provider_key))

    def put_products(self, records: Sequence[ProductRecord]) -> None:
        """Insert or update these pricing products; one that is the same keeps its `changed_at`."""
        PRODUCT_SET.put(self._connection, self._in_order(records))
        self._touch("product", {record.owner for record in records})

    def delete_products(self, owner: str, operator_key: str, provider_key: str, product_ids: Iterable[str]) -> int:
        """Forget these pricing products; how many there were."""
        self._touch("product", {owner})
        return PRODUCT_SET.delete(self._connection, (owner, operator_key, provider_key), product_ids)

    def replace_products(
        self, owner: str, operator_key: str, provider_key: str, records: Sequence[ProductRecord]
    ) -> None:
        """Make these the whole of the owner's products for the operator and provider."""
        PRODUCT_SET.replace(self._connection, (owner, operator_key, provider_key), self._in_order(records))
        self._touch("product", {owner})

    def known_evse_pricing(self, owner: str, operator_key: str) -> set[tuple[str, str]]:
        """The (evse key, provider key) pairs the owner has priced for the operator."""
        return EVSE_PRICING_SET.known(self._connection, (owner, operator_key))

    def put_evse_pricing(self, records: Sequence[EvsePricingRecord]) -> None:
        """Insert or update the pricing of these EVSEs; one that is the same keeps its `changed_at`."""
        EVSE_PRICING_SET.put(self._connection, self._in_order(records))
        self._touch("evse_pricing", {record.owner for record in records})

    def delete_evse_pricing(self, owner: str, operator_key: str, keys: Iterable[tuple[str, str]]) -> int:
        """Forget the pricing of these (evse key, provider key) pairs; how many there were."""
        self._touch("evse_pricing", {owner})
        return EVSE_PRICING_SET.delete(self._connection, (owner, operator_key), keys)

    def replace_evse_pricing(self, owner: str, operator_key: str, records: Sequence[EvsePricingRecord]) -> None:
        """Make these the whole of the owner's EVSE pricing for the operator."""
        EVSE_PRICING_SET.replace(self._connection, (owner, operator_key), self._in_order(records))
        self._touch("evse_pricing", {owner})

    def known_authentication(self, owner: str, provider_key: str) -> set[tuple[str, str]]:
        """The (kind, key) pairs of identifications the owner vouches for."""
        return AUTHENTICATION_SET.known(self._connection, (owner, provider_key))

    def put_authentication(self, records: Sequence[AuthenticationRecord]) -> None:
        """Insert or update these identifications."""
        AUTHENTICATION_SET.put(self._connection, records)
        self._touch("authentication", {record.owner for record in records})

    def delete_authentication(self, owner: str, provider_key: str, keys: Iterable[tuple[str, str]]) -> int:
        """Forget these (kind, key) pairs; how many there were."""
        self._touch("authentication", {owner})
        return AUTHENTICATION_SET.delete(self._connection, (owner, provider_key), keys)

    def replace_authentication(self, owner: str, provider_key: str, records: Sequence[AuthenticationRecord]) -> None:
        """Make these the whole of what the owner vouches for under the provider."""
        AUTHENTICATION_SET.replace(self._connection, (owner, provider_key), records)
        self._touch("authentication", {owner})

    def keep_history_since(self, since: int) -> None:
        """Note that versions of EVSE data which ended at this moment (microseconds) or earlier are about to go."""
        self._connection.run(_SET_MARK, (tables.HISTORY, max(since, self._mark(tables.HISTORY))))

    def remove_versions(self, ids: Sequence[int]) -> None:
        """Remove these versions of EVSE data, which have ended."""
        versions.remove(self._connection, ids)

    def _in_order(self, records: Sequence[Priced]) -> list[Priced]:
        """The records, none with a moment of change before those of earlier changes, whatever the node's clock says."""
        if not records:
            return []
        known = self._mark(tables.CLOCK)
        at = from_us(self._clock.lift(min(to_us(record.changed_at) for record in records), known))
        moved = [replace(record, changed_at=max(record.changed_at, at)) for record in records]
        self._connection.run(_SET_MARK, (tables.CLOCK, max(known, *(to_us(record.changed_at) for record in moved))))
        return moved

    def _touch(self, kind: str, owners: Collection[str], moment: int | None = None) -> None:
        """Note when our own part, or somebody else's, of what is published has changed last."""
        for whose in {changed_mark(kind, own=owner == OWN) for owner in owners}:
            later = max(self._mark(whose) + 1, to_us(self._clock.now()))
            self._connection.run(_SET_MARK, (whose, later if moment is None else moment))

    def _tick(self, at: datetime) -> int:
        """The moment of a change, which the database remembers so that no later one is before it."""
        moment = self._clock.tick(to_us(at), self._mark(tables.CLOCK))
        self._connection.run(_SET_MARK, (tables.CLOCK, moment))
        return moment

    def _mark(self, name: str) -> int:
        found = self._connection.rows(_MARK, (name,))
        return max(checked(int, (row[0] for row in found), tables.mark), default=0)


if TYPE_CHECKING:
    from p2pnode.roaming.store_ports import Publication

    _: type[Publication] = SqlPublication
