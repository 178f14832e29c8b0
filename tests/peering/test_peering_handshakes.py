"""Who may begin a TLS handshake, and who ends where there are too many: addresses take turns, peers come first."""

import asyncio

import pytest

from p2pnode.peering.handshakes import PATIENCE, Handshakes

HERE, THERE, ELSEWHERE = "192.0.2.1", "192.0.2.2", "192.0.2.3"


class Door:
    """Connections by number, and those that have begun, in order; a second is as long as the test says."""

    def __init__(self, most: int, rate: float) -> None:
        self.now = 0.0
        self.handshakes: Handshakes[int] = Handshakes(most, rate, lambda: self.now)
        self.begun: list[int] = []
        self.ended: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def speak(self, *numbers: int) -> None:
        """Let silent ones say something."""
        self._tasks += [asyncio.create_task(self._begin(number)) for number in numbers]
        await asyncio.sleep(0)

    async def come(self, address: str, *numbers: int) -> None:
        """Let some come from an address and speak at once."""
        for number in numbers:
            self.handshakes.enter(number, address)
        await self.speak(*numbers)

    async def _begin(self, number: int) -> None:
        try:
            await self.handshakes.turn(number)
            self.begun.append(number)
        except ConnectionError:
            self.ended.append(number)

    async def until(self, begun: int) -> None:
        """Wait until so many have begun."""
        async with asyncio.timeout(2):
            while len(self.begun) < begun:
                self.now += 1 / 50
                await asyncio.sleep(1 / 50)


async def test_handshakes_begin_at_a_rate_and_those_of_peers_beside_it() -> None:
    door = Door(most=10, rate=1)
    await door.come(HERE, 1, 2, 3)
    await asyncio.sleep(0)
    assert door.begun == [1]
    door.handshakes.leave(1, is_peer=True)
    await asyncio.sleep(0)
    assert door.begun == [1, 2]
    door.handshakes.leave(2)
    await asyncio.sleep(0)
    assert door.begun == [1, 2]


async def test_addresses_take_turns_and_those_of_peers_have_every_second_one() -> None:
    door = Door(most=100, rate=50)
    await door.come(HERE, 0)
    door.handshakes.leave(0, is_peer=True)
    await door.come(HERE, *range(100, 150))  # what has been saved is used up
    await door.come(THERE, 1, 2, 3)
    await door.come(ELSEWHERE, 11, 12)
    await door.come(HERE, 21, 22)
    await door.until(58)
    assert door.begun[51:] == [1, 21, 11, 22, 2, 12, 3]


async def test_of_too_many_one_ends_of_the_address_with_most_and_first_one_that_is_silent() -> None:
    door = Door(most=5, rate=1)
    assert [door.handshakes.enter(number, HERE) for number in (1, 2, 3)] == [None] * 3
    assert [door.handshakes.enter(number, THERE) for number in (4, 5)] == [None] * 2
    assert door.handshakes.enter(6, ELSEWHERE) == 1
    await door.speak(2, 3)
    await asyncio.sleep(0)
    assert door.begun == [2]
    assert door.handshakes.enter(7, ELSEWHERE) == 3  # it waited, and 2 is under way
    await asyncio.sleep(0)
    assert door.ended == [3]
    await door.speak(1)  # it has ended meanwhile
    await asyncio.sleep(0)
    assert door.ended == [3, 1]


async def test_a_handshake_under_way_has_its_time_before_it_ends_for_one_that_waits() -> None:
    door = Door(most=3, rate=1)
    await door.come(HERE, 1, 2, 3)
    await asyncio.sleep(0)
    assert door.handshakes.enter(4, HERE) == 3
    door.handshakes.leave(4)
    await door.come(HERE, 5)
    door.now += PATIENCE
    assert door.handshakes.enter(6, HERE) == 1


@pytest.mark.parametrize(("crowd", "ended"), [(7, 0), (5, 0), (4, 4)])
async def test_half_of_the_room_is_for_addresses_that_a_peer_came_from(crowd: int, ended: int) -> None:
    door = Door(most=10, rate=1)
    await door.come(HERE, 0)
    door.handshakes.leave(0, is_peer=True)
    for number in range(10):
        address = f"198.51.100.{number}" if number < crowd else HERE
        door.handshakes.enter(number, address)
    assert door.handshakes.enter(10, ELSEWHERE) == ended
