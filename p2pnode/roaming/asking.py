"""Asking a destination: a peer over the wire, or the backend of our own other role."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p2pnode.oicp import operations as ops
from p2pnode.oicp.answers import refusal
from p2pnode.oicp.errors import NoAnswer, PeerError, ProtocolError
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import CpoBackend, EmpBackend, Outgoing
from p2pnode.roaming.records import PageRequest
from p2pnode.roaming.router import Destination, Knowledge, resolve


@dataclass(frozen=True, slots=True)
class Reply:
    """What a destination answered; `body` and `records` are the bytes of a peer's answer."""

    destination: Destination
    answer: Any
    body: bytes = b""
    records: Sequence[bytes] = ()


Own = Callable[[Any, Any, bytes], Awaitable[OicpModel]]


def _emp(call: Callable[[EmpBackend, Any, bytes], Awaitable[OicpModel]]) -> Own:
    return call


def _cpo(call: Callable[[CpoBackend, Any, bytes], Awaitable[OicpModel]]) -> Own:
    return call


OWN_EMP: Mapping[AnyOperation, Own] = {
    ops.AUTHORIZE_START: _emp(lambda emp, message, _: emp.authorize_start(message)),
    ops.AUTHORIZE_STOP: _emp(lambda emp, message, _: emp.authorize_stop(message)),
    ops.CHARGING_NOTIFICATION_START: _emp(lambda emp, message, _: emp.charging_notification(message)),
    ops.CHARGING_NOTIFICATION_PROGRESS: _emp(lambda emp, message, _: emp.charging_notification(message)),
    ops.CHARGING_NOTIFICATION_END: _emp(lambda emp, message, _: emp.charging_notification(message)),
    ops.CHARGING_NOTIFICATION_ERROR: _emp(lambda emp, message, _: emp.charging_notification(message)),
    ops.CHARGE_DETAIL_RECORD: _emp(lambda emp, message, body: emp.charge_detail_record(message, body)),
}
"""What our own EMP backend answers."""

OWN_CPO: Mapping[AnyOperation, Own] = {
    ops.AUTHORIZE_REMOTE_START: _cpo(lambda cpo, message, _: cpo.authorize_remote_start(message)),
    ops.AUTHORIZE_REMOTE_STOP: _cpo(lambda cpo, message, _: cpo.authorize_remote_stop(message)),
    ops.AUTHORIZE_REMOTE_RESERVATION_START: _cpo(
        lambda cpo, message, _: cpo.authorize_remote_reservation_start(message)
    ),
    ops.AUTHORIZE_REMOTE_RESERVATION_STOP: _cpo(lambda cpo, message, _: cpo.authorize_remote_reservation_stop(message)),
}
"""What our own CPO backend answers."""


async def ask(  # noqa: PLR0913 - the parts of one call
    party: Party,
    destination: Destination,
    outgoing: Outgoing[Any],
    *,
    caller_id: str,
    body: bytes | None = None,
    message: OicpModel | None = None,
    page: PageRequest | None = None,
    deadline: float | None = None,
) -> Reply:
    """The destination's answer. `body` and `message` replace those of `outgoing` where they had to be changed.

    Raises PeerError for a call that failed. A refusal by our own backend is an answer, as a peer's is.
    """
    operation = outgoing.operation
    sent = outgoing.body if body is None else body
    if destination.peer is None:
        answer = await ask_own(party, operation, outgoing.message if message is None else message, sent, deadline)
        return Reply(destination, answer)
    answered = await party.caller.call(
        destination.peer,
        operation,
        sent,
        caller_id=caller_id,
        process_id=outgoing.process_id,
        page=page,
        deadline=deadline,
    )
    return Reply(destination, answered.answer, answered.body, answered.records)


async def ask_own(
    party: Party,
    operation: AnyOperation,
    message: Any,  # noqa: ANN401 - the message of any operation
    body: bytes,
    deadline: float | None = None,
) -> OicpModel:
    """The answer of our own backend, a refusal in the operation's own form. Raises NoAnswer after the deadline."""
    try:
        async with asyncio.timeout(deadline):
            return await _own_answer(party, operation, message, body)
    except ProtocolError as error:
        return refusal(operation, error, message)[1]
    except TimeoutError:
        raise NoAnswer("own backend", "no answer in time") from None


def _own_answer(party: Party, operation: AnyOperation, message: Any, body: bytes) -> Awaitable[OicpModel]:  # noqa: ANN401 - as above
    if operation in OWN_EMP:
        return OWN_EMP[operation](party.own_emp, message, body)
    return OWN_CPO[operation](party.own_cpo, message, body)


async def ask_counterpart(  # noqa: PLR0913 - the parts of one call
    party: Party,
    counterpart: str,
    outgoing: Outgoing[Any],
    *,
    caller_id: str,
    body: bytes | None = None,
    message: OicpModel | None = None,
) -> Reply:
    """The answer of the other party of a session. Raises ProtocolError with the code that tells why there is none."""
    knowledge = Knowledge(party.own, counterpart=counterpart, to=outgoing.to)
    destination = resolve(outgoing.operation, outgoing.message, party.peers(), knowledge)[0]
    try:
        return await ask(party, destination, outgoing, caller_id=caller_id, body=body, message=message)
    except PeerError as error:
        raise ProtocolError(error.code, str(error)) from error
