"""Asking a destination: a peer over the wire, or the backend of our own other role."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from msgspec.structs import replace

from p2pnode.oicp import operations as ops
from p2pnode.oicp.answers import code_of, refusal
from p2pnode.oicp.codec import replace_members
from p2pnode.oicp.envelopes import join_page
from p2pnode.oicp.errors import BadStatus, NoAnswer, PeerError, ProtocolError, Refused, Unreachable, Unreadable
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation, Operation, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import CpoBackend, EmpBackend, Outgoing, Received
from p2pnode.roaming.records import PageRequest, SessionRecord
from p2pnode.roaming.refusals import TELLING_NOTHING
from p2pnode.roaming.router import Destination, Knowledge, resolve

Request = TypeVar("Request", bound=OicpModel)
Answer = TypeVar("Answer", bound=OicpModel)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a destination answered; `body` and `records` are the bytes of a peer's answer."""

    destination: Destination
    answer: Any
    body: bytes = b""
    records: Sequence[bytes] = ()


Own = Callable[[Any, Any, bytes, str], Awaitable[OicpModel]]
"""A method of a backend, its message, the message's bytes, and the caller's id."""


def _emp(call: Callable[[EmpBackend, Any, bytes], Awaitable[OicpModel]]) -> Own:
    return lambda emp, message, body, _: call(emp, message, body)


def _cpo(call: Callable[[CpoBackend, Any, bytes], Awaitable[OicpModel]]) -> Own:
    return lambda cpo, message, body, _: call(cpo, message, body)


def _charge_detail_record(emp: EmpBackend, message: Any, body: bytes, caller_id: str) -> Awaitable[OicpModel]:  # noqa: ANN401 - as in the tables
    return emp.charge_detail_record(message, body, caller_id)


OWN_EMP: Mapping[AnyOperation, Own] = {
    ops.AUTHORIZE_START: _emp(lambda emp, message, body: emp.authorize_start(message, body)),
    ops.AUTHORIZE_STOP: _emp(lambda emp, message, body: emp.authorize_stop(message, body)),
    ops.CHARGING_NOTIFICATION_START: _emp(lambda emp, message, body: emp.charging_notification(message, body)),
    ops.CHARGING_NOTIFICATION_PROGRESS: _emp(lambda emp, message, body: emp.charging_notification(message, body)),
    ops.CHARGING_NOTIFICATION_END: _emp(lambda emp, message, body: emp.charging_notification(message, body)),
    ops.CHARGING_NOTIFICATION_ERROR: _emp(lambda emp, message, body: emp.charging_notification(message, body)),
    ops.CHARGE_DETAIL_RECORD: _charge_detail_record,
}
"""What our own EMP backend answers."""

