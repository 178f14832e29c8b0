"""Asking several EMPs at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.authorization import AuthorizationStart
from p2pnode.oicp.errors import Refused, Unreachable
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import Reply
from p2pnode.roaming.background import Background
from p2pnode.roaming.broadcast import first_yes, watched
from p2pnode.roaming.router import Destination
from tests.roaming.roaming_messages import authorized, denied

Answers = dict[str, AuthorizationStart | Exception | float]


def destinations(*names: str) -> list[Destination]:
    return [Destination(PeerEntry(name=name), "The test says so.") for name in names]


class Asking:
    """Answers at once, raises, or takes so many seconds to say yes; notes who was asked and who was cancelled."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.asked: list[str] = []
        self.cancelled: list[str] = []

    async def __call__(self, destination: Destination, deadline: float) -> Reply:
        assert deadline > 0
        self.asked.append(destination.name)
        answer = self._answers[destination.name]
        if isinstance(answer, float):
            try:
                await asyncio.sleep(answer)
            except asyncio.CancelledError:
                self.cancelled.append(destination.name)
                raise
            answer = authorized()
        if isinstance(answer, Exception):
            raise answer
        return Reply(destination, answer)


@pytest.fixture
def told() -> Callable[[], list[dict[str, Any]]]:
    """What the event loop's exception handler was told."""
    heard: list[dict[str, Any]] = []

    def listen() -> list[dict[str, Any]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        return heard

    return listen


async def test_approvals_at_the_same_moment_are_one_winner_and_surplus() -> None:
    outcome = await first_yes(
        destinations("a", "b", "c"), Asking({"a": denied(), "b": authorized(), "c": authorized()}), deadline=1
    )
    assert outcome.winner is not None
    assert outcome.winner.destination.name == "b"
    assert [reply.destination.name for reply in outcome.surplus] == ["c"]
    assert not outcome.running


async def test_after_the_deadline_nobody_runs_on() -> None:
    asking = Asking({"a": 60.0, "b": denied()})
    outcome = await first_yes(destinations("a", "b"), asking, deadline=0.02)
    assert outcome.winner is None
    assert {no.destination.name: no.code for no in outcome.refusals} == {
        "a": Code.PARTNER_DID_NOT_RESPOND,
        "b": Code.RFID_INVALID_UID,
    }
    assert asking.cancelled == ["a"]


async def test_when_the_asking_is_cancelled_every_call_is() -> None:
    asking = Asking({"a": 60.0, "b": 60.0})
    task = asyncio.create_task(first_yes(destinations("a", "b"), asking, deadline=60))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(asking.cancelled) == ["a", "b"]


async def test_a_fault_of_ours_costs_one_destination_only(told: Callable[[], list[dict[str, Any]]]) -> None:
    heard = told()
    asking = Asking({"a": KeyError("a fault"), "b": 0.01, "c": Unreachable("c", "refused")})
    outcome = await first_yes(destinations("a", "b", "c"), asking, deadline=1)
    assert outcome.winner is not None
    assert [type(context["exception"]) for context in heard] == [KeyError]


async def test_a_peers_own_code_is_kept() -> None:
    outcome = await first_yes(destinations("a"), Asking({"a": Refused("a", "locked", "200")}), deadline=1)
    best = outcome.most_useful()
    assert best is not None
    assert best.code is Code.EVCO_ID_LOCKED


async def test_a_no_ends_the_head_start() -> None:
    asking = Asking({"a": denied(), "b": authorized()})
    loop = asyncio.get_running_loop()
    begun = loop.time()
    outcome = await first_yes(destinations("a", "b"), asking, deadline=60, head_start=30)
    assert outcome.winner is not None
    assert asking.asked == ["a", "b"]
    assert loop.time() - begun < 5


async def test_calls_that_lost_are_watched_until_they_end_or_the_node_does() -> None:
    background = Background()
    noted: list[str] = []

    async def note(reply: Reply) -> None:
        noted.append(reply.destination.name)

    asking = Asking({"a": authorized(), "b": 0.01, "c": 60.0})
    outcome = await first_yes(destinations("a", "b", "c"), asking, deadline=60)
    background.start(watched(outcome.running, note), "late")
    await asyncio.sleep(0.05)
    assert noted == ["b"]
    await background.aclose()
    assert asking.cancelled == ["c"]


async def test_background_work_that_fails_is_told_to_the_loop(told: Callable[[], list[dict[str, Any]]]) -> None:
    heard = told()
    background = Background()

    async def fail() -> None:
        raise KeyError("a fault")

    background.start(fail(), "the work")
    await background.settle()
    assert [(context["message"], type(context["exception"])) for context in heard] == [("the work failed", KeyError)]
