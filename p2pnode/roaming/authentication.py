"""Authentication data: which drivers an EMP vouches for, so that a CPO can decide without asking.

A PIN is hashed before anything else happens to it; what is stored, answered and sent on has hashes only.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authentication import (
    AllAuthenticationData,
    AuthenticationData,
    AuthenticationDataRecord,
    ProviderAuthenticationData,
    PullAuthenticationData,
    PushAuthenticationData,
)
from p2pnode.oicp.codec import decode, encode, read, replace_members
from p2pnode.oicp.envelopes import join
from p2pnode.oicp.errors import InvalidMessage, ProtocolError, Violation
from p2pnode.oicp.identification import Identification, QRCodeIdentification
from p2pnode.oicp.identifiers import provider_key
from p2pnode.oicp.operations import PULL_AUTHENTICATION_DATA, PUSH_AUTHENTICATION_DATA, Role
from p2pnode.oicp.rules import check, contracts_of_others, errors_in
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import DONE, Code
from p2pnode.roaming.asking import ask_each
from p2pnode.roaming.evse_rows import Rows
from p2pnode.roaming.media import medium_of, without_pin
from p2pnode.roaming.merged import Shown, first_hand, gives_on, published_for, shown_to
from p2pnode.roaming.parcels import Heading, Parcel, full_loads
from p2pnode.roaming.party import Party, Receivers, Senders
from p2pnode.roaming.pins import hash_pin, is_checkable, published_pin, stored_pin
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.published_records import AuthenticationRecord
from p2pnode.roaming.publishing import Publisher
from p2pnode.roaming.pushes import action_of, refuse_invalid, refuse_misfits
from p2pnode.roaming.records import OWN
from p2pnode.roaming.relay import relayed
from p2pnode.roaming.router import Knowledge, resolve
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import own_keys

RECORDS = "/ProviderAuthenticationData/AuthenticationDataRecord"


class Authentication:
    """PushAuthenticationData and the obsolete PullAuthenticationData, both verbs."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self.publisher = Publisher(party, PUSH_AUTHENTICATION_DATA, self._everything)

    @property
    def receivers(self) -> Receivers:
        """What our CPO takes, and what our EMP hands out."""
        return {PUSH_AUTHENTICATION_DATA: self.receive_push, PULL_AUTHENTICATION_DATA: self.receive_pull}

    @property
    def senders(self) -> Senders:
        """What our EMP publishes, and what our CPO asks for."""
        return {PUSH_AUTHENTICATION_DATA: self.send_push, PULL_AUTHENTICATION_DATA: self.send_pull}

    async def receive_push(self, received: Received[PushAuthenticationData]) -> Acknowledgement:
        """eRoamingPushAuthenticationData of an EMP, taken as a whole or not at all.

        Raises InvalidMessage (022) that names every record that cannot be taken, ProtocolError 022 for records that
        must not or must exist, 017 for a provider that is not the peer's, 019 for an EvcoID that is not the provider's.
        """
        data, peer = received.message.provider_authentication_data, received.peer
        if not peer.speaks_for(Role.EMP, data.provider_id):
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, f"{data.provider_id} is not a provider of {peer.name}")
        action = action_of(received.message.action_type)
        providers = None if peer.hub else own_keys(peer, Role.EMP)
        rows = await self._read(received.records, peer.name, data.provider_id, action, providers)
        await self._apply(action, rows, peer.name, data.provider_id)
        if gives_on(self._party, peer, Role.EMP, provider_key(data.provider_id)):
            await self._publish(relayed(received), action, rows, data.provider_id)
        return acknowledge()

    async def send_push(self, outgoing: Outgoing[PushAuthenticationData]) -> Acknowledgement:
        """eRoamingPushAuthenticationData of our EMP: kept as ours, then delivered to every CPO that takes it.

        A PIN in clear goes out as its bcrypt hash. Positive once it is stored; the additional information tells who
        has not got it yet.
        """
        message = outgoing.message
        provider_id = message.provider_authentication_data.provider_id
        caller_id = self._party.own_id(outgoing, provider_id)
        action = action_of(message.action_type)
        rows = await self._read(outgoing.records, OWN, provider_id, action, None)
        await self._apply(action, rows, OWN, provider_id)
        return acknowledge(additional_info=await self._publish(outgoing, action, rows, caller_id))

    async def _publish(
        self,
        outgoing: Outgoing[PushAuthenticationData],
        action: ActionType,
        rows: Sequence[AuthenticationRecord],
        caller_id: str,
    ) -> str | None:
        """Deliver a push to every CPO that takes it; returns what went wrong."""
        body = join(PUSH_AUTHENTICATION_DATA, outgoing.message, [_published(row) for row in rows])
        parcel = Parcel(caller_id, body, action is ActionType.FULL_LOAD)
        return await self.publisher.publish(outgoing, lambda _: parcel)

    async def _read(
        self,
        records: Sequence[bytes],
        owner: str,
        provider_id: str,
        action: ActionType,
        providers: frozenset[str] | None,
    ) -> list[AuthenticationRecord]:
        """The rows of the records, PINs hashed. `providers` are the keys an EvcoID may name; None: any."""
        found: Rows[AuthenticationRecord] = Rows([])
        evco_ids: list[str | None] = []
        async for index, raw in found.reading(records):
            try:
                identification = _identification(raw, whole=action is not ActionType.DELETE)
                if action is ActionType.DELETE:
                    identification = without_pin(identification)
            except InvalidMessage as error:
                found.refuse(index, error.violations)
                continue
            evco_ids.append(identification.evco_id)
            if not found.violations:
                found.rows.append(await self._row(raw, identification, owner, provider_id))
        refuse_invalid(found.violations, RECORDS)
        foreign = contracts_of_others(evco_ids, providers, RECORDS) if providers is not None else ()
        if foreign:
            places = ", ".join(violation.pointer for violation in foreign)
            raise ProtocolError(Code.INCONSISTENT_EVCO_ID, f"not of this provider: {places}", violations=foreign)
        _refuse_twice(found.rows)
        return found.rows

    async def _row(
        self, raw: bytes, identification: Identification, owner: str, provider_id: str
    ) -> AuthenticationRecord:
        medium = medium_of(identification)
        option = identification.option
        hashed = option.hashed_pin if isinstance(option, QRCodeIdentification) else None
        if isinstance(option, QRCodeIdentification) and option.pin is not None:
            hashed = await hash_pin(option.pin, self._party.limits.pin_rounds)
        return AuthenticationRecord(
            owner=owner,
            provider_key=provider_key(provider_id),
            provider_id=provider_id,
            kind=medium.kind.value if medium is not None else "",
            key=medium.key if medium is not None else "",
            body=replace_members(raw, {"Identification": without_pin(identification)}),
            pin_function=hashed.function if hashed is not None else None,
            pin_hash=stored_pin(hashed) if hashed is not None else None,
        )

    async def _apply(
        self, action: ActionType, rows: Sequence[AuthenticationRecord], owner: str, provider_id: str
    ) -> None:
        keys = [(row.kind, row.key) for row in rows]
        provider = provider_key(provider_id)

        def work(publication: Publication) -> None:
            if action is ActionType.FULL_LOAD:
                publication.replace_authentication(owner, provider, rows)
                return
            refuse_misfits(action, keys, publication.known_authentication(owner, provider), _masked)
            if action is ActionType.DELETE:
                publication.delete_authentication(owner, provider, keys)
            else:
                publication.put_authentication(rows)

        await self._party.store.publish(work)

    async def receive_pull(self, received: Received[PullAuthenticationData]) -> AuthenticationData:
        """eRoamingPullAuthenticationData (OICP 2.1): everything EMPs have published through us, with hashed PINs.

        Only a peer whose entry says so gets here: it hands out all contracts.
        """
        records = await self._records(shown_to(self._party, received.peer, Role.EMP))
        blocks = [
            ProviderAuthenticationData(
                provider_id=provider_id,
                authentication_data_record=[read(AuthenticationDataRecord, _published(record)) for record in group],
            )
            for provider_id, group in groupby(records, key=lambda record: record.provider_id)
        ]
        everything = AllAuthenticationData(provider_authentication_data=blocks)
        return AuthenticationData(authentication_data=everything, status_code=DONE)

    async def send_pull(self, outgoing: Outgoing[PullAuthenticationData]) -> AuthenticationData:
        """eRoamingPullAuthenticationData of our CPO, of one EMP or of all; what comes is kept as that peer's."""
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.operator_id)
        knowledge = Knowledge(party.own, to=outgoing.to)
        destinations = resolve(PULL_AUTHENTICATION_DATA, message, party.peers(), knowledge)
        merged: list[ProviderAuthenticationData] = []
        replies = await ask_each(party, destinations, outgoing, caller_id=caller_id)
        counts = first_hand(replies, Role.EMP)
        for reply in replies:
            answer: AuthenticationData = reply.answer
            peer = reply.destination.peer
            if peer is None:
                continue
            blocks = answer.authentication_data.provider_authentication_data
            own = [block for block in blocks if peer.speaks_for(Role.EMP, block.provider_id)]
            kept = [await self._keep(block, peer) for block in own]
            merged += [block for block in kept if counts(reply, provider_key(block.provider_id))]
        return AuthenticationData(
            authentication_data=AllAuthenticationData(provider_authentication_data=merged), status_code=DONE
        )

    async def _keep(self, block: ProviderAuthenticationData, peer: PeerEntry) -> ProviderAuthenticationData:
        """Keep a block as all that the peer vouches for under the provider; returns it with hashed PINs.

        A record whose EvcoID is another provider's is left out.
        """
        providers = None if peer.hub else own_keys(peer, Role.EMP)
        rows = [
            await self._row(encode(record), record.identification, peer.name, block.provider_id)
            for record in block.authentication_data_record
            if medium_of(record.identification) is not None
            and (providers is None or not contracts_of_others([record.identification.evco_id], providers, ""))
        ]
        await self._apply(ActionType.FULL_LOAD, rows, peer.name, block.provider_id)
        published = [read(AuthenticationDataRecord, _published(row)) for row in rows]
        return block.model_copy(update={"authentication_data_record": published})

    async def _records(self, shown: Shown) -> list[AuthenticationRecord]:
        """The authentication data that is shown, by owner and provider."""
        return [
            record
            for owner in shown.owners
            for record in await self._party.store.authentication_of(owner)
            if shown.includes(owner, record.provider_key)
        ]

    async def _everything(self, peer: PeerEntry, _: datetime | None) -> list[Parcel]:
        """The authentication data that the peer gets by us, one full load per provider."""
        shown = await self.publisher.reached.shown_to(peer)
        blocks: dict[Heading, list[bytes]] = {
            (provider_id, ""): [] for provider_id in published_for(self._party, shown, Role.EMP)
        }
        for record in await self._records(shown):
            blocks.setdefault((record.provider_id, ""), []).append(_published(record))

        def message_of(heading: Heading) -> PushAuthenticationData:
            data = ProviderAuthenticationData(provider_id=heading[0], authentication_data_record=[])
            return PushAuthenticationData(action_type=ActionType.FULL_LOAD.value, provider_authentication_data=data)

        return full_loads(PUSH_AUTHENTICATION_DATA, blocks, message_of, self._party.push_records(peer))


