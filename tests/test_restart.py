"""A node that is killed while everybody writes has kept what it acknowledged, whole pushes, and no half of anything."""

import asyncio
import itertools
import sqlite3
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from p2pnode.lab.process import NodeProcess
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    PUSH_AUTHENTICATION_DATA,
    PUSH_EVSE_DATA,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
    AnyOperation,
)
from p2pnode.web.client import AdminClient
from tests.child_node import child_node
from tests.hostile_target import of_session, start
from tests.peering.peering_kit import path_of, until
from tests.samples import sample_members
from tests.whole_nodes import Caller, Conversation, databases

ROUNDS = 2
"""How often the node is killed."""
ENOUGH = 12
"""How many messages of each kind are acknowledged before it is."""
EVSES = 40
STATUSES = ("Available", "Occupied", "Reserved", "OutOfService")
SESSION = (CHARGING_NOTIFICATION_START, CHARGING_NOTIFICATION_PROGRESS, CHARGING_NOTIFICATION_END, CHARGE_DETAIL_RECORD)
"""What follows an AuthorizeStart."""
PUSHED = (
    PUSH_EVSE_DATA,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
    PUSH_EVSE_PRICING,
    PUSH_AUTHENTICATION_DATA,
)


def evse_id(number: int) -> str:
    return f"DE*ABC*E{number}"


def uid(generation: int, number: int) -> str:
    """A card that only this generation of authentication data knows."""
    return f"04{generation:08X}{number:04X}"


def push(operation: AnyOperation, generation: int) -> dict[str, Any]:
    """A full load every record of which tells its generation."""
    members = {**sample_members(operation), "ActionType": "fullLoad"}
    holder: Any = members
    for name in operation.records[:-1]:
        holder = holder[name]
    first = holder[operation.records[-1]][0]
    records: dict[AnyOperation, list[dict[str, Any]]] = {
        PUSH_EVSE_DATA: [{**first, "EvseID": evse_id(n), "SubOperatorName": str(generation)} for n in range(EVSES)],
        PUSH_EVSE_STATUS: [
            {"EvseID": evse_id(n), "EvseStatus": STATUSES[generation % len(STATUSES)]} for n in range(EVSES)
        ],
        PUSH_PRICING_PRODUCT_DATA: [
            {**first, "ProductID": f"AC{n}", "PricePerReferenceUnit": generation} for n in range(EVSES)
        ],
        PUSH_EVSE_PRICING: [
            {"EvseID": evse_id(n), "ProviderID": "*", "EvseIDProductList": [f"AC{generation}"]} for n in range(EVSES)
        ],
        PUSH_AUTHENTICATION_DATA: [
            {"Identification": {"RFIDMifareFamilyIdentification": {"UID": uid(generation, n)}}} for n in range(EVSES)
        ],
    }
    holder[operation.records[-1]] = records[operation]
    return members


@dataclass
class Acknowledged:
    """What the node has said yes to."""

    generations: dict[AnyOperation, int] = field(default_factory=lambda: defaultdict(int))
    sent: dict[AnyOperation, int] = field(default_factory=lambda: defaultdict(int))
    starts: list[str] = field(default_factory=list[str])
    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    cdrs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def are_enough(self, rounds: int) -> bool:
        """Whether everything has been acknowledged often enough by the end of so many rounds."""
        wanted = ENOUGH * rounds
        pushes = all(self.generations[operation] >= wanted for operation in PUSHED)
        return pushes and len(self.starts) >= wanted and len(self.cdrs) >= wanted


Stream = Callable[[Conversation], Awaitable[None]]


def pushing(operation: AnyOperation, known: Acknowledged) -> Stream:
    async def stream(connection: Conversation) -> None:
        for generation in itertools.count(known.sent[operation] + 1):
            known.sent[operation] = generation
            await _acknowledged(connection, operation, push(operation, generation))
            known.generations[operation] = generation

    return stream


def starting(known: Acknowledged) -> Stream:
    async def stream(connection: Conversation) -> None:
        for number in itertools.count(len(known.starts) * 2):
            session_id = f"a0000000-0000-4000-8000-{number:012}"
            await _acknowledged(connection, AUTHORIZE_START, start(session_id))
            known.starts.append(session_id)

    return stream


def charging(known: Acknowledged) -> Stream:
    async def stream(connection: Conversation) -> None:
        for number in itertools.count(len(known.told) * 2):
            session_id = f"c0000000-0000-4000-8000-{number:012}"
            await _acknowledged(connection, AUTHORIZE_START, start(session_id))
            for operation in SESSION:
                body = of_session(operation, session_id)
                await _acknowledged(connection, operation, body)
                known.told[session_id].append(operation.name)
                if operation is CHARGE_DETAIL_RECORD:
                    known.cdrs[session_id] = body

    return stream


async def _acknowledged(connection: Conversation, operation: AnyOperation, body: dict[str, Any]) -> None:
    reply = await connection.post(path_of(operation), body)
    assert (reply.status, reply.code) == (200, "000"), reply.body


async def until_the_end(caller: Caller, stream: Stream) -> None:
    """Let a stream send on a connection of its own until the node is gone."""
    try:
        async with caller.conversation() as connection:
            await stream(connection)
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        return


