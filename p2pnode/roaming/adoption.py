"""Sessions that others began without us, and that we first hear of when they are under way.

A CPO begins one by itself from the authentication data our EMP has published to it; the identification in its first
message says whether the driver is ours. A relay hears of sessions whose parties reached each other directly before, or
by data published through it.
"""

from datetime import datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.authorization import AuthorizeRemoteStop, AuthorizeStop
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.identifiers import evse_key, provider_key, session_key
from p2pnode.oicp.operations import PUSH_AUTHENTICATION_DATA
from p2pnode.roaming.evse_checks import cpo_of, operator_of
from p2pnode.roaming.media import medium_of, provider_in, stored_identification
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import ChargingNotification, Outgoing
from p2pnode.roaming.published_records import AuthenticationRecord
from p2pnode.roaming.records import OWN, SessionRecord, SessionState
from p2pnode.roaming.router import comes_back


async def adopted(
    party: Party,
    peer: PeerEntry,
    message: ChargingNotification | ChargeDetailRecord | AuthorizeStop,
    operator_id: str,
    at: datetime,
) -> SessionRecord | None:
    """The session as the CPO must have begun it; None where nobody is known to have vouched for the driver to it.

    `operator_id` is the identifier the peer has sent the message under.
    """
    identification = message.identification
    record = await _vouched(party, peer, identification) if identification is not None else None
    if record is not None:
        emp, provider_id = record.owner, record.provider_id
    elif (named := _named_emp(party, peer, message)) is not None:
        emp, provider_id = named
    else:
        return None
    evse_id = message.evse_id
    return SessionRecord(
        key=session_key(message.session_id),
        session_id=message.session_id,
        state=SessionState.AUTHORIZED,
        cpo=peer.name,
        emp=emp,
        operator_id=operator_id,
        provider_id=provider_id,
        created_at=at,
        updated_at=at,
        evse_key=evse_key(evse_id) if evse_id is not None else None,
        evse_id=evse_id,
        identification=stored_identification(identification) if identification is not None else None,
        authorized_by_push=record is not None,
    )


async def adopted_from_afar(party: Party, outgoing: Outgoing[AuthorizeRemoteStop], at: datetime) -> SessionRecord:
    """The session an EMP must have begun with the CPO of the EVSE. Raises ProtocolError as `cpo_of` does."""
    message = outgoing.message
    destination = await cpo_of(party, outgoing, None)
    return SessionRecord(
        key=session_key(message.session_id),
        session_id=message.session_id,
        state=SessionState.AUTHORIZED,
        cpo=destination.name,
        emp=outgoing.sender,
        operator_id=operator_of(party, destination, message.evse_id),
        provider_id=party.own_id(outgoing, message.provider_id),
        created_at=at,
        updated_at=at,
        evse_key=evse_key(message.evse_id),
        evse_id=message.evse_id,
    )


async def _vouched(party: Party, peer: PeerEntry, identification: Identification) -> AuthenticationRecord | None:
    """The authentication data by which the CPO may have begun it: ours, or what a peer published through us."""
    medium = medium_of(identification)
    if medium is None or not peer.may_send(PUSH_AUTHENTICATION_DATA):
        return None
    records = await party.store.authentication(medium.kind, medium.key)
    vouching = [
        record for record in records if record.owner == OWN or (party.relay and _may_vouch(party, record, peer))
    ]
    return min(vouching, key=lambda record: (record.owner != OWN, _is_hub(party, record.owner)), default=None)


def _named_emp(
    party: Party, peer: PeerEntry, message: ChargingNotification | ChargeDetailRecord | AuthorizeStop
) -> tuple[str, str] | None:
    """The EMP that the message names, by HubProviderID or the provider in the EvcoID: its name and its ProviderID."""
    if not party.relay:
        return None
    named = provider_in(message.identification) if message.identification is not None else None
    if isinstance(message, ChargeDetailRecord) and message.hub_provider_id is not None:
        named = provider_key(message.hub_provider_id)
    emp = party.peers().by_provider(named) if named is not None else None
    if emp is None or not emp.providers or comes_back(emp, peer):
        return None
    return emp.name, emp.providers[0]


def _may_vouch(party: Party, record: AuthenticationRecord, cpo: PeerEntry) -> bool:
    """Whether a peer's record holds for a session at this CPO."""
    owner = party.peers().get(record.owner)
    return owner is not None and owner.enabled and not comes_back(owner, cpo)


def _is_hub(party: Party, name: str) -> bool:
    peer = party.peers().get(name)
    return peer is not None and peer.hub