OWN_CPO: Mapping[AnyOperation, Own] = {
    ops.AUTHORIZE_REMOTE_START: _cpo(lambda cpo, message, body: cpo.authorize_remote_start(message, body)),
    ops.AUTHORIZE_REMOTE_STOP: _cpo(lambda cpo, message, body: cpo.authorize_remote_stop(message, body)),
    ops.AUTHORIZE_REMOTE_RESERVATION_START: _cpo(
        lambda cpo, message, body: cpo.authorize_remote_reservation_start(message, body)
    ),
    ops.AUTHORIZE_REMOTE_RESERVATION_STOP: _cpo(
        lambda cpo, message, body: cpo.authorize_remote_reservation_stop(message, body)
    ),
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
        given = outgoing.message if message is None else message
        answer = await ask_own(party, operation, given, sent, caller_id=caller_id, deadline=deadline)
        return Reply(destination, answer)
    answered = await party.caller.call(
        destination.peer,
        operation,
        sent,
        caller_id=caller_id,
        process_id=outgoing.process_id,
        page=page,
        deadline=deadline,
        reached=outgoing.reached,
    )
    return Reply(destination, answered.answer, answered.body, answered.records)


async def ask_own(  # noqa: PLR0913 - the parts of one call
    party: Party,
    operation: Operation[Any, Answer],
    message: Any,  # noqa: ANN401 - the message of any operation
    body: bytes,
    *,
    caller_id: str,
    deadline: float | None = None,
) -> Answer:
    """The answer of our own backend, a refusal in the operation's own form.

    Raises PeerError where nobody knows what became of the message, NoAnswer among them after the deadline.
    """
    try:
        asked = _asked(party, operation, message, body, caller_id)
        answer: Any = await (asked if deadline is None else party.deadlines.within(deadline, asked))
    except ProtocolError as error:
        answer = refusal(operation, error, message)[1]
    except TimeoutError:
        raise NoAnswer("own backend", "no answer in time") from None
    return answer  # type: ignore[no-any-return]  # the table and the operation know its type


def _asked(party: Party, operation: AnyOperation, message: Any, body: bytes, caller_id: str) -> Awaitable[OicpModel]:  # noqa: ANN401 - as above
    if operation in OWN_EMP:
        return OWN_EMP[operation](party.own_emp, message, body, caller_id)
    return OWN_CPO[operation](party.own_cpo, message, body, caller_id)


async def ask_counterpart(party: Party, session: SessionRecord, outgoing: Outgoing[Any], *, caller_id: str) -> Reply:
    """The answer of the other party of a session. Raises ProtocolError with the code that tells why there is none."""
    is_emp = outgoing.operation.callee is Role.EMP
    knowledge = Knowledge(
        party.own,
        counterpart=session.emp if is_emp else session.cpo,
        counterpart_id=session.provider_id if is_emp else session.operator_id,
        to=outgoing.to,
        source=outgoing.source,
    )
    destination = resolve(outgoing.operation, outgoing.message, party.peers(), knowledge)[0]
    try:
        return await ask(party, destination, outgoing, caller_id=caller_id)
    except PeerError as error:
        raise told(outgoing, error) from error


def told(outgoing: Outgoing[Any], error: PeerError) -> ProtocolError:
    """What the sender is told of a call that failed; a peer it was relayed for is not told where it failed."""
    if outgoing.source is not None:
        return unanswered(error, "the other party")
    return ProtocolError(error.code, str(error))


async def own_answer(party: Party, received: Received[Any]) -> Any:  # noqa: ANN401 - the answer of any operation
    """Our own backend's answer to a peer, a refusal in the operation's own form.

    Raises ProtocolError, 310, 320 or 021, where nobody knows what became of the message.
    """
    try:
        return await tried_own_answer(party, received)
    except PeerError as error:
        raise unanswered(error) from error


def tried_own_answer(party: Party, received: Received[Any]) -> Awaitable[Any]:
    """Our own backend's answer to a peer, refusals in the operation's form. Raises PeerError where there is none."""
    operation = received.operation
    return ask_own(
        party, operation, received.message, received.body, caller_id=received.caller_id, deadline=operation.deadline
    )


def unanswered(error: PeerError, who: str = "our own system") -> ProtocolError:
    """What a peer is told when there is no answer for it, 021 where who was asked failed. Where it is stays with us."""
    match error:
        case Unreachable():
            code, did = error.code, "cannot be reached"
        case BadStatus():
            code, did = Code.SYSTEM_ERROR, f"answered HTTP {error.http}"
        case Unreadable():
            code, did = Code.SYSTEM_ERROR, "gave an answer that cannot be read"
        case _:
            code, did = error.code, "did not answer"
    return ProtocolError(code, f"{who} {did}")


def may_have_happened(error: PeerError) -> bool:
    """Whether what a call asked for may have been done although the call failed."""
    if isinstance(error, BadStatus):
        return error.http is None or error.http >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, Refused):
        return error.peer_code in TELLING_NOTHING
    return isinstance(error, NoAnswer | Unreadable)


def with_session_id(received: Received[Request], session_id: str) -> Received[Request]:
    """The message with the SessionID it runs under, put in where a foreign caller sent none."""
    message: Any = received.message
    if message.session_id is not None:
        return received
    body = replace_members(received.body, {"SessionID": session_id})
    return replace(received, message=message.model_copy(update={"session_id": session_id}), body=body)


async def ask_each(
    party: Party, destinations: Sequence[Destination], outgoing: Outgoing[Any], *, caller_id: str
) -> list[Reply]:
    """The positive answers of all destinations, asked at once.

    Raises ProtocolError with the first failure or refusal where there is none.
    """

    async def attempt(destination: Destination) -> Reply | PeerError:
        try:
            reply = await ask(party, destination, outgoing, caller_id=caller_id, page=outgoing.page)
        except PeerError as error:
            return error
        code = code_of(reply.answer)
        if code != Code.SUCCESS:
            return Refused(destination.name, reply.answer.status_code.additional_info or code, code)
        return reply

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt(destination)) for destination in destinations]
    results = [task.result() for task in tasks]
    replies = [result for result in results if isinstance(result, Reply)]
    failures = [result for result in results if isinstance(result, PeerError)]
    if failures and not replies:
        raise ProtocolError(failures[0].code, "; ".join(str(failure) for failure in failures))
    return replies


def as_one_page(replies: Sequence[Reply], page: PageRequest) -> bytes:
    """One page out of the answers to a paged pull; a single answer as it came, where it describes its page.

    A peer that does not is taken to have one record more than have been seen as long as its pages are full.
    """
    if len(replies) == 1 and replies[0].answer.total_elements is not None:
        return replies[0].body
    return join_page(
        [record for reply in replies for record in reply.records],
        number=page.page,
        size=page.size,
        total_elements=sum(_total(reply, page) for reply in replies),
    )


def _total(reply: Reply, page: PageRequest) -> int:
    told: int | None = reply.answer.total_elements
    if told is not None:
        return told
    count = len(reply.records)
    return page.page * page.size + count + (1 if count >= page.size else 0)
