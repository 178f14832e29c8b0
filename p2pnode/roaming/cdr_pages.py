"""GetChargeDetailRecords of our EMP over all pages of one CPO."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.cdr import GetChargeDetailRecords
from p2pnode.oicp.codec import encode
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE
from p2pnode.oicp.operations import GET_CHARGE_DETAIL_RECORDS
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import ask_each
from p2pnode.roaming.crawls import MOST_PAGES, is_last_page
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.records import PageRequest
from p2pnode.roaming.router import Knowledge, resolve

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No CDR of OICP is older, and every system can read this date."""
AT_ONCE = 100
"""How many sessions one question names."""
AROUND = timedelta(days=31)
"""How far around the interval a CDR is asked for that the peer does not list within it."""


def questions_about(
    provider_id: str, session_ids: Sequence[str], from_: datetime, to: datetime
) -> Iterator[GetChargeDetailRecords]:
    """Asks for the CDRs of these sessions, which the peer may have received outside of the interval."""
    for at in range(0, len(session_ids), AT_ONCE):
        yield GetChargeDetailRecords(
            provider_id=provider_id,
            from_=max(from_, EARLIEST + AROUND) - AROUND,
            to=to + AROUND,
            session_id=list(session_ids[at : at + AT_ONCE]),
        )


async def cdr_pages(
    party: Party, peer: PeerEntry, question: GetChargeDetailRecords
) -> AsyncGenerator[Sequence[bytes], None]:
    """The CDRs of each page of the answer to a question. Raises ProtocolError."""
    body, process_id = encode(question), party.new_session_id()
    for number in range(MOST_PAGES):
        page = PageRequest(number, LARGEST_PAGE_SIZE)
        outgoing = Outgoing(GET_CHARGE_DETAIL_RECORDS, question, body, process_id, page=page, to=peer.name)
        destinations = resolve(outgoing.operation, question, party.peers(), Knowledge(party.own, to=peer.name))
        caller_id = party.own_id(outgoing, question.provider_id)
        (reply,) = await ask_each(party, destinations[:1], outgoing, caller_id=caller_id)
        yield reply.records
        if is_last_page(reply.answer, len(reply.records), page):
            return
    raise ProtocolError(Code.DATA_ERROR, f"{peer.name} has more than {MOST_PAGES} pages")
