"""The three pulls of EVSE status: all, by EvseID, by operator."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_status import (
    EvseStatus,
    EvseStatusById,
    EvseStatusByOperatorId,
    EvseStatuses,
    EvseStatusRecord,
    EvseStatusRecords,
    EvseStatusType,
    OperatorEvseStatus,
    PullEvseStatus,
    PullEvseStatusById,
    PullEvseStatusByOperatorId,
)
from p2pnode.oicp.evse_types import SearchCenter
from p2pnode.oicp.identifiers import evse_key, operator_key, operator_of_evse
from p2pnode.oicp.mending import read_status_record
from p2pnode.oicp.operations import Role
from p2pnode.oicp.status import DONE
from p2pnode.roaming.asking import Reply, ask_each
from p2pnode.roaming.evse_pull import center_of
from p2pnode.roaming.merged import Shown, first_hand, shown_to
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.published_records import EvseFilter, StatusRecord
from p2pnode.roaming.pushes import InOrder, Pushed
from p2pnode.roaming.records import PageRequest
from p2pnode.roaming.router import Knowledge, is_foreign_to, resolve
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import is_visible, own_keys, visible_prefixes

NEARBY_AT_ONCE = 2000


class StatusPulls:
    """The three operations, both verbs."""

    def __init__(self, party: Party, in_order: InOrder) -> None:
        self._party = party
        self._in_order = in_order

    async def receive(self, received: Received[PullEvseStatus]) -> bytes:
        """eRoamingPullEvseStatus: the statuses that the peer may see, by operator.

        Raises InvalidMessage for a SearchCenter that is no place.
        """
        message = received.message
        near = await self._near(message.search_center, received.peer) if message.search_center is not None else None
        shown = shown_to(self._party, received.peer, Role.CPO)
        records = await self._party.store.statuses(shown.owners, evse_keys=near, status=message.evse_status)
        return _by_operator(records, received.peer, shown)

    async def receive_by_operator(self, received: Received[PullEvseStatusByOperatorId]) -> bytes:
        """eRoamingPullEvseStatusByOperatorId: the statuses listed under the given operators."""
        keys = tuple(sorted({operator_key(text) for text in received.message.operator_id}))
        shown = shown_to(self._party, received.peer, Role.CPO)
        records = await self._party.store.statuses(shown.owners, operator_keys=keys)
        return _by_operator(records, received.peer, shown)

    async def receive_by_id(self, received: Received[PullEvseStatusById]) -> EvseStatusById:
        """eRoamingPullEvseStatusById: the status of each EVSE, `EvseNotFound` for one that we have not to show."""
        keys = {evse_key(evse_id): evse_id for evse_id in received.message.evse_id}
        visible = tuple(key for key in keys if is_visible(received.peer, key))
        shown = shown_to(self._party, received.peer, Role.CPO)
        stored = await self._party.store.statuses(shown.owners, evse_keys=visible)
        found = {record.evse_key: record for record in stored if shown.includes(record.owner, record.operator_key)}
        records: list[EvseStatusRecord] = []
        for key, evse_id in keys.items():
            status = found[key].status if key in found else EvseStatusType.EVSE_NOT_FOUND.value
            if key not in found and key in visible and await self._is_published(key, shown):
                status = EvseStatusType.UNKNOWN.value
            records.append(EvseStatusRecord(evse_id=evse_id, evse_status=status))
        return EvseStatusById(evse_status_records=EvseStatusRecords(evse_status_record=records), status_code=DONE)

    async def _is_published(self, key: str, shown: Shown) -> bool:
        """Whether somebody whose data is shown has published the EVSE."""
        return any(found.owner in shown.owners for found in await self._party.store.evse_owners(key))

    async def _near(self, search: SearchCenter, peer: PeerEntry) -> tuple[str, ...]:
        """The keys of the EVSEs within the radius."""
        wanted = EvseFilter(
            owners=shown_to(self._party, peer, Role.CPO).owners,
            as_of=self._party.store.clock(),
            center=center_of(search),
            radius=float(search.radius),
            evse_key_prefixes=visible_prefixes(peer),
        )
        keys: list[str] = []
        number = 0
        while page := await self._party.store.evse_page(wanted, PageRequest(number, NEARBY_AT_ONCE)):
            keys += [record.evse_key for record in page]
            number += 1
        return tuple(keys)

    async def send(self, outgoing: Outgoing[PullEvseStatus]) -> EvseStatus:
        """eRoamingPullEvseStatus of our EMP, of one CPO or of all; what comes is kept as that peer's."""
        whole = outgoing.message.search_center is None and outgoing.message.evse_status is None
        replies, pushed = await self._asked(outgoing, outgoing.message.provider_id)
        for reply in replies:
            await self._keep_blocks(reply, None if whole else (), pushed[reply.destination.name])
        return EvseStatus(evse_statuses=EvseStatuses(operator_evse_status=_merged(replies)), status_code=DONE)

    async def send_by_operator(self, outgoing: Outgoing[PullEvseStatusByOperatorId]) -> EvseStatusByOperatorId:
        """eRoamingPullEvseStatusByOperatorId of our EMP; what comes is kept as that peer's."""
        keys = [operator_key(text) for text in outgoing.message.operator_id]
        replies, pushed = await self._asked(outgoing, outgoing.message.provider_id)
        for reply in replies:
            await self._keep_blocks(reply, keys, pushed[reply.destination.name])
        blocks = EvseStatuses(operator_evse_status=_merged(replies))
        return EvseStatusByOperatorId(evse_statuses=blocks, status_code=DONE)

    async def send_by_id(self, outgoing: Outgoing[PullEvseStatusById]) -> EvseStatusById:
        """eRoamingPullEvseStatusById of our EMP; a CPO that does not know an EVSE never overrules one that does."""
        replies, pushed = await self._asked(outgoing, outgoing.message.provider_id)
        for reply in sorted(replies, key=_is_of_hub):
            records = reply.answer.evse_status_records.evse_status_record
            await self._keep_records(reply, records, pushed[reply.destination.name])
        merged: dict[str, EvseStatusRecord] = {}
        for reply in sorted(replies, key=_is_of_hub):
            answer: EvseStatusById = reply.answer
            for record in answer.evse_status_records.evse_status_record:
                key = evse_key(record.evse_id)
                if key not in merged or merged[key].evse_status == EvseStatusType.EVSE_NOT_FOUND:
                    merged[key] = record
        found = EvseStatusRecords(evse_status_record=list(merged.values()))
        return EvseStatusById(evse_status_records=found, status_code=DONE)

    async def _asked(
        self,
        outgoing: Outgoing[PullEvseStatus] | Outgoing[PullEvseStatusByOperatorId] | Outgoing[PullEvseStatusById],
        provider_id: str,
    ) -> tuple[list[Reply], Mapping[str, Pushed]]:
        """The answers, and what each of those who were asked has pushed since."""
        party = self._party
        caller_id = party.own_id(outgoing, provider_id)
        knowledge = Knowledge(party.own, to=outgoing.to, source=outgoing.source)
        destinations = resolve(outgoing.operation, outgoing.message, party.peers(), knowledge)
        pushed = {each.name: self._in_order.watch(each.name) for each in destinations}
        return await ask_each(party, destinations, outgoing, caller_id=caller_id), pushed

    async def _keep_blocks(self, reply: Reply, complete: Iterable[str] | None, pushed: Pushed) -> None:
        """Keep the blocks of an answer, each in place of all that the peer published for the operator if it is whole.

        `complete` are the operators whose answer is whole; None: everything is, also for operators that are missing.
        """
        answer: EvseStatus = reply.answer
        owner = reply.destination.name
        rows: dict[str, list[StatusRecord]] = {}
        for block in answer.evse_statuses.operator_evse_status:
            key = operator_key(block.operator_id)
            listed = rows.setdefault(key, [])
            listed += [
                self._row(record, owner, block.operator_id, block.operator_name)
                for record in block.evse_status_record
                if self._is_its(reply, record)
            ]
        async with self._in_order.of(owner):
            await self._keep_rows(reply, complete, pushed, rows)

    async def _keep_rows(
        self, reply: Reply, complete: Iterable[str] | None, pushed: Pushed, answered: Mapping[str, list[StatusRecord]]
    ) -> None:
        """Keep the rows of an answer, by operator; of what was pushed meanwhile nothing is changed."""
        owner, peer = reply.destination.name, reply.destination.peer
        rows = {
            key: [row for row in found if not pushed.includes(row.evse_key, key)] for key, found in answered.items()
        }
        whole = set(rows) | own_keys(peer, Role.CPO) if complete is None and peer is not None else set(complete or ())
        whole -= pushed.operators
        if pushed.evses:
            for row in await self._party.store.statuses((owner,), operator_keys=tuple(sorted(whole))):
                if row.evse_key in pushed.evses:
                    rows.setdefault(row.operator_key, []).append(row)

        def work(publication: Publication) -> None:
            for key, records in rows.items():
                if key not in whole:
                    publication.put_statuses(records)
            for key in whole:
                publication.replace_statuses(owner, key, rows.get(key, []))

        await self._party.store.publish(work)

    async def _keep_records(self, reply: Reply, records: Sequence[EvseStatusRecord], pushed: Pushed) -> None:
        """Keep the answer to a pull by id: a status that is known, and that an EVSE is gone."""
        async with self._in_order.of(reply.destination.name):
            older = [record for record in records if evse_key(record.evse_id) not in pushed.evses]
            await self._keep_known(reply, older)

    async def _keep_known(self, reply: Reply, records: Sequence[EvseStatusRecord]) -> None:
        owner, peer = reply.destination.name, reply.destination.peer
        first = peer.operators[0] if peer is not None and peer.operators else ""
        gone = [record for record in records if record.evse_status == EvseStatusType.EVSE_NOT_FOUND]
        rows: list[StatusRecord] = []
        for record in records:
            if record in gone or not self._is_its(reply, record):
                continue
            known = await self._party.store.evse(evse_key(record.evse_id), owner)
            operator = known.operator_id if known else operator_of_evse(record.evse_id) or first
            rows.append(self._row(record, owner, operator, known.operator_name if known else None))

        def work(publication: Publication) -> None:
            publication.put_statuses(rows)
            publication.delete_statuses(owner, [evse_key(record.evse_id) for record in gone])

        await self._party.store.publish(work)

    def _is_its(self, reply: Reply, record: EvseStatusRecord) -> bool:
        """Whether the peer may publish the EVSE; the status of another's is shown to who asked, and not kept."""
        return not is_foreign_to(reply.destination, record.evse_id, self._party.peers(), self._party.own)

    def _row(self, record: EvseStatusRecord, owner: str, operator_id: str, name: str | None) -> StatusRecord:
        reading = read_status_record(record.wire())
        mended = reading.record or record
        return StatusRecord(
            owner=owner,
            evse_key=evse_key(mended.evse_id),
            evse_id=mended.evse_id,
            operator_key=operator_key(operator_id),
            operator_id=operator_id,
            operator_name=name or "",
            status=mended.evse_status,
            body=encode(record),
            changed_at=self._party.now(),
        )


