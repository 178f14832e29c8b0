"""Sessions that a CPO authorized by itself, from the authentication data our EMP has published to it.

The first we hear of them is a notification or a CDR; the identification in it says whether the driver is ours, or with
`relay` one of a peer that published the data through us.
"""

from datetime import datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.operations import PUSH_AUTHENTICATION_DATA
from p2pnode.roaming.media import medium_of, stored_identification
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import ChargingNotification
from p2pnode.roaming.records import OWN, AuthenticationRecord, SessionRecord, SessionState
from p2pnode.roaming.router import comes_back


async def adopted(
    party: Party, peer: PeerEntry, message: ChargingNotification | ChargeDetailRecord, operator_id: str, at: datetime
) -> SessionRecord | None:
    """The session as the CPO must have begun it; None where we have not vouched for the driver to this CPO.

    `operator_id` is the identifier the peer has sent the message under.
    """
    identification = message.identification
    medium = medium_of(identification)
    if identification is None or medium is None or not peer.may_send(PUSH_AUTHENTICATION_DATA):
        return None
    records = await party.store.authentication(medium.kind, medium.key)
    vouching = [
        record for record in records if record.owner == OWN or (party.relay and _may_vouch(party, record, peer))
    ]
    record = next(iter(vouching), None)
    if record is None:
        return None
    return SessionRecord(
        key=session_key(message.session_id),
        session_id=message.session_id,
        state=SessionState.AUTHORIZED,
        cpo=peer.name,
        emp=record.owner,
        operator_id=operator_id,
        provider_id=record.provider_id,
        created_at=at,
        updated_at=at,
        evse_key=evse_key(message.evse_id),
        evse_id=message.evse_id,
        identification=stored_identification(identification),
        authorized_by_push=True,
    )


def _may_vouch(party: Party, record: AuthenticationRecord, cpo: PeerEntry) -> bool:
    """Whether a peer's record holds for a session at this CPO."""
    owner = party.peers().get(record.owner)
    return owner is not None and owner.enabled and not comes_back(owner, cpo)
