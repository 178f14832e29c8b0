"""Sessions that a CPO authorized by itself, from the authentication data our EMP has published to it.

The first we hear of them is a notification or a CDR; the identification in it says whether the driver is ours.
"""

from datetime import datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.operations import PUSH_AUTHENTICATION_DATA
from p2pnode.roaming.media import medium_of, stored_identification
from p2pnode.roaming.party import Party
from p2pnode.roaming.records import OWN, SessionRecord, SessionState


async def adopted(  # noqa: PLR0913 - what the message tells
    party: Party,
    peer: PeerEntry,
    *,
    session_id: str,
    evse_id: str,
    identification: Identification | None,
    at: datetime,
) -> SessionRecord | None:
    """The session as the CPO must have begun it; None where we have not vouched for the driver to this CPO."""
    medium = medium_of(identification)
    if identification is None or medium is None or not peer.may_send(PUSH_AUTHENTICATION_DATA):
        return None
    records = await party.store.authentication(medium.kind, medium.key)
    record = next((record for record in records if record.owner == OWN), None)
    if record is None:
        return None
    return SessionRecord(
        key=session_key(session_id),
        session_id=session_id,
        state=SessionState.AUTHORIZED,
        cpo=peer.name,
        emp=OWN,
        operator_id=peer.operators[0] if peer.operators else "",
        provider_id=record.provider_id,
        created_at=at,
        updated_at=at,
        evse_key=evse_key(evse_id),
        evse_id=evse_id,
        identification=stored_identification(identification),
        authorized_by_push=True,
    )
