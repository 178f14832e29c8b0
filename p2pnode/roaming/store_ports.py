"""What the roaming services need of the store; what of it is about the outbox is in `outbox_ports`."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from p2pnode.roaming.outbox_ports import OutboxReading, OutboxWriting
from p2pnode.roaming.published_records import (
    AuthenticationRecord,
    EvseFilter,
    EvseOwner,
    EvsePricingRecord,
    EvseRecord,
    EvseVersions,
    ProductRecord,
    StatusRecord,
)
from p2pnode.roaming.records import (
    CdrFilter,
    CdrPage,
    CdrRecord,
    CdrReview,
    Page,
    PageRequest,
    SessionEvent,
    SessionFilter,
    SessionRecord,
    SessionState,
)

T = TypeVar("T")


class Transaction(OutboxWriting, Protocol):
    """What is written of sessions inside one `Store.write`: all of it is on disk when it returns, or none of it."""

    def session(self, key: str) -> SessionRecord | None:
        """The session with this key."""

    def put_session(self, record: SessionRecord) -> None:
        """Insert the session, or replace the one with its key."""

    def delete_session(self, key: str) -> None:
        """Forget the session and its history: a start that was asked for and refused."""

    def add_event(self, event: SessionEvent) -> None:
        """Append one line to the history of a session that exists."""

    def has_event(self, key: str, operation: str, body: bytes) -> bool:
        """Whether the history of the session tells of this operation with this body, and of success."""
        ...

    def cdr(self, key: str) -> CdrRecord | None:
        """The CDR of the session with this key."""

    def add_cdr(self, record: CdrRecord) -> None:
        """Insert a CDR; its session has none yet."""

    def add_cdr_review(self, review: CdrReview) -> None:
        """Keep a CDR for a person; the same one again, and more than a hundred of one session, are not kept."""

    def drop_cdr_review(self, number: int) -> bool:
        """Forget a CDR kept for a person; whether there was one with this id."""
        ...

    def mark_cdr_forwarded(self, key: str, at: datetime) -> None:
        """Note that the EMP has acknowledged the CDR."""


class Publication(Protocol):
    """What is published inside one `Store.publish`: all of it is on disk when it returns, or none of it."""

    def known_evses(self, owner: str, evse_keys: Iterable[str]) -> set[str]:
        """Those of the keys that the owner has currently published."""
        ...

    def put_evses(self, records: Sequence[EvseRecord], at: datetime) -> None:
        """Insert or update these records; the former versions stay readable as of before `at`.

        Unchanged records keep their version. Every change gets a moment of its own: `at`, or as soon after it as the
        store's clock allows.
        """

    def delete_evses(self, owner: str, evse_keys: Iterable[str], at: datetime) -> int:
        """End the current versions of these records at `at`; returns how many there were."""
        ...

    def replace_evses(
        self,
        owner: str,
        operator_key: str,
        records: Sequence[EvseRecord],
        at: datetime,
        *,
        untouched: Collection[str] = (),
    ) -> None:
        """Make these records all that the owner publishes for the operator, beside those with the keys `untouched`.

        Unchanged bodies keep their version.
        """

    def known_statuses(self, owner: str, evse_keys: Iterable[str]) -> set[str]:
        """Those of the keys for which the owner has published a status."""
        ...

    def put_statuses(self, records: Sequence[StatusRecord]) -> None:
        """Insert or update the status of these EVSEs. One that is the same keeps its `changed_at`."""

    def delete_statuses(self, owner: str, evse_keys: Iterable[str]) -> int:
        """Forget these statuses; returns how many there were."""
        ...

    def replace_statuses(self, owner: str, operator_key: str, records: Sequence[StatusRecord]) -> None:
        """Make these statuses the whole of what the owner publishes for the operator."""

    def known_products(self, owner: str, operator_key: str, provider_key: str) -> set[str]:
        """The product ids the owner has published for the operator and provider."""
        ...

    def put_products(self, records: Sequence[ProductRecord]) -> None:
        """Insert or update these pricing products. One that is the same keeps its `changed_at`."""

    def delete_products(self, owner: str, operator_key: str, provider_key: str, product_ids: Iterable[str]) -> int:
        """Forget these pricing products; returns how many there were."""
        ...

    def replace_products(
        self, owner: str, operator_key: str, provider_key: str, records: Sequence[ProductRecord]
    ) -> None:
        """Make these the whole of the owner's products for the operator and provider."""

    def known_evse_pricing(self, owner: str, operator_key: str) -> set[tuple[str, str]]:
        """The (evse key, provider key) pairs the owner has priced for the operator."""
        ...

    def put_evse_pricing(self, records: Sequence[EvsePricingRecord]) -> None:
        """Insert or update the pricing of these EVSEs. One that is the same keeps its `changed_at`."""

    def delete_evse_pricing(self, owner: str, operator_key: str, keys: Iterable[tuple[str, str]]) -> int:
        """Forget the pricing of these (evse key, provider key) pairs; returns how many there were."""
        ...

    def replace_evse_pricing(self, owner: str, operator_key: str, records: Sequence[EvsePricingRecord]) -> None:
        """Make these the whole of the owner's EVSE pricing for the operator."""

    def known_authentication(self, owner: str, provider_key: str) -> set[tuple[str, str]]:
        """The (kind, key) pairs of identifications the owner vouches for."""
        ...

    def put_authentication(self, records: Sequence[AuthenticationRecord]) -> None:
        """Insert or update these identifications."""

    def delete_authentication(self, owner: str, provider_key: str, keys: Iterable[tuple[str, str]]) -> int:
        """Forget these (kind, key) pairs; returns how many there were."""
        ...

    def replace_authentication(self, owner: str, provider_key: str, records: Sequence[AuthenticationRecord]) -> None:
        """Make these the whole of what the owner vouches for under the provider."""


