"""The stage of the lab: two actors, the wire between them, and steps that say what has to happen and what did.

A scenario is a function of the stage and two actors. Each of its steps names the messages that have to cross the wire,
acts, and compares what came with what was expected. Whatever else crosses meanwhile has to be answered with 000.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol, cast

from p2pnode.config.virtual import VirtualChargePoint
from p2pnode.lab.parties import Party
from p2pnode.lab.wire import Seen, Wire
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.status import Code
from p2pnode.web.client import AdminClient, AdminRefused, Called
from p2pnode.web.problem import Problem

CAPACITY = 600
"""kWh: an electric lorry, so that no battery is full before its driver stops, however slow this machine is."""
PATIENCE = 5.0
"""Seconds until a message that should have crossed is missed."""
SHOWN = 400
"""Characters of a value that did not come as expected."""
GLANCES = 100
GLANCE_SECONDS = 0.02


class StepFailed(Exception):
    """A step did not come out as expected, so the rest of its scenario is left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message as the node that sent or received it saw it; `problems` is empty where all is as expected."""

    operation: str
    verb: str
    sender: str
    receiver: str
    http: int
    code: str
    ms: float
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it came out as expected."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it came out; `at` is in seconds since the lab began."""

    scenario: str
    title: str
    at: float
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def ok(self) -> bool:
        """Whether all of it came out as expected."""
        return all(row.ok for row in self.rows)


