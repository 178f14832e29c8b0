"""The process of a CPO's backend: careful, as a real one. What was not acknowledged is sent again, the same bytes."""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from chaos_check import messages
from chaos_check.entries import Acknowledged, Begun, CpoEntry, NotStarted, Refused, Session
from chaos_check.hub import Hub, Settings, acknowledgement, connected, run, until_finish
from chaos_check.journal import Journal
from chaos_check.pushing import lanes
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START, AUTHORIZE_START, BY_NAME


class CpoBackend:
    """The sessions of a CPO, each sent step by step."""

    def __init__(self, settings: Settings, journal: Journal[CpoEntry]) -> None:
        self._settings = settings
        self._journal = journal
        self._begun: dict[int, Begun] = {}
        self._settled: set[int] = set()
        """The intents that have become a session, or were refused."""
        self._sessions: dict[str, Session] = {}
        self._next_step: dict[str, int] = {}
        self._over: set[str] = set()
        self._starting: dict[str, asyncio.Lock] = {}
        self._remote: asyncio.Queue[Session] = asyncio.Queue()
        for entry in journal.kept:
            self._remember(entry)

    def _remember(self, entry: CpoEntry) -> None:
        match entry:
            case Begun():
                self._begun[entry.number] = entry
            case NotStarted():
                self._settled.add(entry.number)
            case Session():
                self._sessions[entry.session_id] = entry
                self._next_step[entry.session_id] = 0
                if entry.number is not None:
                    self._settled.add(entry.number)
            case Acknowledged():
                self._next_step[entry.session_id] = entry.step + 1
                if entry.is_last:
                    self._over.add(entry.session_id)
            case Refused():
                self._over.add(entry.session_id)
            case _:
                pass

    async def _note(self, entry: CpoEntry) -> None:
        await self._journal.add(entry)
        self._remember(entry)

    async def run(self, hub: Hub) -> None:
        """Go on with what had begun, then begin the rest; sessions that EMPs start go on beside them."""
        finishing = asyncio.Event()
        room = asyncio.Semaphore(self._settings.at_once)
        unfinished = [session for key, session in self._sessions.items() if key not in self._over]
        open_intents = [number for number in range(self._settings.sessions) if number not in self._settled]
        async with asyncio.TaskGroup() as tasks:
            for session in unfinished:
                tasks.create_task(self._tell(hub, session))
            for lane in lanes(self._journal, self._settings):
                tasks.create_task(lane.run(hub, finishing))
            remote = tasks.create_task(self._follow_remote(hub, tasks))
            for number in sorted(open_intents, key=lambda number: (number not in self._begun, number)):
                await room.acquire()
                tasks.create_task(self._charge(hub, number, room))
            await until_finish(self._settings)
            finishing.set()
            remote.cancel()

    async def _follow_remote(self, hub: Hub, tasks: asyncio.TaskGroup) -> None:
        while True:
            tasks.create_task(self._tell(hub, await self._remote.get()))

    async def _charge(self, hub: Hub, number: int, room: asyncio.Semaphore) -> None:
        try:
            session = await self._start(hub, number)
            if session is not None:
                await self._tell(hub, session)
        finally:
            room.release()

    async def _start(self, hub: Hub, number: int) -> Session | None:
        """Ask whether the driver may charge; a start whose answer is lost may begin a session each time."""
        begun = self._begun.get(number)
        if begun is None:
            random = Random(f"{self._settings.seed}:{number}")  # noqa: S311 - to be repeated, not to be secret
            partner_session_id = f"cpo-{self._settings.seed}-{number}"
            body = messages.authorize_start(partner_session_id, random).decode()
            begun = Begun(time.time(), number, partner_session_id, body)
            await self._note(begun)
        told = await hub.send(AUTHORIZE_START.url_path(messages.OPERATOR), begun.body.encode())
        if told.members.get("AuthorizationStatus") != "Authorized":
            await self._note(NotStarted(time.time(), number, told.code))
            return None
        start = {**json.loads(begun.body), **_partner_session_id(told.members)}
        return await self._open(str(told.members["SessionID"]), number, start)

    async def _open(self, session_id: str, number: int | None, start: dict[str, Any]) -> Session:
        random = Random(f"{self._settings.seed}:{session_id}")  # noqa: S311 - as above
        steps = messages.steps(session_id, start, random, datetime.now(UTC))
        session = Session(time.time(), session_id, number, steps)
        await self._note(session)
        return session

    async def _tell(self, hub: Hub, session: Session) -> None:
        """Send what is left of a session, each message until it is acknowledged."""
        random = Random(session.session_id)  # noqa: S311 - pauses
        for step in range(self._next_step[session.session_id], len(session.steps)):
            await asyncio.sleep(random.random() * self._settings.pause)
            name, body = session.steps[step]
            told = await hub.send(BY_NAME[name].url_path(messages.OPERATOR), body.encode())
            if not told.is_done:
                await self._note(Refused(time.time(), session.session_id, step, told.code, str(told)))
                return
            is_last = step == len(session.steps) - 1
            await self._note(Acknowledged(time.time(), session.session_id, step, is_last))

    async def answer(self, path: str, body: bytes) -> Mapping[str, Any] | None:
        """A remote start begins a session, once for each SessionID; it is on disk before it is acknowledged."""
        if path != AUTHORIZE_REMOTE_START.url_path(messages.PROVIDER):
            return None
        start = json.loads(body)
        session_id = str(start["SessionID"])
        async with self._starting.setdefault(session_id, asyncio.Lock()):
            if session_id not in self._sessions:
                self._remote.put_nowait(await self._open(session_id, None, start))
        return acknowledgement(session_id)


def _partner_session_id(answer: Mapping[str, Any]) -> dict[str, Any]:
    found = answer.get("EMPPartnerSessionID")
    return {"EMPPartnerSessionID": found} if found else {}


async def serve(settings: Settings) -> None:
    """Run the backend until it is to finish."""
    async with Journal[CpoEntry](Path(settings.journal), CpoEntry) as journal:
        backend = CpoBackend(settings, journal)
        async with connected(settings, backend.answer) as hub:
            await backend.run(hub)


if __name__ == "__main__":
    run(serve)