def _identification(raw: bytes, *, whole: bool) -> Identification:
    """The identification of a record. With `whole` the record has to be valid; to be deleted it only names a medium."""
    record = read(AuthenticationDataRecord, raw)
    broken = errors_in(check(record)) if whole else ()
    option = record.identification.option
    if option is None:
        broken = (*broken, Violation("/Identification", "missing", "An Identification has one of five options."))
    hashed = option.hashed_pin if isinstance(option, QRCodeIdentification) else None
    if whole and hashed is not None and not is_checkable(hashed):
        sentence = "HashedPIN is none that a PIN can be compared with."
        broken = (*broken, Violation("/Identification/QRCodeIdentification/HashedPIN", "pin", sentence))
    if broken:
        raise InvalidMessage("the record is not valid", broken)
    return record.identification


def _published(record: AuthenticationRecord) -> bytes:
    """A stored record as it is published: its PIN as a hash."""
    if record.pin_hash is None:
        return record.body
    members: Any = decode(record.body)
    option = members["Identification"]["QRCodeIdentification"]
    option["HashedPIN"] = published_pin(record.pin_hash)
    return replace_members(record.body, {"Identification": members["Identification"]})


def _masked(medium: tuple[str, str]) -> str:
    kind, key = medium
    return f"{kind} …{key[-2:]}"


def _refuse_twice(rows: Sequence[AuthenticationRecord]) -> None:
    """Raises InvalidMessage where a medium stands twice in one push."""
    seen: dict[tuple[str, str], int] = {}
    twice = [
        Violation(f"/{index}/Identification", "repeated", f"This medium is that of record {first} too.")
        for index, row in enumerate(rows)
        if (first := seen.setdefault((row.kind, row.key), index)) != index
    ]
    refuse_invalid(twice, RECORDS)
