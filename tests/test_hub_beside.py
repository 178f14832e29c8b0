"""Real nodes with a hub and a direct peer: everybody is reached once, directly; without the direct peer, by the hub.

`near` and `direct` are peers of each other, the hub (a node that relays) is the hub of all, `far` knows the hub only.
`direct` lets the hub speak for `near`, too.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from p2pnode.config import remove_peer, save_peer
from p2pnode.lab.directory import Made, make_directory
from p2pnode.lab.parties import TIME_SCALE
from p2pnode.lab.ports import ReservedPorts
from p2pnode.node import Node
from p2pnode.oicp.codec import decode
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.operations import PULL_EVSE_DATA, Role
from p2pnode.pki import create_ca
from p2pnode.roaming.records import Verb
from tests.whole_nodes import node_settings, peer

PARTIES = {"near": "NEA", "direct": "DIR", "far": "FAR"}
KNOWN = {
    "near": ("direct", "hub"),
    "direct": ("near", "hub"),
    "far": ("hub",),
    "hub": ("near", "direct", "far"),
}
SECONDS = 10.0
GLANCES = 500


def evse(name: str, number: int = 1) -> str:
    return f"DE*{PARTIES[name]}*E{number}"


def contract(name: str) -> str:
    return f"DE-{PARTIES[name]}-C12345678-X"


def card(name: str) -> str:
    return f"04{PARTIES[name].encode().hex().upper():0<12}"


def _made(root: Path, ports: Mapping[str, int]) -> dict[str, Made]:
    now = datetime.now(UTC)
    authority = create_ca(root / "ca", "a CA", now)
    made: dict[str, Made] = {}
    for name, port in ports.items():
        settings = node_settings(name, port=port)
        if name in PARTIES:
            points = [{"evse_id": evse(name, number)} for number in (1, 2, 3)]
            driver = {"name": "Ada", "uid": card(name), "evco_id": contract(name), "pin": "123456"}
            settings["node"] |= {"operators": [f"DE*{PARTIES[name]}"], "providers": [f"DE-{PARTIES[name]}"]}
            settings["cpo"] = {
                "virtual": {"time_scale": TIME_SCALE, "charge_points": points, "publish_at_start": False}
            }
            settings["emp"] = {"virtual": {"drivers": [driver]}}
        else:
            settings["node"]["relay"] = True
        made[name] = make_directory(root / name, settings, now, authority=authority)
    for name, others in KNOWN.items():
        for other in others:
            more: dict[str, Any] = {"hub": True, "pins": [made["hub"].identity.pin]} if other == "hub" else {}
            if (name, other) == ("direct", "near"):
                more = {"through_hub": True}
            save_peer(made[name].directory, peer(made[other], authority, **more))
    return made


@dataclass
class Scene:
    """The running nodes, and how many messages each has received of whom."""

    nodes: dict[str, Node]

    def received(self) -> Counter[tuple[str, str, str]]:
        """How often an operation has come: by operation, sender and receiver."""
        return Counter(
            (event.call.operation, event.call.peer, name)
            for name, node in self.nodes.items()
            for event in node.observer.events.recent()
            if event.call is not None and event.call.verb is Verb.RECEIVE
        )

    def of(self, operation: str, since: Counter[tuple[str, str, str]]) -> dict[tuple[str, str], int]:
        """How often the operation has come since then, by sender and receiver."""
        new = self.received() - since
        return {(sender, receiver): count for (name, sender, receiver), count in new.items() if name == operation}

    async def expect(
        self, operations: Iterable[str], since: Counter[tuple[str, str, str]], expected: dict[tuple[str, str], int]
    ) -> None:
        """Each operation has come, or comes within moments, exactly so often; a receiver counts after its answer."""
        for operation in operations:
            for _ in range(GLANCES):
                if self.of(operation, since) == expected:
                    break
                await asyncio.sleep(0.01)
            assert self.of(operation, since) == expected, operation

    async def act(self, name: str, role: Role, command: str, **arguments: object) -> Mapping[str, Any]:
        """Do something at the virtual charge points or with the virtual app of a node."""
        commands = self.nodes[name].commands[role]
        assert commands is not None
        done = await commands.run(command, arguments)
        assert done.get("code", "000") == "000", done
        return done

    async def code(self, cpo: str, driver_of: str, number: int = 1) -> str:
        """A driver shows a code at a CPO's charge point; the SessionID."""
        shown = {"evco_id": contract(driver_of), "pin": "123456"}
        done = await self.act(cpo, Role.CPO, "show_qr_code", evse_id=evse(cpo, number), **shown)
        return str(done["session_id"])

    async def settled(self, name: str, session_id: str) -> None:
        """Wait until the node has the CDR of the session."""
        async with asyncio.timeout(SECONDS):
            while await self.nodes[name].store.cdr(session_key(session_id)) is None:  # noqa: ASYNC110 - a store tells nobody
                await asyncio.sleep(0.01)

    async def publish(self, name: str) -> None:
        """Publish everything that a party can."""
        await self.act(name, Role.CPO, "publish")
        await self.act(name, Role.CPO, "publish_prices")
        await self.act(name, Role.EMP, "publish")

    async def owners(self, name: str, of: str) -> set[str]:
        """From whom the node has the EVSE data of another party."""
        return {found.owner for found in await self.nodes[name].store.evse_owners(evse_key(evse(of)))}

    async def leave(self, name: str, other: str) -> None:
        """Take another party out of the peer table of the running node."""
        directory = self.nodes[name].directory
        assert directory is not None
        remove_peer(directory, other)
        await self.nodes[name].upkeep.reload()

    async def shown(self, name: str) -> list[str]:
        """The EvseIDs that the node's own EMP pulls."""
        body = b'{"ProviderID":"DE-NEA","GeoCoordinatesResponseFormat":"Google"}'
        called = await self.nodes[name].own.call(PULL_EVSE_DATA, body)
        answer: Any = decode(called.answer)
        assert called.code == "000", answer
        return sorted(record["EvseID"] for record in answer["content"])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncGenerator[Scene]:
    with ReservedPorts(len(KNOWN)) as reserved:
        made = await asyncio.to_thread(_made, tmp_path, dict(zip(KNOWN, reserved.ports, strict=True)))
        async with AsyncExitStack() as stack:
            nodes = {
                name: await stack.enter_async_context(Node.from_directory(one.directory)) for name, one in made.items()
            }
            yield Scene(nodes)


