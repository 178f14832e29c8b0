"""GetChargeDetailRecords of our EMP over all pages of one CPO."""

from collections.abc import AsyncGenerator, Sequence

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.cdr import GetChargeDetailRecords
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE
from p2pnode.oicp.operations import GET_CHARGE_DETAIL_RECORDS
from p2pnode.roaming.asking import ask_each
from p2pnode.roaming.crawls import MOST_PAGES, is_last_page
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.records import PageRequest
from p2pnode.roaming.router import Knowledge, resolve


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
