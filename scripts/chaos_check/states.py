"""What both nodes remember in the end, asked over their admin faces, and what the EMP's backend can pull."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from chaos_check import messages
from p2pnode.lab.process import NodeProcess
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE

MANY = "1000000"
TIMEOUT = 60.0


class StoredSession(msgspec.Struct):
    """A session as a node has it."""

    session_id: str
    state: str
    cpo_partner_session_id: str | None


class StoredCdr(msgspec.Struct):
    """A CDR as a node has it, and when it was passed on."""

    session_id: str
    record: msgspec.Raw
    forwarded_at: str | None


class StoredEvse(msgspec.Struct):
    """An EVSE as a node has it."""

    evse_id: str
    status: str | None
    record: dict[str, Any]


class _Sessions(msgspec.Struct):
    sessions: list[StoredSession]


class _Cdrs(msgspec.Struct):
    cdrs: list[StoredCdr]


class _Evses(msgspec.Struct):
    evses: list[StoredEvse]


@dataclass(frozen=True, slots=True)
class NodeState:
    """What one node remembers. `evses` are the CPO's: its own at its node, the copy at the EMP's."""

    sessions: Mapping[str, StoredSession]
    cdrs: Mapping[str, list[StoredCdr]]
    evses: Mapping[str, StoredEvse]


async def state_of(node: NodeProcess, owner: str) -> NodeState:
    """What a node remembers, and of EVSEs what `owner` has published. Raises Problem or aiohttp.ClientError."""
    base = (await node.ready()).url
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as client:

        async def get(path: str, **query: str) -> bytes:
            async with client.get(f"{base}/api/{path}", params=query) as response:
                return await response.read()

        sessions = msgspec.json.decode(await get("sessions", limit=MANY), type=_Sessions).sessions
        cdrs: dict[str, list[StoredCdr]] = {}
        for cdr in msgspec.json.decode(await get("cdrs", limit=MANY), type=_Cdrs).cdrs:
            cdrs.setdefault(cdr.session_id, []).append(cdr)
        of_owner = {"owner": owner} if owner else {}
        found = await get("evses", size=str(LARGEST_PAGE_SIZE), **of_owner)
        evses = msgspec.json.decode(found, type=_Evses).evses
    return NodeState(
        {session.session_id: session for session in sessions},
        cdrs,
        {evse.evse_id: evse for evse in evses},
    )


def version_of(record: Mapping[str, Any]) -> str:
    """Which version of an EVSE data record this is."""
    return str(record.get(messages.VERSION))
