"""What the tests of this directory share: parties with a store of their own, and a wire between them that can fail."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp.answers import read_answer, read_page, refusal
from p2pnode.oicp.codec import encode
from p2pnode.oicp.envelopes import split
from p2pnode.oicp.errors import NoAnswer, ProtocolError, Unreachable, Violation
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation, Operation
from p2pnode.roaming.party import Limits, OwnParty
from p2pnode.roaming.ports import Outgoing, PeerAnswer, Received
from p2pnode.roaming.records import PageRequest, SessionRecord
from p2pnode.roaming.services import Roaming
from p2pnode.store.store import SqlStore
from tests.blank_store import put_store
from tests.clock import Clock
from tests.roaming.roaming_backends import Cpo, Emp
from tests.roaming.roaming_messages import (
    NOON,
    SESSION,
    make,
)

Answer = TypeVar("Answer", bound=OicpModel)

LIMITS = Limits(authorize_deadline=3.0, learned_head_start=0.05, push_wait=1.0, pin_rounds=4)
PATIENT = Limits(learned_head_start=5.0, push_wait=5.0, pin_rounds=4)
"""For ways over several parties, whoever is slow."""


@dataclass(frozen=True)
class Call:
    """One call over the wire."""

    source: str
    target: str
    operation: AnyOperation
    body: bytes
    caller_id: str
    page: PageRequest | None
    reached: tuple[str, ...] = ()


@dataclass
class Wire:
    """Carries messages between the parties of a test as bytes, and fails on demand."""

    parties: dict[str, "Party"] = field(default_factory=dict[str, "Party"])
    calls: list[Call] = field(default_factory=list[Call])
    down: set[str] = field(default_factory=set[str])
    silent: set[str] = field(default_factory=set[str])
    lost_answers: set[str] = field(default_factory=set[str])
    delays: dict[str, float] = field(default_factory=dict[str, float])

    def to(self, target: str, operation: AnyOperation | None = None) -> list[Call]:
        """The calls that went to a party."""
        return [call for call in self.calls if call.target == target and operation in {None, call.operation}]

    async def carry(self, call: Call, process_id: str, deadline: float) -> tuple[int, bytes]:
        """The HTTP status and body of the answer."""
        self.calls.append(call)
        if call.target in self.down or call.target not in self.parties:
            raise Unreachable(call.target, "connection refused")
        if call.target in self.silent:
            await asyncio.sleep(min(deadline, 5))
            raise NoAnswer(call.target, "no answer in time")
        await asyncio.sleep(self.delays.get(call.target, 0))
        http, body = await self.parties[call.target].answering(call, process_id)
        if call.target in self.lost_answers:
            raise NoAnswer(call.target, "no answer in time")
        return http, body


@dataclass(frozen=True)
class Line:
    """A party's end of the wire: its `PeerCaller`."""

    name: str
    wire: Wire

    async def call(  # noqa: PLR0913 - as the protocol has it
        self,
        peer: PeerEntry,
        operation: Operation[Any, Answer],
        body: bytes,
        *,
        caller_id: str,
        process_id: str,
        page: PageRequest | None = None,
        deadline: float | None = None,
        reached: Sequence[str] = (),
    ) -> PeerAnswer[Answer]:
        told = tuple(reached) if peer.dialect == "oicp" else ()
        call = Call(self.name, peer.name, operation, body, caller_id, page, told)
        http, answered = await self.wire.carry(call, process_id, deadline or operation.deadline)
        if operation.answer_records:
            envelope = read_page(operation, peer.name, http, "application/json", answered)
            return PeerAnswer(envelope.message, answered, http, 1.0, envelope.records)
        answer = read_answer(operation, peer.name, http, "application/json", answered)
        return PeerAnswer(answer, answered, http, 1.0)


