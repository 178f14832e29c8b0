"""CDRs that were refused because their session has another one: kept, so that a person can decide."""

from datetime import datetime
from hashlib import blake2b

from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.roaming.records import CdrReview, SessionRecord


def to_review(session: SessionRecord, message: ChargeDetailRecord, body: bytes, at: datetime) -> CdrReview:
    """A refused CDR as it is kept, the same bytes once."""
    digest = blake2b(body, digest_size=16).digest()
    return CdrReview(session.key, message.session_id, session.cpo, at, message.consumed_energy, digest, body)
