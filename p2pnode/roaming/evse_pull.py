"""PullEvseData: pages of our charging points cut from one snapshot, and crawls over those of our peers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.codec import View, decode, encode, replace_members, time_text
from p2pnode.oicp.coordinates import GEO_MEMBERS, UnreadableCoordinates, in_notation, position_of
from p2pnode.oicp.envelopes import join_page_of_parts, views
from p2pnode.oicp.errors import InvalidMessage, ProtocolError, Violation
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE, PullEvseData
from p2pnode.oicp.evse_sound import EvseSummary, sound_evse_record
from p2pnode.oicp.evse_types import GeoCoordinatesResponseFormatType, SearchCenter
from p2pnode.oicp.identifiers import evse_key, operator_key
from p2pnode.oicp.mending import EvseDataReading, read_evse_record
from p2pnode.oicp.operations import PULL_EVSE_DATA, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import Reply, as_one_page, ask_each
from p2pnode.roaming.crawls import MOST_PAGES, Snapshots, is_last_page
from p2pnode.roaming.evse_rows import Listing, take_evse
from p2pnode.roaming.merged import Shown, first_hand, shown_to
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.published_records import EvseFilter, EvseRecord, EvseVersions, HistoryGone
from p2pnode.roaming.pushes import InOrder, Pushed, in_turns
from p2pnode.roaming.recent import Recent
from p2pnode.roaming.records import PageRequest
from p2pnode.roaming.router import Knowledge, is_foreign_to, resolve
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import own_keys, visible_prefixes

DELETED = "delete"
GOOGLE = GeoCoordinatesResponseFormatType.GOOGLE
OTHERS: Mapping[GeoCoordinatesResponseFormatType, tuple[bytes, ...]] = {
    GOOGLE: (b'"DecimalDegree"', b'"DegreeMinuteSeconds"'),
    GeoCoordinatesResponseFormatType.DECIMAL_DEGREE: (b'"Google"', b'"DegreeMinuteSeconds"'),
    GeoCoordinatesResponseFormatType.DEGREE_MINUTE_SECONDS: (b'"Google"', b'"DecimalDegree"'),
}
"""What stands in every record that gives a place in another notation than this one."""
_view: Callable[[bytes], memoryview] = memoryview
_without_brace: Callable[[memoryview], memoryview] = itemgetter(slice(1, None))


@dataclass(slots=True)
class Stage:
    """What a crawl over a peer's pages has brought so far."""

    pushed: Pushed
    """What the peer has pushed since it was asked for the first of them, which is newer."""
    begun_at: int = 0
    next_page: int = 0
    count: int = 0
    rows: list[EvseRecord] = field(default_factory=list[EvseRecord])
    deleted: list[str] = field(default_factory=list[str])