@dataclass
class Party:
    """One node's roaming services with everything around them."""

    name: str
    own: OwnParty
    store: SqlStore
    wire: Wire
    clock: Clock
    cpo: Cpo
    emp: Emp
    limits: Limits
    relay: bool = False
    peers: PeerTable = field(default_factory=PeerTable)
    foreign: bytes | None = None
    checked: list[tuple[str, Sequence[Violation]]] = field(default_factory=list[tuple[str, "Sequence[Violation]"]])
    roaming: Roaming = field(init=False)

    def __post_init__(self) -> None:
        self.restart()
        self.wire.parties[self.name] = self

    async def session(self, session_id: str = SESSION) -> SessionRecord:
        """A session it knows."""
        found = await self.store.session(session_key(session_id))
        assert found is not None
        return found

    async def deliver_pending(self) -> list[str]:
        """As the function of this name."""
        return await deliver_pending(self.roaming)

    def restart(self) -> None:
        """Forget everything but the store."""
        self.answering: Callable[[Call, str], Awaitable[tuple[int, bytes]]] = self.answer
        self.roaming = Roaming(
            self.own,
            peers=lambda: self.peers,
            store=self.store,
            caller=Line(self.name, self.wire),
            cpo=self.cpo if self.own.operators else None,
            emp=self.emp if self.own.providers else None,
            now=self.clock,
            limits=self.limits,
            relay=self.relay,
            checked=lambda session_id, violations: self.checked.append((session_id, violations)),
        )

    def forgets(self, other: "Party") -> None:
        """Take another out of the peer table."""
        self.peers = PeerTable(peer for peer in self.peers.peers if peer.name != other.name)

    def knows(self, *others: "Party", **entry: object) -> None:
        """Put others into the peer table, the entry's members as given."""
        added = [
            make(
                PeerEntry,
                **{
                    "name": other.name,
                    "url": f"http://127.0.0.1:1/{other.name}",
                    "tls": "off",
                    "operators": other.own.operators,
                    "providers": other.own.providers,
                    **entry,
                },
            )
            for other in others
        ]
        kept = [peer for peer in self.peers.peers if peer.name not in {other.name for other in others}]
        self.peers = PeerTable([*kept, *added])

    async def answer(self, call: Call, process_id: str) -> tuple[int, bytes]:
        """As this party's server answers, or with `foreign` as some other system would."""
        if self.foreign is not None:
            return 200, self.foreign
        message: OicpModel | None = None
        try:
            envelope = split(call.operation, call.body)
            message = envelope.message
            peer = self.peers.get(call.source)
            assert peer is not None
            received = Received(
                call.operation,
                message,
                call.body,
                peer,
                process_id,
                caller_id=call.caller_id,
                records=envelope.records,
                page=call.page or PageRequest(),
                reached=call.reached,
            )
            answer = await self.roaming.receive(received)
        except ProtocolError as error:
            http, answer = refusal(call.operation, error, message)
            return http.value, encode(answer)
        return 200, answer if isinstance(answer, bytes) else encode(answer)

    async def send(
        self,
        operation: Operation[Any, Answer],
        message: OicpModel | bytes,
        *,
        page: PageRequest | None = None,
        to: str | None = None,
    ) -> Answer:
        """What this party's own backend gets for a message."""
        answer = await self.send_raw(operation, message, page=page, to=to)
        return read_answer(operation, "own", 200, None, answer)

    async def send_raw(
        self,
        operation: AnyOperation,
        message: OicpModel | bytes,
        *,
        page: PageRequest | None = None,
        to: str | None = None,
    ) -> bytes:
        """What this party's own backend gets for a message, as bytes."""
        body = message if isinstance(message, bytes) else encode(message)
        envelope = split(operation, body)
        going = Outgoing(
            operation,
            envelope.message,
            body,
            "process",
            records=envelope.records,
            page=page or PageRequest(),
            to=to,
        )
        answer = await self.roaming.send(going)
        return answer if isinstance(answer, bytes) else encode(answer)


@dataclass
class World:
    """Makes parties."""

    directory: Path
    enter: Callable[[Any], Awaitable[Any]]
    clock: Clock = field(default_factory=lambda: Clock(NOON))
    wire: Wire = field(default_factory=Wire)

    async def party(
        self,
        name: str,
        operators: Sequence[str] = (),
        providers: Sequence[str] = (),
        limits: Limits = LIMITS,
        *,
        relay: bool = False,
    ) -> Party:
        """A party with an empty store."""
        store = await self.enter(SqlStore.open(put_store(self.directory / f"{name}.db"), now=self.clock))
        own = OwnParty(tuple(operators), tuple(providers))
        made = Party(name, own, store, self.wire, self.clock, Cpo(), Emp(), limits, relay)
        await self.enter(_closing(made))
        return made

    def path(self, operation: AnyOperation) -> list[tuple[str, str]]:
        """Who called whom with the operation."""
        return [(call.source, call.target) for call in self.wire.calls if call.operation is operation]

    async def pair(self) -> tuple[Party, Party]:
        """A CPO and an EMP that know each other."""
        cpo = await self.party("cpo", operators=("DE*CPO",))
        emp = await self.party("emp", providers=("DE-ONE",))
        cpo.knows(emp)
        emp.knows(cpo)
        return cpo, emp

    async def star(self) -> tuple[Party, Party, Party]:
        """A CPO and an EMP that know a relay only, and the relay between them."""
        cpo = await self.party("cpo", operators=("DE*CPO",), limits=PATIENT)
        emp = await self.party("emp", providers=("DE-ONE",), limits=PATIENT)
        relay = await self.party("relay", limits=PATIENT, relay=True)
        relay.knows(cpo, emp)
        for party in (cpo, emp):
            party.knows(relay, hub=True)
        return cpo, relay, emp


class _closing:  # noqa: N801 - used like a function
    def __init__(self, party: Party) -> None:
        self._party = party

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        await self._party.roaming.aclose()


async def refused(sending: Awaitable[object]) -> ProtocolError:
    """The refusal that a message ends with."""
    try:
        answer = await sending
    except ProtocolError as error:
        return error
    raise AssertionError(f"not refused: {answer!r}")


async def deliver_pending(roaming: Roaming) -> list[str]:
    """Try at once everything that waits, and wait for the outcome; returns what went wrong with published data."""
    await roaming.resume()
    roaming.outbox.wake()
    await roaming.settle()
    return await roaming.publish_pending()
