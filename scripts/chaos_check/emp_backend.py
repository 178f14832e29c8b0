"""The process of an EMP's backend: it says yes to one card, starts sessions from afar, and keeps what it is told."""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from chaos_check import messages
from chaos_check.entries import Authorized, EmpEntry, Received, RemotelyRefused, RemotelyStarted
from chaos_check.hub import Hub, Settings, acknowledgement, connected, run
from chaos_check.journal import Journal
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_START,
)

REFUSED_CARD = "102"
AUTHORIZE = AUTHORIZE_START.url_path(messages.OPERATOR)
CDR = CHARGE_DETAIL_RECORD.url_path(messages.OPERATOR)
NOTIFICATION = CHARGING_NOTIFICATION_START.url_path(messages.OPERATOR)


class EmpBackend:
    """The drivers of an EMP, and its list of what it was told, in the order in which it came."""

    def __init__(self, settings: Settings, journal: Journal[EmpEntry]) -> None:
        self._settings = settings
        self._journal = journal
        self._authorized: set[str] = set()
        self._one_more = asyncio.Event()
        self._over: set[int] = set()
        """The remote starts that were done, or refused for good."""
        for entry in journal.kept:
            self._remember(entry)

    def _remember(self, entry: EmpEntry) -> None:
        match entry:
            case Authorized():
                self._authorized.add(entry.session_id)
                self._one_more.set()
            case RemotelyStarted() | RemotelyRefused():
                self._over.add(entry.number)
            case Received():
                pass

    async def _note(self, entry: EmpEntry) -> None:
        await self._journal.add(entry)
        self._remember(entry)

    async def run(self, hub: Hub) -> None:
        """Start sessions from afar, as many as fit those that drivers start at the charging points."""
        room = asyncio.Semaphore(self._settings.at_once)
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._settings.sessions):
                if number in self._over:
                    continue
                await self._until_authorized(number * self._settings.local_per_remote)
                await room.acquire()
                tasks.create_task(self._start(hub, number, room))
        await asyncio.Event().wait()

    async def _until_authorized(self, count: float) -> None:
        while len(self._authorized) < count:
            self._one_more.clear()
            await self._one_more.wait()

    async def _start(self, hub: Hub, number: int, room: asyncio.Semaphore) -> None:
        """A driver presses start until it works; a start whose answer is lost may begin a session each time."""
        random = Random(f"{self._settings.seed}:remote:{number}")  # noqa: S311 - to be repeated, not to be secret
        body = messages.remote_start(f"emp-{self._settings.seed}-{number}", random)
        try:
            told = await hub.send(AUTHORIZE_REMOTE_START.url_path(messages.PROVIDER), body)
            if told.is_done:
                await self._note(RemotelyStarted(time.time(), number, str(told.members["SessionID"])))
            else:
                await self._note(RemotelyRefused(time.time(), number, str(told)))
        finally:
            room.release()

    async def answer(self, path: str, body: bytes) -> Mapping[str, Any] | None:
        """What came is on disk before it is acknowledged."""
        message: dict[str, Any] = json.loads(body)
        session_id = str(message["SessionID"])
        if path == AUTHORIZE:
            return await self._authorize(message, session_id)
        if path not in {CDR, NOTIFICATION}:
            return None
        name = CHARGE_DETAIL_RECORD.name if path == CDR else f"ChargingNotification{message['Type']}"
        await self._note(Received(time.time(), session_id, name, body.decode()))
        return acknowledgement(session_id)

    async def _authorize(self, message: dict[str, Any], session_id: str) -> Mapping[str, Any]:
        if message["Identification"] != {"RFIDMifareFamilyIdentification": {"UID": messages.KNOWN_CARD}}:
            return {"AuthorizationStatus": "NotAuthorized", "StatusCode": {"Code": REFUSED_CARD}}
        await self._note(Authorized(time.time(), session_id))
        return {
            "SessionID": session_id,
            "EMPPartnerSessionID": f"emp-{session_id[:8]}",
            "AuthorizationStatus": "Authorized",
            "ProviderID": messages.PROVIDER,
            "StatusCode": {"Code": "000"},
        }


async def serve(settings: Settings) -> None:
    """Run the backend until it is ended."""
    async with Journal[EmpEntry](Path(settings.journal), EmpEntry) as journal:
        backend = EmpBackend(settings, journal)
        async with connected(settings, backend.answer) as hub:
            await backend.run(hub)


if __name__ == "__main__":
    run(serve)
