"""A time limit that behaves as `asyncio.timeout` does."""

import asyncio

import pytest

from p2pnode.roaming.deadline import Deadlines


async def _value() -> int:
    return 7


async def test_what_is_in_time_returns() -> None:
    assert await Deadlines().within(5, _value()) == 7


async def test_what_takes_too_long_is_cancelled() -> None:
    cancelled = False

    async def hang() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        finally:
            cancelled = True

    with pytest.raises(TimeoutError):
        await Deadlines().within(0.01, hang())
    assert cancelled
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_an_error_passes() -> None:
    async def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await Deadlines().within(5, fail())


async def test_a_cancellation_from_outside_passes() -> None:
    task = asyncio.ensure_future(Deadlines().within(5, asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_beside_the_limit_is_not_lost() -> None:
    begun = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            begun.set()
            await asyncio.sleep(0.01)

    task = asyncio.ensure_future(Deadlines().within(0.01, slow_to_end()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_answers_its_cancellation_leaves_the_task_usable() -> None:
    async def answer() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return "never"

    assert await Deadlines().within(0.01, answer()) == "late"
    async with asyncio.timeout(5):
        await asyncio.sleep(0)


async def test_limits_that_share_a_timer_each_pass_at_their_own_time() -> None:
    deadlines, order = Deadlines(), list[str]()

    async def limited(name: str, seconds: float) -> None:
        with pytest.raises(TimeoutError):
            await deadlines.within(seconds, asyncio.Event().wait())
        order.append(name)

    await asyncio.gather(limited("third", 0.03), limited("first", 0.01), limited("second", 0.02))
    assert order == ["first", "second", "third"]


async def test_a_limit_that_was_lifted_does_not_end_the_next_one() -> None:
    deadlines = Deadlines()
    assert await deadlines.within(0.01, _value()) == 7
    assert await deadlines.within(5, asyncio.sleep(0.02, "in time")) == "in time"


def test_a_limit_needs_a_task() -> None:
    coroutine = _value()
    with pytest.raises(RuntimeError):
        Deadlines().within(1, coroutine).send(None)
    coroutine.close()
