"""Work that the event loop and a thread share."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from time import perf_counter

import pytest

from p2pnode.peering.side_work import AT_ONCE, SideWork


@pytest.fixture
async def side_work() -> AsyncIterator[SideWork]:
    made = SideWork("test")
    yield made
    await made.aclose()


def double(number: int) -> int:
    if number % 7 == 3:
        raise ValueError(str(number))
    return 2 * number


async def test_each_gets_its_own_result_or_error_however_many_ask_at_once(side_work: SideWork) -> None:
    numbers = range(5 * AT_ONCE)
    found = await asyncio.gather(
        *(side_work.run(partial(double, number)) for number in numbers), return_exceptions=True
    )
    for number, result in zip(numbers, found, strict=True):
        if number % 7 == 3:
            assert isinstance(result, ValueError)
            assert str(result) == str(number)
        else:
            assert result == 2 * number


async def test_of_two_pieces_one_is_done_on_the_thread_while_the_loop_does_the_other(side_work: SideWork) -> None:
    begun: set[int] = set()

    def meet() -> bool:
        begun.add(threading.get_ident())
        end = perf_counter() + 10
        while len(begun) < 2 and perf_counter() < end:
            """Wait for the other, as a lock may not be waited for on the loop."""
        return len(begun) == 2

    assert await asyncio.gather(*(side_work.run(meet) for _ in range(2))) == [True, True]


async def test_a_piece_that_comes_alone_is_done_by_the_loop_at_once(side_work: SideWork) -> None:
    assert await side_work.run(threading.get_ident) == threading.get_ident()


async def test_the_loop_goes_on_with_everything_else_between_many_pieces(side_work: SideWork) -> None:
    order: list[str] = []
    turns = [asyncio.ensure_future(side_work.run(lambda: order.append("piece"))) for _ in range(2 * AT_ONCE)]
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(order.append, "other")
    await asyncio.gather(*turns)
    assert order.index("other") <= 2 * AT_ONCE
    assert order.count("piece") == 2 * AT_ONCE


async def test_one_who_no_longer_waits_disturbs_nobody(side_work: SideWork) -> None:
    first, second = (asyncio.ensure_future(side_work.run(lambda: 1)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(5):
        assert await second == 1


async def test_a_panic_is_told_to_who_asked_and_ends_neither_the_thread_nor_the_loops_share(
    side_work: SideWork,
) -> None:
    class Panic(BaseException):
        """As a library in another language raises it."""

    def panic() -> None:
        raise Panic

    async with asyncio.timeout(5):
        for count in (1, 2, 2 * AT_ONCE):
            found = await asyncio.gather(*(side_work.run(panic) for _ in range(count)), return_exceptions=True)
            assert [type(each) for each in found] == [RuntimeError] * count
        assert await asyncio.gather(*(side_work.run(lambda: 1) for _ in range(AT_ONCE))) == [1] * AT_ONCE


async def test_closed_it_does_what_is_asked_for_without_its_thread() -> None:
    closed = SideWork("test")
    await closed.aclose()
    assert "test" not in {thread.name for thread in threading.enumerate()}
    async with asyncio.timeout(5):
        assert await asyncio.gather(*(closed.run(lambda: 1) for _ in range(AT_ONCE + 1))) == [1] * (AT_ONCE + 1)