class EvsePulls:
    """The operation's two verbs."""

    def __init__(self, party: Party, in_order: InOrder) -> None:
        self._party = party
        self._in_order = in_order
        self._snapshots = Snapshots(party.limits.crawls, party.limits.crawl)
        self._stages: Recent[tuple[str, bytes, str], Stage] = Recent(party.limits.crawls)
        self._operators: dict[str, set[str]] = {}

    async def receive(self, received: Received[PullEvseData]) -> bytes:
        """eRoamingPullEvseData: one page of the EVSE data records that the peer may see, with their `lastUpdate`.

        With LastCall the records that have changed since, with their `deltaType`. Raises InvalidMessage for a
        SearchCenter that is no place.
        """
        party, message, page = self._party, received.message, received.page
        crawl = (received.peer.name, page.size, encode(message))
        snapshot = self._snapshots.at(crawl, page.page, party.now(), party.store.clock)
        shown = shown_to(party, received.peer, Role.CPO)
        wanted = _filter(message, snapshot.as_of, visible_prefixes(received.peer), shown)
        try:
            total = snapshot.total
            if total is None:
                total = snapshot.total = await party.store.evse_count(wanted)
            notation = _notation(message.geo_coordinates_response_format)
            return await party.store.evse_versions(wanted, page, lambda found: _joined(found, notation, page, total))
        except HistoryGone as error:
            raise ProtocolError(Code.DATA_ERROR, f"LastCall is too long ago, pull without it: {error}") from error

    async def send(self, outgoing: Outgoing[PullEvseData]) -> bytes:
        """eRoamingPullEvseData of our EMP: one page, from one CPO or from all.

        What comes is staged, and kept as that peer's data once its last page is here: in place of the old copy where
        everything was asked for, as changes to it otherwise.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        destinations = resolve(PULL_EVSE_DATA, message, party.peers(), Knowledge(party.own, to=outgoing.to))
        pushed = {each.name: self._in_order.watch(each.name) for each in destinations}
        replies = await ask_each(party, destinations, outgoing, caller_id=caller_id)
        for reply in replies:
            await self._stage(reply, message, outgoing.page, pushed[reply.destination.name])
        return as_one_page(_without_copies(replies), outgoing.page)

    async def crawl(self, message: PullEvseData, to: str, process_id: str, source: PeerEntry | None = None) -> int:
        """Pull all pages from one peer; returns how many records came. Raises ProtocolError as `send` does.

        A relay without a provider of its own pulls for the EMP `source`.
        """
        count = 0
        try:
            for number in range(MOST_PAGES):
                page = PageRequest(number, LARGEST_PAGE_SIZE)
                pushed = self._in_order.watch(to)
                reply = await self._ask(message, to, process_id, source, page)
                count += len(reply.records)
                if await self._stage(reply, message, page, pushed, process_id):
                    return count
        finally:
            self._stages.drop((to, encode(message), process_id))
        raise ProtocolError(Code.DATA_ERROR, f"{to} has more than {MOST_PAGES} pages")

    async def total(
        self, message: PullEvseData, to: str, process_id: str, source: PeerEntry | None = None
    ) -> int | None:
        """How many records a peer has, where it tells; none is kept. Raises ProtocolError."""
        reply = await self._ask(message, to, process_id, source, PageRequest(0, 1))
        total: int | None = reply.answer.total_elements
        return total

    async def _ask(
        self, message: PullEvseData, to: str, process_id: str, source: PeerEntry | None, page: PageRequest
    ) -> Reply:
        """One page of one peer."""
        party = self._party
        outgoing = Outgoing(
            PULL_EVSE_DATA, message, encode(message), process_id, message.provider_id, page=page, to=to, source=source
        )
        destinations = resolve(PULL_EVSE_DATA, message, party.peers(), Knowledge(party.own, to=to, source=source))
        (reply,) = await ask_each(party, destinations[:1], outgoing, caller_id=party.own_id(outgoing))
        return reply

    async def _stage(
        self, reply: Reply, message: PullEvseData, page: PageRequest, pushed: Pushed, who: str = ""
    ) -> bool:
        """Keep one page beside the old copy, everything once it was the last; returns whether it was.

        `pushed` is what has come since the page was asked for. `who` tells crawls apart that ask the same at the same
        time.
        """
        owner = reply.destination.name
        crawl = (owner, encode(message), who)
        stage = self._stages.get(crawl) if page.page > 0 else None
        if stage is None or stage.next_page != page.page:
            stage = Stage(pushed, begun_at=page.page)
            self._stages.put(crawl, stage)
        stage.next_page = page.page + 1
        stage.count += len(reply.records)
        fallback = next(iter(reply.destination.peer.operators), "") if reply.destination.peer is not None else ""
        listing = Listing(owner, fallback, is_shown=self._party.relay)
        peers, own = self._party.peers(), self._party.own
        async for _, raw in in_turns(views(reply.records)):
            reading = sound_evse_record(raw) or read_evse_record(bytes(raw))
            if not is_foreign_to(reply.destination, reading.evse_id, peers, own):
                _add(stage, raw, reading, listing)
        if not is_last_page(reply.answer, len(reply.records), page):
            return False
        self._stages.drop(crawl)
        complete = stage.begun_at == 0 and stage.count >= (reply.answer.total_elements or 0)
        whole = complete and _is_whole(message)
        async with self._in_order.of(owner):
            await self._keep(owner, stage, whole=whole)
        return True

    async def _keep(self, owner: str, stage: Stage, *, whole: bool) -> None:
        """Keep what a crawl has brought; of what was pushed meanwhile nothing is changed."""
        at, pushed = self._party.now(), stage.pushed
        by_operator: dict[str, list[EvseRecord]] = {}
        for row in stage.rows:
            if not pushed.includes(row.evse_key, row.operator_key):
                by_operator.setdefault(row.operator_key, []).append(row)
        deleted = [key for key in stage.deleted if key not in pushed.evses]
        known = self._operators.setdefault(owner, set())
        if whole:
            peer = self._party.peers().get(owner)
            listed = known | own_keys(peer, Role.CPO) if peer is not None else known
            by_operator |= {key: [] for key in listed - by_operator.keys() - pushed.operators}
        known.update(by_operator)

        def work(publication: Publication) -> None:
            for key, rows in by_operator.items():
                if whole:
                    publication.replace_evses(owner, key, rows, at, untouched=pushed.evses)
                else:
                    publication.put_evses(rows, at)
            if deleted:
                publication.delete_evses(owner, deleted, at)

        await self._party.store.publish(work)


def _filter(message: PullEvseData, as_of: datetime, prefixes: tuple[str, ...] | None, shown: Shown) -> EvseFilter:
    search = message.search_center
    operators = message.operator_ids
    return EvseFilter(
        owners=shown.owners,
        hubs=shown.hubs,
        direct=tuple(sorted(shown.direct)),
        as_of=as_of,
        changed_since=message.last_call.astimezone(UTC) if message.last_call is not None else None,
        operator_keys=tuple(sorted({operator_key(text) for text in operators})) if operators else None,
        countries=_some(message.country_codes),
        authentication_modes=_some(message.authentication_modes),
        accessibility=_some(message.accessibility),
        calibration_law=_some(message.calibration_law_data_availability),
        renewable_energy=message.renewable_energy,
        is_hubject_compatible=message.is_hubject_compatible,
        is_open_24_hours=message.is_open_24_hours,
        center=center_of(search) if search is not None else None,
        radius=float(search.radius) if search is not None else None,
        evse_key_prefixes=prefixes,
    )


def _some(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None


def center_of(search: SearchCenter) -> tuple[float, float]:
    """The place of a SearchCenter in degrees. Raises InvalidMessage where it is none."""
    try:
        position = position_of(search.geo_coordinates)
    except UnreadableCoordinates as error:
        violation = Violation("/SearchCenter/GeoCoordinates", "coordinates", f"GeoCoordinates: {error}.")
        raise InvalidMessage(violation.message, [violation]) from None
    return float(position.latitude), float(position.longitude)


def _notation(text: str) -> GeoCoordinatesResponseFormatType:
    """The notation that was asked for, Google where it is not one of the three."""
    known = text in GeoCoordinatesResponseFormatType.__members__.values()
    return GeoCoordinatesResponseFormatType(text) if known else GOOGLE


def _joined(found: EvseVersions, notation: GeoCoordinatesResponseFormatType, page: PageRequest, total: int) -> bytes:
    """The page of these records: their bytes, with `lastUpdate` and `deltaType` before their own members."""
    if set(found.notations) != {notation.value}:
        pairs = zip(found.bodies, found.notations, strict=True)
        shown = [body if given == notation else _in_notation(body, notation) for body, given in pairs]
        found = found._replace(bodies=shown)
    return _page(found, page, total)


def _page(found: EvseVersions, page: PageRequest, total: int) -> bytes:
    count = len(found.bodies)
    parts: list[View] = [b""] * (2 * count)
    parts[::2] = map(_head, found.changed_at, found.delta_types)
    parts[1::2] = map(_without_brace, map(_view, found.bodies))
    if parts:
        parts[0] = parts[0][1:]  # no comma before the first
    return join_page_of_parts(parts, count, number=page.page, size=page.size, total_elements=total)


@lru_cache(maxsize=1024)
def _head(changed_at: datetime, delta_type: str | None) -> bytes:
    """What stands before the members of a record, the same for all that changed in one push."""
    delta = f'"deltaType":"{delta_type}",' if delta_type is not None else ""
    return f',{{{delta}"lastUpdate":"{time_text(changed_at)}",'.encode()


def _in_notation(body: bytes, notation: GeoCoordinatesResponseFormatType) -> bytes:
    """The record with its places in this notation. It gives them in some: where no other is named, it is in this."""
    if not any(other in body for other in OTHERS[notation]):
        return body
    members = cast("dict[str, Any]", decode(body))
    converted = in_notation(members, notation)
    changes: Mapping[str, object] = {
        name: converted[name] for name in GEO_MEMBERS if name in converted and converted[name] is not members[name]
    }
    return replace_members(body, changes) if changes else body


def _add(stage: Stage, raw: View, reading: EvseDataReading | EvseSummary, listing: Listing) -> None:
    """Take one record of a page; one that cannot be read costs only itself."""
    delta_type, operator, name = _told(reading)
    if delta_type == DELETED:
        if reading.evse_id:
            stage.deleted.append(evse_key(reading.evse_id))
        return
    listing = replace(
        listing,
        operator_id=operator if isinstance(operator, str) else listing.operator_id,
        operator_name=name if isinstance(name, str) else "",
    )
    take_evse(stage.rows, raw, reading, listing)


def _told(reading: EvseDataReading | EvseSummary) -> tuple[object, object, object]:
    """The deltaType, OperatorID and OperatorName of a record, also of one that cannot be taken."""
    if isinstance(reading, EvseSummary):
        return reading.delta_type, reading.operator_id, reading.operator_name
    return reading.body.get("deltaType"), reading.body.get("OperatorID"), reading.body.get("OperatorName")


def _without_copies(replies: Sequence[Reply]) -> list[Reply]:
    """The answers without the records that a hub shows for operators which have answered themselves."""
    counts = first_hand(replies, Role.CPO)

    def is_first_hand(reply: Reply, raw: bytes) -> bool:
        operator = read_evse_record(raw).body.get("OperatorID")
        return not isinstance(operator, str) or counts(reply, operator_key(operator))

    direct = [reply for reply in replies if reply.destination.peer is None or not reply.destination.peer.hub]
    hubs = [reply for reply in replies if reply not in direct]
    if not direct or not hubs:
        return list(replies)
    new = (replace(reply, records=[raw for raw in reply.records if is_first_hand(reply, raw)]) for reply in hubs)
    return [*direct, *new]


def _is_whole(message: PullEvseData) -> bool:
    """Whether everything was asked for."""
    filters = PullEvseData.model_fields.keys() - {"provider_id", "geo_coordinates_response_format"}
    return all(getattr(message, name) in (None, []) for name in filters)
