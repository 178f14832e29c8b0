"""What the CPO's backend publishes while all else goes on: EVSE data and status, one push in flight for each."""

import asyncio
import time
from collections.abc import Callable
from random import Random

from chaos_check import messages
from chaos_check.entries import CpoEntry, Push, Pushed, PushRefused
from chaos_check.hub import Hub, Settings
from chaos_check.journal import Journal
from p2pnode.oicp.operations import PUSH_EVSE_DATA, PUSH_EVSE_STATUS, AnyOperation

State = dict[str, str]
CHANGED_AT_ONCE = 5


class Lane:
    """The pushes of one operation: what is published, and the push that has not been acknowledged."""

    def __init__(
        self,
        operation: AnyOperation,
        change: Callable[[State, Random], tuple[str, State, State]],
        body: Callable[[str, State], bytes],
        journal: Journal[CpoEntry],
        settings: Settings,
    ) -> None:
        self._operation = operation
        self._change = change
        self._body = body
        self._journal = journal
        self._settings = settings
        self._pending: Push | None = None
        self._is_repeat = False
        self._number = 0
        self._state: State = {}
        for entry in journal.kept:
            self._remember(entry)
        self._is_repeat = self._pending is not None

    def _remember(self, entry: CpoEntry) -> None:
        match entry:
            case Push(operation=self._operation.name):
                self._pending, self._number, self._state = entry, entry.number, entry.state
            case Pushed(operation=self._operation.name) | PushRefused(operation=self._operation.name):
                self._pending = None
            case _:
                pass

    async def run(self, hub: Hub, finishing: asyncio.Event) -> None:
        """Publish, change after change, until it is time to finish and the last push has been acknowledged."""
        while self._pending is not None or not finishing.is_set() or not self._state:
            if self._pending is None:
                await self._next()
            if self._pending is not None:
                await self._deliver(hub, self._pending)
            await asyncio.sleep(self._settings.pause * 2)

    async def _next(self) -> None:
        random = Random(f"{self._settings.seed}:{self._operation.name}:{self._number}")  # noqa: S311 - to be repeated
        action, pushed, state = self._change(self._state, random)
        await self._intend(action, pushed, state)

    async def _intend(self, action: str, pushed: State, state: State) -> None:
        number = self._number + 1
        body = self._body(action, pushed).decode()
        push = Push(time.time(), self._operation.name, number, action, body, state)
        await self._journal.add(push)
        self._remember(push)
        self._is_repeat = False

    async def _deliver(self, hub: Hub, push: Push) -> None:
        """Send a push; what a repeat was refused goes out as a full load."""
        path = self._operation.url_path(messages.OPERATOR)
        told = await hub.send(path, push.body.encode(), is_repeat=self._is_repeat)
        if told.is_done:
            pushed = Pushed(time.time(), push.operation, push.number)
            await self._journal.add(pushed)
            self._remember(pushed)
            return
        refused = PushRefused(time.time(), push.operation, push.number, told.is_repeat, str(told))
        await self._journal.add(refused)
        self._remember(refused)
        await self._intend("fullLoad", push.state, push.state)


def lanes(journal: Journal[CpoEntry], settings: Settings) -> tuple[Lane, Lane]:
    """The lane of EVSE data and the lane of EVSE status."""
    return (
        Lane(PUSH_EVSE_DATA, change_data, messages.push_evse_data, journal, settings),
        Lane(PUSH_EVSE_STATUS, change_status, messages.push_evse_status, journal, settings),
    )


def change_data(state: State, random: Random) -> tuple[str, State, State]:
    """The action of a push, its records, and what is published afterwards."""
    version = str(random.getrandbits(32))
    always = messages.evse_ids(messages.STATIONS)
    others = messages.evse_ids(messages.STATIONS + messages.MORE_STATIONS)[messages.STATIONS :]
    absent = [key for key in others if key not in state]
    present = [key for key in others if key in state]
    action = random.choice(("insert", "update", "update", "delete", "fullLoad")) if state else "fullLoad"
    if action == "insert" and absent:
        changed = dict.fromkeys(_some(absent, random), version)
        return "insert", changed, {**state, **changed}
    if action == "delete" and present:
        gone = {key: state[key] for key in _some(present, random)}
        return "delete", gone, {key: kept for key, kept in state.items() if key not in gone}
    if action == "fullLoad":
        everything = dict.fromkeys([*always, *_some(others, random)], version)
        return "fullLoad", everything, everything
    changed = dict.fromkeys(_some(list(state), random), version)
    return "update", changed, {**state, **changed}


def change_status(state: State, random: Random) -> tuple[str, State, State]:
    """As `change_data`, of the status of those that are always there."""
    always = messages.evse_ids(messages.STATIONS)
    if not state:
        everything = dict.fromkeys(always, messages.STATUSES[0])
        return "fullLoad", everything, everything
    changed = {key: random.choice(messages.STATUSES) for key in _some(always, random)}
    return "update", changed, {**state, **changed}


def _some(keys: list[str], random: Random) -> list[str]:
    return random.sample(keys, random.randint(1, min(CHANGED_AT_ONCE, len(keys))))