PUSHES = (
    "PushEvseData",
    "PushEvseStatus",
    "PushPricingProductData",
    "PushEvsePricing",
    "PushAuthenticationData",
)
NOTIFIED = ("ChargingNotificationStart", "ChargingNotificationEnd", "ChargeDetailRecord")


async def test_everybody_is_reached_once_and_directly_and_by_the_hub_when_the_direct_peer_is_gone(
    scene: Scene,
) -> None:
    await scene.act("direct", Role.CPO, "publish")
    expected = sorted(evse("direct", number) for number in (1, 2, 3))
    assert await scene.owners("near", "direct") == {"direct"}
    assert await scene.owners("far", "direct") == {"hub"}
    assert await scene.shown("near") == expected

    before = scene.received()
    session_id = await scene.code("near", "direct")
    assert await scene.code("near", "direct") == session_id
    await scene.settled("direct", session_id)
    await scene.expect(("AuthorizeStart", "AuthorizeStop", *NOTIFIED), before, {("near", "direct"): 1})

    before = scene.received()
    done = await scene.act("near", Role.CPO, "swipe", evse_id=evse("near", 2), uid=card("far"))
    assert done["provider_id"] == "DE-FAR"
    await scene.expect(["AuthorizeStart"], before, {("near", "direct"): 1, ("near", "hub"): 1, ("hub", "far"): 1})
    await scene.act("near", Role.CPO, "swipe", evse_id=evse("near", 2), uid=card("far"))
    await scene.settled("far", str(done["session_id"]))

    before = scene.received()
    where = {"evse_id": evse("direct")}
    done = await scene.act("near", Role.EMP, "remote_start", evco_id=contract("near"), **where)
    await scene.act("near", Role.EMP, "remote_stop", session_id=done["session_id"], **where)
    await scene.settled("near", str(done["session_id"]))
    await scene.expect(("AuthorizeRemoteStart", "AuthorizeRemoteStop"), before, {("near", "direct"): 1})
    await scene.expect(NOTIFIED, before, {("direct", "near"): 1})

    under_way = await scene.code("near", "direct", 3)
    await scene.leave("near", "direct")
    assert await scene.shown("near") == expected

    before = scene.received()
    by_hub = {("near", "hub"): 1, ("hub", "direct"): 1}
    assert await scene.code("near", "direct", 3) == under_way
    await scene.settled("direct", under_way)
    await scene.expect(
        ("AuthorizeStop", "ChargingNotificationEnd", "ChargeDetailRecord"),
        before,
        {("near", "hub"): 1, ("hub", "direct"): 1},
    )

    before = scene.received()
    where = {"evse_id": evse("direct", 2)}
    done = await scene.act("near", Role.EMP, "remote_start", evco_id=contract("near"), **where)
    await scene.expect(["AuthorizeRemoteStart"], before, by_hub)
    session_id = await scene.code("near", "direct")
    await scene.code("near", "direct")
    await scene.settled("direct", session_id)
    await scene.expect(("AuthorizeStart", "ChargeDetailRecord"), before, by_hub)


async def test_each_push_arrives_once_and_through_the_hub_once_the_sender_has_no_direct_entry(scene: Scene) -> None:
    for node in scene.nodes.values():  # what each has to bring after its start is not to be counted
        await node.roaming.publish_pending()
    before = scene.received()
    await scene.publish("far")
    await scene.expect(PUSHES, before, {("far", "hub"): 1, ("hub", "near"): 1, ("hub", "direct"): 1})

    before = scene.received()
    once = {("direct", "near"): 1, ("direct", "hub"): 1, ("hub", "far"): 1}
    await scene.publish("direct")
    await scene.expect(PUSHES, before, once)
    await scene.publish("direct")
    await scene.expect(PUSHES, before, dict.fromkeys(once, 2))
    assert (await scene.owners("near", "direct"), await scene.owners("far", "direct")) == ({"direct"}, {"hub"})

    before = scene.received()
    await scene.leave("direct", "near")
    by_hub = {("direct", "hub"): 1, ("hub", "near"): 1, ("hub", "far"): 1}
    # The hub brings near everything: what direct publishes, and far.
    await scene.expect(PUSHES, before, {**by_hub, ("hub", "near"): 2})
    assert await scene.owners("near", "direct") == {"direct", "hub"}

    before = scene.received()
    await scene.publish("direct")
    await scene.expect(PUSHES, before, by_hub)
