"""Asking several EMPs whether a driver may start: the first yes wins, a no never beats it, the dead cost nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from p2pnode.oicp.authorization import AuthorizationStart
from p2pnode.oicp.errors import PeerError
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import Reply
from p2pnode.roaming.router import Destination

USEFULNESS = (
    Code.EVCO_ID_LOCKED,
    Code.QR_CODE_INVALID_CREDENTIALS,
    Code.PLC_INVALID_EVCO_ID,
    Code.RFID_INVALID_UID,
    Code.RFID_CARD_NOT_READABLE,
    Code.QR_CODE_APP_TIMEOUT,
    Code.PLC_INVALID_UNDERLYING_EVCO_ID,
    Code.PLC_INVALID_CERTIFICATE,
    Code.PLC_TIMEOUT,
    Code.NO_POSITIVE_AUTHENTICATION,
    Code.PARTNER_DID_NOT_RESPOND,
    Code.SERVICE_NOT_AVAILABLE,
    Code.PARTNER_NOT_FOUND,
)
"""What a driver learns most from, first. Codes that are not listed come last."""
_RANK = {code: rank for rank, code in enumerate(USEFULNESS)}


@dataclass(frozen=True, slots=True)
class No:
    """One destination's refusal, or why it could not be asked."""

    destination: Destination
    code: Code
    reason: str
    answer: AuthorizationStart | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who said yes first, if anybody, who said no, and the calls still running. `surplus` said yes at the same time."""

    winner: Reply | None
    refusals: Sequence[No] = ()
    surplus: Sequence[Reply] = ()
    running: frozenset["asyncio.Task[Reply | No]"] = frozenset()

    def most_useful(self) -> No | None:
        """The refusal a driver learns most from, the earliest of equal ones."""
        return min(self.refusals, key=lambda no: _RANK.get(no.code, len(_RANK)), default=None)


AskOne = Callable[[Destination, float], Awaitable[Reply]]


async def first_yes(
    destinations: Sequence[Destination],
    ask_one: AskOne,
    *,
    deadline: float,
    head_start: float = 0.0,
    ahead: Sequence[int] = (1,),
) -> Outcome:
    """Ask all destinations at once until one says Authorized or the deadline (seconds) has passed.

    With a head start the first destinations are asked before the others, for that long or until all of them have said
    no: so many, then so many of the rest, as `ahead` tells. Calls that still run after a yes are the caller's; after
    the deadline, and when this is cancelled, they are cancelled.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    waiting = list(destinations)
    running: set[asyncio.Task[Reply | No]] = set()
    order: dict[asyncio.Task[Reply | No], int] = {}
    refusals: list[No] = []

    def begin(count: int) -> None:
        for destination in waiting[:count]:
            task = asyncio.create_task(_attempt(destination, ask_one, end - loop.time()), name="authorize")
            order[task] = len(order)
            running.add(task)
        del waiting[:count]

    groups = iter(ahead) if head_start > 0 else iter(())
    try:
        begin(next(groups, len(waiting)))
        alone_until = min(end, loop.time() + head_start)
        while running:
            until = alone_until if waiting else end
            done, _ = await asyncio.wait(running, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            running -= done
            results = [task.result() for task in sorted(done, key=order.__getitem__)]
            refusals += [result for result in results if isinstance(result, No)]
            approvals = [result for result in results if isinstance(result, Reply)]
            if approvals:
                left = frozenset(running)
                running.clear()
                return Outcome(approvals[0], refusals, approvals[1:], left)
            if not waiting:
                if not done:
                    break
            elif not running or loop.time() >= alone_until:
                begin(next(groups, len(waiting)))
                alone_until = min(end, loop.time() + head_start)
        refusals += [_late(destination) for destination in _unanswered(destinations, refusals)]
        return Outcome(None, refusals)
    finally:
        await _end(running)


async def _attempt(destination: Destination, ask_one: AskOne, deadline: float) -> "Reply | No":
    try:
        reply = await ask_one(destination, deadline)
    except PeerError as error:
        return No(destination, error.code, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs this destination only
        told = {"message": f"asking {destination.name or 'our own EMP'} failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(told)
        return No(destination, Code.SERVICE_NOT_AVAILABLE, "asking failed")
    answer: AuthorizationStart = reply.answer
    if answer.authorized:
        return reply
    return No(destination, _code(answer), answer.status_code.additional_info or "", answer)


def _code(answer: AuthorizationStart) -> Code:
    """The code of a refusal; one that says nothing, or nothing known, is 106."""
    text = answer.status_code.code
    known = text in Code.__members__.values() and text != Code.SUCCESS
    return Code(text) if known else Code.NO_POSITIVE_AUTHENTICATION


def _unanswered(destinations: Sequence[Destination], refusals: Sequence[No]) -> list[Destination]:
    answered = {id(no.destination) for no in refusals}
    return [destination for destination in destinations if id(destination) not in answered]


def _late(destination: Destination) -> No:
    return No(destination, Code.PARTNER_DID_NOT_RESPOND, "no answer in time")


async def _end(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def watched(
    running: frozenset["asyncio.Task[Reply | No]"], note: Callable[[Reply], Coroutine[Any, Any, None]]
) -> Coroutine[Any, Any, None]:
    """Wait for calls that lost, and `note` each that says yes after all. Cancelled, it cancels them."""

    async def watch() -> None:
        left = set(running)
        try:
            while left:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    result = task.result()
                    if isinstance(result, Reply):
                        await note(result)
        finally:
            await _end(left)

    return watch()