class Store(OutboxReading, Protocol):
    """The node's memory. Reads see all that a returned `write` or `publish` has written, and never half of one.

    Every method raises StoreFault where the store fails. Lists leave out a row that cannot be read.
    """

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction and return its result once it is on disk; an exception undoes it.

        `work` runs once, on a thread of the store, and touches nothing but the transaction. The transaction is shared:
        a work that takes long delays all others.
        """
        ...

    def start(self, session: SessionRecord, event: SessionEvent) -> Awaitable[SessionRecord | None]:
        """Insert a session with the first line of its history, on disk once awaited, at less cost than `write`.

        Where there is a session with its key, that one is the result and nothing changed.
        """
        ...

    async def publish(self, work: Callable[[Publication], T]) -> T:
        """As `write`, for what parties publish. Works run in the order asked for; a long one delays no `write`."""
        ...

    def clock(self) -> datetime:
        """A moment (UTC) for `EvseFilter.as_of`: EVSE data then includes all written so far and never changes."""
        ...

    async def session(self, key: str) -> SessionRecord | None:
        """The session with this key."""

    async def sessions(self, limit: int = 100) -> Sequence[SessionRecord]:
        """The most recently changed sessions."""
        ...

    async def sessions_by_key(self, wanted: SessionFilter, after: str, limit: int) -> Sequence[SessionRecord]:
        """The sessions that are asked for behind a key, in the order of their keys; reads all of them."""
        ...

    async def untold(self, state: SessionState, emp: str, operation: str) -> Sequence[SessionRecord]:
        """The sessions of an EMP in a state whose history does not tell of an operation."""
        ...

    async def history(self, key: str) -> Sequence[SessionEvent]:
        """A session's history, in the order in which it was written."""
        ...

    async def cdr(self, key: str) -> CdrRecord | None:
        """The CDR of the session with this key."""

    async def cdr_page(self, wanted: CdrFilter, page: PageRequest) -> Page:
        """The bodies of one page of CDRs, in the order in which they came."""
        ...

    async def cdrs(self, wanted: CdrFilter, page: PageRequest) -> CdrPage:
        """The same page, with what its CDRs are found by."""
        ...

    async def cdr_reviews(self) -> Sequence[CdrReview]:
        """The CDRs kept for a person, oldest first."""
        ...

    async def evse(self, evse_key: str, owner: str | None = None) -> EvseRecord | None:
        """The current record of an EVSE, of one owner or of any: our own before those of peers."""

    async def evse_owners(self, evse_key: str) -> Sequence[EvseOwner]:
        """Who has published the EVSE: its data, then its status alone; of each our own party before peers.

        Every remote start asks this, so it has to be quick.
        """
        ...

    async def evse_page(self, wanted: EvseFilter, page: PageRequest) -> Sequence[EvseRecord]:
        """One page of EVSE data records, by operator, EVSE and owner. Raises HistoryGone."""
        ...

    async def evse_versions(self, wanted: EvseFilter, page: PageRequest, made: Callable[[EvseVersions], T]) -> T:
        """What `made` makes, off the event loop, of what an answer needs of the records of `evse_page`.

        In a third of the time of that. Raises HistoryGone.
        """
        ...

    async def evse_count(self, wanted: EvseFilter) -> int:
        """How many EVSE data records the filter selects. Raises HistoryGone."""
        ...

    async def lacks_evse(self, owner: str, evse_key: str, operator_key: str | None = None) -> bool:
        """Whether the owner has published EVSE data (for the operator), and none of this EVSE.

        Both are of one moment: an owner's first data may come between two questions.
        """
        ...

    async def statuses(
        self,
        owners: tuple[str, ...],
        *,
        evse_keys: tuple[str, ...] | None = None,
        operator_keys: tuple[str, ...] | None = None,
        status: str | None = None,
    ) -> Sequence[StatusRecord]:
        """Current statuses, ordered by operator and EVSE."""
        ...

    async def products(
        self,
        owners: tuple[str, ...],
        operator_keys: tuple[str, ...] | None,
        changed_since: datetime | None = None,
        *,
        product_id: str | None = None,
    ) -> Sequence[ProductRecord]:
        """Pricing products (changed at or after a moment, with one id), ordered by operator, provider and product."""
        ...

    async def evse_pricing(
        self,
        owners: tuple[str, ...],
        operator_keys: tuple[str, ...] | None,
        changed_since: datetime | None = None,
        *,
        evse_key: str | None = None,
    ) -> Sequence[EvsePricingRecord]:
        """EVSE pricing (changed at or after a moment, of one EVSE), ordered by operator and EVSE."""
        ...

    async def authentication(self, kind: str, key: str) -> Sequence[AuthenticationRecord]:
        """Who vouches for this identification."""
        ...

    async def authentication_of(self, owner: str) -> Sequence[AuthenticationRecord]:
        """Everything the owner vouches for, ordered by provider."""
        ...
