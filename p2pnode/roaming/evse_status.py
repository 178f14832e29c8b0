"""EVSE status: what our CPO publishes and shows, and what peers publish to our EMP or show it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.codec import encode
from p2pnode.oicp.envelopes import join
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_status import (
    EvseStatus,
    OperatorEvseStatus,
    PullEvseStatus,
    PullEvseStatusByOperatorId,
    PushEvseStatus,
)
from p2pnode.oicp.identifiers import evse_key, operator_key
from p2pnode.oicp.operations import (
    PULL_EVSE_STATUS,
    PULL_EVSE_STATUS_BY_ID,
    PULL_EVSE_STATUS_BY_OPERATOR_ID,
    PUSH_EVSE_STATUS,
    Role,
)
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.evse_rows import Listing, Rows, add_status, named_evses
from p2pnode.roaming.evse_status_pull import StatusPulls
from p2pnode.roaming.merged import gives_on, published_for
from p2pnode.roaming.parcels import Heading, Parcel, full_loads
from p2pnode.roaming.party import Party, Receivers, Senders
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.published_records import StatusRecord
from p2pnode.roaming.publishing import Publisher
from p2pnode.roaming.pushes import (
    InOrder,
    action_of,
    refuse_foreign,
    refuse_invalid,
    refuse_misfits,
    refuse_repeated,
)
from p2pnode.roaming.records import OWN
from p2pnode.roaming.relay import relayed
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import is_visible, visible_prefixes

RECORDS = "/OperatorEvseStatus/EvseStatusRecord"


class EvseStatusService:
    """PushEvseStatus and the three pulls of status, both verbs."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._in_order = InOrder()
        self._pulls = StatusPulls(party, self._in_order)
        self.publisher = Publisher(party, PUSH_EVSE_STATUS, self._everything)

    @property
    def receivers(self) -> Receivers:
        """What our EMP takes, and what our CPO shows."""
        return {
            PUSH_EVSE_STATUS: self.receive_push,
            PULL_EVSE_STATUS: self._pulls.receive,
            PULL_EVSE_STATUS_BY_ID: self._pulls.receive_by_id,
            PULL_EVSE_STATUS_BY_OPERATOR_ID: self._pulls.receive_by_operator,
        }

    @property
    def senders(self) -> Senders:
        """What our CPO publishes, and what our EMP asks for."""
        return {
            PUSH_EVSE_STATUS: self.send_push,
            PULL_EVSE_STATUS: self._pulls.send,
            PULL_EVSE_STATUS_BY_ID: self._pulls.send_by_id,
            PULL_EVSE_STATUS_BY_OPERATOR_ID: self._pulls.send_by_operator,
        }

    async def receive_push(self, received: Received[PushEvseStatus]) -> Acknowledgement:
        """eRoamingPushEvseStatus of a CPO, taken as a whole or not at all.

        Raises InvalidMessage (022) that names every record that cannot be taken, ProtocolError 022 for records that
        must not or must exist, 017 for an operator that is not the peer's, 018 for EvseIDs that are not the operator's
        or stand twice.
        """
        block, peer = received.message.operator_evse_status, received.peer
        if not peer.speaks_for(Role.CPO, block.operator_id):
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, f"{block.operator_id} is not an operator of {peer.name}")
        action = action_of(received.message.action_type)
        listing = Listing(peer.name, block.operator_id, block.operator_name or "")
        async with self._in_order.of(peer.name):
            evse_ids, rows = await self._read(received.records, listing, action)
            refuse_foreign(peer, evse_ids)
            await self._apply(action, evse_ids, rows, listing)
            self._in_order.note(peer.name, action, operator_key(block.operator_id), evse_ids)
        if gives_on(self._party, peer, Role.CPO, operator_key(block.operator_id)):
            await self._publish(relayed(received), action, evse_ids, block.operator_id)
        return acknowledge()

    async def send_push(self, outgoing: Outgoing[PushEvseStatus]) -> Acknowledgement:
        """eRoamingPushEvseStatus of our CPO: kept as ours, then delivered to every EMP that may see the EVSEs.

        Positive once it is stored; the additional information tells who has not got it yet. Raises ProtocolError where
        our own data is not valid.
        """
        block = outgoing.message.operator_evse_status
        caller_id = self._party.own_id(outgoing, block.operator_id)
        action = action_of(outgoing.message.action_type)
        listing = Listing(OWN, block.operator_id, block.operator_name or "")
        evse_ids, rows = await self._read(outgoing.records, listing, action)
        await self._apply(action, evse_ids, rows, listing)
        return acknowledge(additional_info=await self._publish(outgoing, action, evse_ids, caller_id))

    async def pull(
        self, peer: PeerEntry, provider_id: str, *, source: PeerEntry | None = None, by_operator: bool = False
    ) -> int:
        """Pull all statuses of a peer; returns how many came. Raises ProtocolError.

        What it pushes meanwhile is newer than the answer.
        """
        process_id, to = self._party.new_session_id(), peer.name
        if by_operator:
            some = PullEvseStatusByOperatorId(provider_id=provider_id, operator_id=list(peer.operators))
            operation = PULL_EVSE_STATUS_BY_OPERATOR_ID
            answer: EvseStatus = await self._pulls.send_by_operator(
                Outgoing(operation, some, encode(some), process_id, provider_id, to=to, source=source)
            )
        else:
            whole = PullEvseStatus(provider_id=provider_id)
            answer = await self._pulls.send(
                Outgoing(PULL_EVSE_STATUS, whole, encode(whole), process_id, provider_id, to=to, source=source)
            )
        return sum(len(block.evse_status_record) for block in answer.evse_statuses.operator_evse_status)

    async def _publish(
        self, outgoing: Outgoing[PushEvseStatus], action: ActionType, evse_ids: Sequence[str], caller_id: str
    ) -> str | None:
        """Deliver a push to every EMP that may see some of it; returns what went wrong."""
        keys = [evse_key(evse_id) for evse_id in evse_ids]

        def parcel_for(peer: PeerEntry) -> Parcel | None:
            full = action is ActionType.FULL_LOAD
            if visible_prefixes(peer) is None:
                return Parcel(caller_id, outgoing.body, full)
            seen = [raw for key, raw in zip(keys, outgoing.records, strict=True) if is_visible(peer, key)]
            if not seen and not full:
                return None
            return Parcel(caller_id, join(PUSH_EVSE_STATUS, outgoing.message, seen), full)

        return await self.publisher.publish(outgoing, parcel_for)

    async def _read(
        self, records: Sequence[bytes], listing: Listing, action: ActionType
    ) -> tuple[list[str], list[StatusRecord]]:
        """The EvseIDs of all records, and the rows of those that are not to be deleted."""
        at = self._party.now()
        found: Rows[StatusRecord] = Rows([])
        if action is ActionType.DELETE:
            evse_ids = await named_evses(records, found)
        else:
            async for index, raw in found.reading(records):
                add_status(found, index, raw, listing, at, strict=True)
            evse_ids = [row.evse_id for row in found.rows]
        refuse_invalid(found.violations, RECORDS)
        refuse_repeated(evse_ids, RECORDS)
        return evse_ids, found.rows

    async def _apply(
        self, action: ActionType, evse_ids: Iterable[str], rows: Sequence[StatusRecord], listing: Listing
    ) -> None:
        keys = [evse_key(evse_id) for evse_id in evse_ids]

        def work(publication: Publication) -> None:
            if action is ActionType.FULL_LOAD:
                publication.replace_statuses(listing.owner, operator_key(listing.operator_id), rows)
                return
            refuse_misfits(action, keys, publication.known_statuses(listing.owner, keys))
            if action is ActionType.DELETE:
                publication.delete_statuses(listing.owner, keys)
            else:
                publication.put_statuses(rows)

        await self._party.store.publish(work)

    async def _everything(self, peer: PeerEntry, _: datetime | None) -> list[Parcel]:
        """The statuses that the peer may see, one full load per operator."""
        shown = await self.publisher.reached.shown_to(peer)
        blocks: dict[Heading, list[bytes]] = {
            (operator_id, ""): [] for operator_id in published_for(self._party, shown, Role.CPO)
        }
        names: dict[str, str] = {}
        for record in await self._party.store.statuses(shown.owners):
            if is_visible(peer, record.evse_key) and shown.includes(record.owner, record.operator_key):
                blocks.setdefault((record.operator_id, ""), []).append(record.body)
                if record.operator_name:
                    names.setdefault(record.operator_id, record.operator_name)

        def message_of(heading: Heading) -> PushEvseStatus:
            operator_id, _ = heading
            block = OperatorEvseStatus(
                operator_id=operator_id, operator_name=names.get(operator_id), evse_status_record=[]
            )
            return PushEvseStatus(action_type=ActionType.FULL_LOAD.value, operator_evse_status=block)

        return full_loads(PUSH_EVSE_STATUS, blocks, message_of, self._party.push_records(peer))