class Audience(Protocol):
    """Who is told how the lab goes."""

    def scenario(self, title: str) -> None:
        """A scenario begins."""

    def step(self, step: Step) -> None:
        """A step is done."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A party and its running node."""

    party: Party
    client: AdminClient

    @property
    def name(self) -> str:
        """The node's name, which is also the name the other node knows it by."""
        return self.party.name

    async def send(
        self,
        operation: AnyOperation,
        body: Mapping[str, Any] | bytes,
        to: "Actor",
        *,
        page: int | None = None,
        size: int | None = None,
    ) -> Called:
        """Send one OICP message to the other node, as the party's backend would."""
        return await self.client.call(operation.name, body, to=to.name, page=page, size=size)

    async def at_point(self, command: str, point: VirtualChargePoint, **arguments: object) -> Mapping[str, Any]:
        """Do something at one of the party's charge points."""
        return await self._act(f"/api/cpo/{command}", {"evse_id": point.evse_id, **arguments})

    async def in_app(self, command: str, **arguments: object) -> Mapping[str, Any]:
        """Let a driver or the staff do something with the party's app."""
        return await self._act(f"/api/emp/{command}", arguments)

    async def _act(self, path: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
        """What came of it; a refusal with an OICP code is an outcome."""
        try:
            done: Mapping[str, Any] = await self.client.post(path, arguments)
        except AdminRefused as refused:
            if not refused.code:
                raise
            return {"authorized": False, "result": False, "code": refused.code, "reason": refused.message}
        return done

    async def published_by(self, owner: "Actor") -> Mapping[str, Mapping[str, Any]]:
        """Those of the owner's charge points that it has published to this node, by EvseID."""
        asked = [point.evse_id for point in owner.party.points]
        found = await self.client.get("/api/evses", owner=owner.name, evse_id=asked)
        return {record["evse_id"]: record for record in found["evses"]}

    async def session(self, session_id: str, state: str | None = None) -> Mapping[str, Any]:
        """The node's record of a session, with its history; awaited for a moment in `state`.

        A node tells that a message has crossed before it has noted the answer.
        """
        found: Mapping[str, Any] = {}
        for _ in range(GLANCES):
            found = await self.client.get(f"/api/sessions/{session_id}")
            if state is None or found["state"] == state:
                return found
            await asyncio.sleep(GLANCE_SECONDS)
        return found

    async def account(self, session_id: str) -> Mapping[str, Any]:
        """What the party's EMP was told of a session; awaited for a moment with its CDR, which is handed on later."""
        account: Mapping[str, Any] = {}
        for _ in range(GLANCES):
            told = await self.in_app("sessions")
            found: list[Mapping[str, Any]] = [one for one in told["sessions"] if one["session_id"] == session_id]
            account = found[0] if found else account
            if account.get("settled"):
                break
            await asyncio.sleep(GLANCE_SECONDS)
        return account

    async def cdr(self, session_id: str) -> Mapping[str, Any]:
        """The node's CDR of a session, as it came. Raises Problem where it has none."""
        for found in (await self.client.get("/api/cdrs", size="1000"))["cdrs"]:
            if found["session_id"] == session_id:
                record: Mapping[str, Any] = found["record"]
                return record
        raise Problem(f"{self.name} has no CDR of session {session_id}")


class Named(Protocol):
    """Whoever sends and receives messages on the stage."""

    @property
    def name(self) -> str:
        """The name others know it by."""
        ...


@dataclass(frozen=True, slots=True)
class Crossing:
    """A message that has to cross the wire, at least once, and the code it has to be answered with."""

    operation: AnyOperation
    sender: Named
    receiver: Named
    code: Code = Code.SUCCESS

    def fits(self, seen: Seen) -> bool:
        """Whether this is the message, seen by its sender."""
        return (seen.verb, seen.node, seen.peer, seen.operation) == (
            "send",
            self.sender.name,
            self.receiver.name,
            self.operation.name,
        )


@dataclass(slots=True)
class Checks:
    """What a step compares, and what it has to tell. `crossed` waits until its messages have crossed the wire."""

    crossed: Callable[[], Awaitable[None]]
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    details: dict[str, object] = field(default_factory=dict[str, object])

    def equal(self, what: str, expected: object, came: object) -> None:
        """`came` has to equal `expected`."""
        if expected != came:
            self.problems.append(f"{what}: expected {_shown(expected)}, came {_shown(came)}")

    def that(self, what: str, *, holds: bool) -> None:
        """`what` has to be true."""
        if not holds:
            self.problems.append(f"does not hold: {what}")

    def note(self, sentence: str) -> None:
        """Tell the person something."""
        self.notes.append(sentence)


def _shown(value: object) -> str:
    """A value as a person reads it: sets in order, names without their type, cut where it is long."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, AbstractSet):
        value = sorted(cast("AbstractSet[str]", value))
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


class Stage:
    """Where scenarios are played. `begun` is the monotonic time of the lab's beginning, `patience` in seconds."""

    def __init__(self, wire: Wire, audience: Audience, begun: float, patience: float = PATIENCE) -> None:
        self.wire = wire
        self._patience = patience
        self.steps: list[Step] = []
        self._audience = audience
        self._begun = begun
        self._scenario = ""
        self._told = 0

    def begin(self, scenario: str) -> None:
        """A scenario begins."""
        self._scenario = scenario
        self._audience.scenario(scenario)

    @asynccontextmanager
    async def step(self, title: str, *expected: Crossing) -> AsyncGenerator[Checks]:
        """Act and compare inside; afterwards every expected message has crossed, or StepFailed is raised."""
        checks = Checks(lambda: self._wait_for(expected, self._patience))
        try:
            yield checks
        except Problem as problem:
            checks.problems.append(f"{problem.message}{f' ({problem.hint})' if problem.hint else ''}")
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
            checks.problems.append(f"an answer lacks something or has another form: {type(error).__name__}: {error}")
        await self._wait_for(expected, min(0.5, self._patience) if checks.problems else self._patience)
        step = Step(
            self._scenario,
            title,
            time.monotonic() - self._begun,
            tuple(self._rows(expected, tuple(checks.problems))),
            tuple(checks.notes),
            checks.details,
        )
        self._told = len(self.wire.seen)
        self.steps.append(step)
        self._audience.step(step)
        if not step.ok:
            raise StepFailed(title)

    async def _wait_for(self, expected: tuple[Crossing, ...], seconds: float) -> None:
        """Wait until all has crossed, or the time is up."""
        try:
            async with asyncio.timeout(seconds):
                while not self._crossed(expected):
                    await self.wire.more(len(self.wire.seen))
        except TimeoutError:
            pass  # the rows of the step tell what is missing

    def _sent(self) -> list[Seen]:
        return [seen for seen in self.wire.seen[self._told :] if seen.verb == "send"]

    def _crossed(self, expected: tuple[Crossing, ...]) -> bool:
        """Whether each expected message has crossed, and each message that was sent has been received."""
        sent = self._sent()
        return all(any(crossing.fits(seen) for seen in sent) for crossing in expected) and all(
            self.wire.receipt(seen) is not None for seen in sent
        )

    def _rows(self, expected: tuple[Crossing, ...], problems: tuple[str, ...]) -> list[Row]:
        rows: list[Row] = []
        sent = self._sent()
        for seen in sent:
            code = next((crossing.code for crossing in expected if crossing.fits(seen)), Code.SUCCESS)
            found = () if seen.code == code else (f"expected code {code}, came {seen.code or 'none'}",)
            rows.append(Row(seen.operation, "send", seen.node, seen.peer, seen.http, seen.code, seen.ms, found))
            rows.append(self._receipt_row(seen))
        for crossing in expected:
            if not any(crossing.fits(seen) for seen in sent):
                missed = (f"expected {crossing.operation.name} to cross the wire, nothing came",)
                names = crossing.sender.name, crossing.receiver.name
                rows.append(Row(crossing.operation.name, "send", *names, 0, "", 0.0, missed))
        if problems and rows:
            rows[-1] = replace(rows[-1], problems=rows[-1].problems + problems)
        return rows

    def _receipt_row(self, seen: Seen) -> Row:
        receipt = self.wire.receipt(seen)
        if receipt is None:
            return Row(seen.operation, "receive", seen.node, seen.peer, 0, "", 0.0, (f"{seen.peer} has not noted it",))
        found = () if receipt.code == seen.code else (f"{seen.peer} noted code {receipt.code or 'none'}",)
        return Row(seen.operation, "receive", seen.node, seen.peer, receipt.http, receipt.code, receipt.ms, found)