def _is_of_hub(reply: Reply) -> bool:
    return reply.destination.peer is not None and reply.destination.peer.hub


def _by_operator(records: Iterable[StatusRecord], peer: PeerEntry, shown: Shown) -> bytes:
    """An eRoamingEvseStatus joined from stored records, a block per operator."""
    seen = [
        record
        for record in records
        if is_visible(peer, record.evse_key) and shown.includes(record.owner, record.operator_key)
    ]
    blocks: list[bytes] = []
    for _, group in groupby(seen, key=lambda record: record.operator_key):
        listed = list(group)
        head = OperatorEvseStatus(
            operator_id=listed[0].operator_id,
            operator_name=next((record.operator_name for record in listed if record.operator_name), None),
            evse_status_record=[],
        )
        blocks.append(encode(head)[:-2] + b",".join(record.body for record in listed) + b"]}")
    return b'{"EvseStatuses":{"OperatorEvseStatus":[%b]},"StatusCode":%b}' % (b",".join(blocks), encode(DONE))


def _merged(replies: Sequence[Reply]) -> list[OperatorEvseStatus]:
    counts = first_hand(replies, Role.CPO)
    return [
        block
        for reply in replies
        for block in reply.answer.evse_statuses.operator_evse_status
        if counts(reply, operator_key(block.operator_id))
    ]
