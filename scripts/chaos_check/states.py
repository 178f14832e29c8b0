"""What both nodes remember in the end, asked over their admin faces, and what the EMP's backend can pull."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from chaos_check import messages
from chaos_check.hub import JSON
from p2pnode.lab.process import NodeProcess
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE
from p2pnode.oicp.operations import PULL_EVSE_DATA, PULL_EVSE_STATUS, AnyOperation

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


class _Page(msgspec.Struct):
    content: list[dict[str, Any]]


class _StatusRecord(msgspec.Struct, rename={"evse_id": "EvseID", "status": "EvseStatus"}):
    evse_id: str
    status: str


class _Block(msgspec.Struct, rename={"records": "EvseStatusRecord"}):
    records: list[_StatusRecord]


class _Blocks(msgspec.Struct, rename={"blocks": "OperatorEvseStatus"}):
    blocks: list[_Block]


class _Statuses(msgspec.Struct, rename={"statuses": "EvseStatuses"}):
    statuses: _Blocks


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
        for cdr in msgspec.json.decode(await get("cdrs", size=MANY), type=_Cdrs).cdrs:
            cdrs.setdefault(cdr.session_id, []).append(cdr)
        of_owner = {"owner": owner} if owner else {}
        found = await get("evses", size=str(LARGEST_PAGE_SIZE), **of_owner)
        evses = msgspec.json.decode(found, type=_Evses).evses
    return NodeState(
        {session.session_id: session for session in sessions},
        cdrs,
        {evse.evse_id: evse for evse in evses},
    )


async def pulled(hub: str) -> Mapping[str, StoredEvse]:
    """The EVSEs that the EMP's backend gets when it pulls data and status. Raises as `state_of`."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as client:

        async def pull(operation: AnyOperation, body: bytes) -> bytes:
            url = f"{hub}{operation.url_path(messages.PROVIDER)}"
            page = {"size": str(LARGEST_PAGE_SIZE)} if operation.paged else {}
            async with client.post(url, data=body, params=page, headers={"Content-Type": JSON}) as response:
                return await response.read()

        data = await pull(PULL_EVSE_DATA, messages.pull_evse_data())
        records = msgspec.json.decode(data, type=_Page).content
        status = await pull(PULL_EVSE_STATUS, messages.pull_evse_status())
        blocks = msgspec.json.decode(status, type=_Statuses).statuses.blocks
    statuses = {record.evse_id: record.status for block in blocks for record in block.records}
    return {
        evse_id: StoredEvse(evse_id, statuses.get(evse_id), record)
        for record in records
        for evse_id in [str(record["EvseID"])]
    }


def version_of(record: Mapping[str, Any]) -> str:
    """Which version of an EVSE data record this is."""
    return str(record.get(messages.VERSION))
