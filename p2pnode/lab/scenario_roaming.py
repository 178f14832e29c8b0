"""A driver of an EMP charges at a CPO, with a code and with the app, whatever way the messages take between the two."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Protocol

from p2pnode.config.virtual import VirtualDriver
from p2pnode.lab.parties import Party
from p2pnode.lab.stage import CAPACITY, GLANCE_SECONDS, GLANCES, Actor, Checks, Crossing, Named, Stage
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_START,
    PUSH_EVSE_DATA,
    AnyOperation,
)
from p2pnode.oicp.status import Code


class Player(Named, Protocol):
    """A party of a network, with a node or without: what people do at its charge point and with its app."""

    @property
    def party(self) -> Party:
        """Who it is."""
        ...

    @property
    def evse_id(self) -> str:
        """The EvseID of its charge point."""
        ...

    async def publish(self) -> None:
        """Publish the charge point."""
        ...

    async def has(self, evse_id: str, sender: str) -> bool:
        """Whether this charge point has been published to the party by the sender's name."""
        ...

    async def plug_in(self) -> None:
        """Plug a car in."""
        ...

    async def unplug(self) -> None:
        """Take the plug out."""
        ...

    async def show_code(self, driver: VirtualDriver) -> Mapping[str, Any]:
        """A driver identifies with contract and PIN: starts, or stops; what came of it, as `code` and `session_id`."""
        ...

    async def remote_start(self, evse_id: str) -> Mapping[str, Any]:
        """A driver of the party starts with the app."""
        ...

    async def remote_stop(self, session_id: str, evse_id: str) -> Mapping[str, Any]:
        """A driver of the party stops with the app."""
        ...

    async def energy_of(self, session_id: str) -> Decimal | None:
        """What the account of the party's driver says of a session, kWh; None where no CDR has come."""
        ...


@dataclass(frozen=True, slots=True)
class NodePlayer:
    """A party with a node."""

    actor: Actor

    @property
    def name(self) -> str:
        """As in `Player`."""
        return self.actor.name

    @property
    def party(self) -> Party:
        """As in `Player`."""
        return self.actor.party

    @property
    def evse_id(self) -> str:
        """As in `Player`."""
        return self.party.points[0].evse_id

    async def publish(self) -> None:
        """As in `Player`."""
        await self.actor.client.post("/api/cpo/publish")

    async def has(self, evse_id: str, sender: str) -> bool:
        """As in `Player`."""
        found = await self.actor.client.get("/api/evses", owner=sender, evse_id=[evse_id])
        return bool(found["evses"])

    async def plug_in(self) -> None:
        """As in `Player`."""
        await self.actor.at_point("plug_in", self.party.points[0], capacity=CAPACITY)

    async def unplug(self) -> None:
        """As in `Player`."""
        await self.actor.at_point("unplug", self.party.points[0])

    async def show_code(self, driver: VirtualDriver) -> Mapping[str, Any]:
        """As in `Player`."""
        return await self.actor.at_point("show_qr_code", self.party.points[0], evco_id=driver.evco_id, pin=driver.pin)

    async def remote_start(self, evse_id: str) -> Mapping[str, Any]:
        """As in `Player`."""
        return await self.actor.in_app("remote_start", evse_id=evse_id, evco_id=self.party.drivers.app.evco_id)

    async def remote_stop(self, session_id: str, evse_id: str) -> Mapping[str, Any]:
        """As in `Player`."""
        return await self.actor.in_app("remote_stop", session_id=session_id, evse_id=evse_id)

    async def energy_of(self, session_id: str) -> Decimal | None:
        """As in `Player`."""
        account = await self.actor.account(session_id)
        return Decimal(account["energy"]) if account.get("settled") else None


async def publish(stage: Stage, cpo: Player, ways: Sequence[Sequence[Player]]) -> None:
    """A CPO publishes its charge point to the EMPs at the end of its ways."""
    stage.begin(f"{cpo.name} publishes its charge point to {', '.join(way[-1].name for way in ways)}")
    crossings = [Crossing(PUSH_EVSE_DATA, *pair) for way in ways for pair in pairwise(way)]
    async with stage.step("publishes", *crossings) as checks:
        await cpo.publish()
        await checks.crossed()
        for way in ways:
            has = await way[-1].has(cpo.evse_id, way[-2].name)
            checks.that(f"{way[-1].name} has {cpo.evse_id} from {way[-2].name}", holds=has)


async def roam(stage: Stage, way: Sequence[Player]) -> None:
    """A session begun at the charge point and one begun by the app, on this way from the CPO to the EMP."""
    cpo, emp = way[0], way[-1]
    through = f" through {' and '.join(player.name for player in way[1:-1])}" if len(way) > 2 else ""  # noqa: PLR2004 - somebody between the two
    stage.begin(f"Drivers of {emp.name} charge at {cpo.name}{through}")
    await _charge_with_code(stage, way)
    await _charge_by_app(stage, way)


async def _charge_with_code(stage: Stage, way: Sequence[Player]) -> None:
    cpo, emp = way[0], way[-1]
    driver = emp.party.drivers.code
    begin = (*_along(AUTHORIZE_START, way), *_along(CHARGING_NOTIFICATION_START, way))
    async with stage.step("shows a code and types the PIN", *begin) as checks:
        await cpo.plug_in()
        started = await cpo.show_code(driver)
        checks.equal("code", Code.SUCCESS, started["code"])
        await checks.crossed()
    end = (*_along(AUTHORIZE_STOP, way), *_ending(way))
    async with stage.step("types it again", *end) as checks:
        stopped = await cpo.show_code(driver)
        checks.equal("code", Code.SUCCESS, stopped["code"])
        checks.equal("session", started["session_id"], stopped["session_id"])
        await _require_settled(checks, emp, started["session_id"])
        await cpo.unplug()


async def _charge_by_app(stage: Stage, way: Sequence[Player]) -> None:
    cpo, emp = way[0], way[-1]
    back = way[::-1]
    begin = (*_along(AUTHORIZE_REMOTE_START, back), *_along(CHARGING_NOTIFICATION_START, way))
    async with stage.step("starts with the app", *begin) as checks:
        await cpo.plug_in()
        started = await emp.remote_start(cpo.evse_id)
        checks.equal("code", Code.SUCCESS, started["code"])
        await checks.crossed()
    end = (*_along(AUTHORIZE_REMOTE_STOP, back), *_ending(way))
    async with stage.step("stops with the app", *end) as checks:
        stopped = await emp.remote_stop(started["session_id"], cpo.evse_id)
        checks.equal("code", Code.SUCCESS, stopped["code"])
        await _require_settled(checks, emp, started["session_id"])
        await cpo.unplug()


def _along(operation: AnyOperation, way: Sequence[Player]) -> Iterator[Crossing]:
    """The message from each on the way to the next."""
    return (Crossing(operation, sender, receiver) for sender, receiver in pairwise(way))


def _ending(way: Sequence[Player]) -> tuple[Crossing, ...]:
    return (*_along(CHARGING_NOTIFICATION_END, way), *_along(CHARGE_DETAIL_RECORD, way))


async def _require_settled(checks: Checks, emp: Player, session_id: str) -> None:
    """The driver's account is settled with the energy of a CDR."""
    await checks.crossed()
    energy = None
    for _ in range(GLANCES):
        energy = await emp.energy_of(session_id)
        if energy is not None:
            break
        await asyncio.sleep(GLANCE_SECONDS)
    checks.that(f"energy was delivered, and {emp.name} has its CDR", holds=energy is not None and energy > 0)
    checks.note(f"{energy} kWh in the account of {emp.name}'s driver")
