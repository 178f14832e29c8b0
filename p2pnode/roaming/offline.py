"""Deciding from authentication data that providers have pushed, without asking them."""

from dataclasses import dataclass
from datetime import datetime

from p2pnode.oicp.authentication import AuthenticationDataRecord
from p2pnode.oicp.identification import Identification, RFIDIdentification
from p2pnode.oicp.operations import PUSH_AUTHENTICATION_DATA, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.media import REFUSALS, MediumKind, medium_of, pin_of
from p2pnode.roaming.merged import direct_keys
from p2pnode.roaming.party import Party
from p2pnode.roaming.pins import pin_matches
from p2pnode.roaming.ports import StoreFault
from p2pnode.roaming.published_records import AuthenticationRecord
from p2pnode.roaming.records import OWN
from p2pnode.roaming.stored import read_stored


@dataclass(frozen=True, slots=True)
class Verdict:
    """What pushed data says: the record that vouches for the medium, or the code that refuses it."""

    record: AuthenticationRecord | None
    refusal: Code | None = None


async def decide(party: Party, identification: Identification, at: datetime, asking: str = OWN) -> Verdict | None:
    """The verdict of the authentication data at hand; None where it says nothing about the medium.

    `asking` is the CPO's side, a peer's name where we relay; what that peer has published itself says nothing to it.

    A record of a provider whose peer may no longer publish authentication data to us says nothing, and neither does
    one of a card that has expired: a UID names no provider, and another one may know the card.
    """
    medium = medium_of(identification)
    if medium is None:
        return None
    records = await party.store.authentication(medium.kind, medium.key)
    refusal: Code | None = None
    for record in records:
        if not _counts(party, record) or (record.owner == asking != OWN):
            continue
        try:
            vouches = await _vouches(record, identification, at)
        except StoreFault:  # a record nobody can read says nothing
            continue
        if vouches:
            return Verdict(record)
        if medium.kind is not MediumKind.RFID:
            refusal = REFUSALS[medium.kind]
    return Verdict(None, refusal) if refusal is not None else None


def _counts(party: Party, record: AuthenticationRecord) -> bool:
    if record.owner == OWN:
        return bool(party.own.providers)
    peers = party.peers()
    peer = peers.get(record.owner)
    if peer is None or not peer.enabled or not peer.may_receive(PUSH_AUTHENTICATION_DATA):
        return False
    return not peer.hub or record.provider_key not in direct_keys(peers, party.own, Role.EMP)


async def _vouches(record: AuthenticationRecord, identification: Identification, at: datetime) -> bool:
    if record.kind == MediumKind.QR_CODE:
        pin = pin_of(identification)
        return pin is not None and record.pin_hash is not None and await pin_matches(pin, record.pin_hash)
    published = read_stored(AuthenticationDataRecord, record.body).identification.option
    if isinstance(published, RFIDIdentification) and published.expiry_date is not None:
        return at < published.expiry_date
    return True
