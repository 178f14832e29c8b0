"""From the body of a request to its message, and from an answer to the form its caller's dialect has."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.codec import decode, read
from p2pnode.oicp.dialects import write_answer
from p2pnode.oicp.envelopes import Envelope, Records
from p2pnode.oicp.errors import InvalidMessage, Violation
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.oicp.paths import select
from p2pnode.oicp.slicing import split_in_slices
from p2pnode.peering.bodies import WRITTEN_IN_THE_LOOP
from p2pnode.peering.routes import Route

_NO_RECORDS = Records()


async def read_message(route: Route, body: bytes) -> tuple[AnyOperation, OicpModel, Records]:
    """The row a body belongs to, its message, and its records unread. Raises InvalidMessage."""
    rows = route.rows
    if len(rows) == 1:
        operation = rows[0]
        if operation.records:
            envelope = await _split(operation, body)
            return operation, envelope.message, envelope.records
        return operation, read(operation.request, body), _NO_RECORDS
    decoded = decode(body)
    if not isinstance(decoded, Mapping):
        told = "An object is expected."
        raise InvalidMessage(told, (Violation("", "type", told),))
    wire = cast("Mapping[str, Any]", decoded)
    selected = select(rows, wire)
    if selected is None:
        told = f"Type has to be one of {', '.join(row.name.removeprefix('ChargingNotification') for row in rows)}."
        raise InvalidMessage(told, (Violation("/Type", "value", told),))
    return selected, read(selected.request, wire), _NO_RECORDS


async def _split(operation: AnyOperation, body: bytes) -> Envelope[Any]:
    """The envelope of a push. Raises InvalidMessage. Others get their turn while a large one is split."""
    slices = split_in_slices(operation, body)
    while True:
        try:
            next(slices)
        except StopIteration as done:
            envelope: Envelope[Any] = done.value
            return envelope
        await asyncio.sleep(0)


async def in_dialect(peer: PeerEntry | None, operation: AnyOperation | None, body: bytes) -> bytes:
    """The answer as the caller's dialect has it; a large one is rewritten beside the loop."""
    if peer is None or operation is None or peer.dialect == "oicp":
        return body
    provider_id = next(iter(peer.ids(Role.EMP)), None)
    if len(body) <= WRITTEN_IN_THE_LOOP:
        return write_answer(peer.dialect, operation, body, provider_id=provider_id)
    return await asyncio.to_thread(write_answer, peer.dialect, operation, body, provider_id=provider_id)