@dataclass(frozen=True)
class Scene:
    """A node in a process of its own, and its peer."""

    node: NodeProcess
    store: Path
    partner: Caller


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with child_node(tmp_path) as node:
        yield Scene(node.process, node.store, node.partner)


async def test_a_node_that_is_killed_while_everybody_writes_has_kept_what_it_acknowledged(scene: Scene) -> None:
    known = Acknowledged()
    for number in range(1, ROUNDS + 1):
        streams = [starting(known), charging(known), *(pushing(operation, known) for operation in PUSHED)]
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for stream in streams:
                tasks.create_task(until_the_end(scene.partner, stream))
            await until(partial(known.are_enough, number))
            await scene.node.kill()
        await scene.node.start()
        async with await scene.node.ready() as client:
            await _sessions_are_there(client, known)
            await _pushes_are_whole(client, known)
            await _cdrs_are_there(client, known)
            await _authentication_data_is_there(client, known)
        await _sessions_go_on(scene.partner, known)
    for database in databases(scene.store):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def _sessions_are_there(client: AdminClient, known: Acknowledged) -> None:
    listed = (await client.get("/api/sessions", limit="100000"))["sessions"]
    states = {session["session_id"]: session["state"] for session in listed}
    assert {states[session_id] for session_id in known.starts} == {"authorized"}
    assert {states[session_id] for session_id in known.cdrs} == {"settled"}
    for session_id, operations in list(known.told.items())[-20:]:
        history = (await client.get(f"/api/sessions/{session_id}"))["history"]
        noted = [event["operation"] for event in history if event["verb"] == "receive"]
        assert noted[: 1 + len(operations)] == [AUTHORIZE_START.name, *operations]


async def _cdrs_are_there(client: AdminClient, known: Acknowledged) -> None:
    kept = {found["session_id"]: found["record"] for found in (await client.get("/api/cdrs", size="100000"))["cdrs"]}
    assert kept.keys() >= known.cdrs.keys()
    for session_id, body in known.cdrs.items():
        assert {name: kept[session_id][name] for name in ("SessionID", "EvseID", "SessionEnd")} == {
            name: body[name] for name in ("SessionID", "EvseID", "SessionEnd")
        }


async def _pushes_are_whole(client: AdminClient, known: Acknowledged) -> None:
    """Each push is there as a whole: the one acknowledged last, or the one that was under way."""
    evses = (await client.get("/api/evses", owner="partner", size="2000"))["evses"]
    pricing = await client.get("/api/pricing", owner="partner")
    found: dict[AnyOperation, list[object]] = {
        PUSH_EVSE_DATA: [int(evse["record"]["SubOperatorName"]) for evse in evses],
        PUSH_PRICING_PRODUCT_DATA: [int(product["PricePerReferenceUnit"]) for product in pricing["products"]],
        PUSH_EVSE_PRICING: [int(each["EvseIDProductList"][0][2:]) for each in pricing["evse_pricing"]],
    }
    for operation, generations in found.items():
        assert len(generations) == EVSES
        assert set(generations) <= {known.generations[operation], known.sent[operation]}
        assert len(set(generations)) == 1
    possible = {known.generations[PUSH_EVSE_STATUS], known.sent[PUSH_EVSE_STATUS]}
    statuses = [evse["status"] for evse in evses]
    assert len(set(statuses)) == 1
    assert statuses[0] in {STATUSES[generation % len(STATUSES)] for generation in possible}


async def _authentication_data_is_there(client: AdminClient, known: Acknowledged) -> None:
    """Our own CPO lets in the drivers of the last generation, asking nobody, and those of no other."""
    generation, sent = known.generations[PUSH_AUTHENTICATION_DATA], known.sent[PUSH_AUTHENTICATION_DATA]
    let_in = {number: await _let_in(client, number) for number in {generation - 1, generation, sent}}
    assert let_in.pop(generation - 1) == set()
    everybody = set(range(0, EVSES, 13))
    assert sorted(map(len, let_in.values())) == [0] * (len(let_in) - 1) + [len(everybody)]


async def _let_in(client: AdminClient, generation: int) -> set[int]:
    found: set[int] = set()
    for number in range(0, EVSES, 13):
        card = {"RFIDMifareFamilyIdentification": {"UID": uid(generation, number)}}
        called = await client.call(AUTHORIZE_START.name, {"OperatorID": "DE*OWN", "Identification": card})
        if called.answer["AuthorizationStatus"] == "Authorized":
            found.add(number)
    return found


async def _sessions_go_on(partner: Caller, known: Acknowledged) -> None:
    """What was acknowledged can be repeated, contradicted in vain, and ended."""
    async with partner.conversation() as connection:
        for session_id, body in list(known.cdrs.items())[-10:]:
            await _acknowledged(connection, CHARGE_DETAIL_RECORD, body)
            different = await connection.post(path_of(CHARGE_DETAIL_RECORD), {**body, "ConsumedEnergy": 1})
            assert different.code == "400"
            assert (
                await connection.post(path_of(AUTHORIZE_STOP), of_session(AUTHORIZE_STOP, session_id))
            ).code == "400"
        for session_id in known.starts[-10:]:
            await _acknowledged(connection, AUTHORIZE_START, start(session_id))
            await _acknowledged(connection, AUTHORIZE_STOP, of_session(AUTHORIZE_STOP, session_id))
