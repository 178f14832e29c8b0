"""A node in a process of its own with one peer, both as whole as in earnest, for tests that treat its store badly."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p2pnode.cli import run
from p2pnode.config import save_peer
from p2pnode.lab.directory import make_directory
from p2pnode.lab.ports import ReservedPorts
from p2pnode.lab.process import LOG, NodeProcess
from p2pnode.oicp.operations import AUTHORIZE_START, CHARGE_DETAIL_RECORD, PUSH_EVSE_DATA, AnyOperation
from p2pnode.pki import create_ca
from tests.hostile_target import UID, of_session, start
from tests.peering.peering_kit import Reply, own_id
from tests.samples import sample_members
from tests.whole_nodes import Caller, node_settings, peer


def numbered(number: int) -> str:
    """A session of the peer."""
    return f"c0000000-0000-4000-8000-{number:012}"


@dataclass
class ChildNode:
    """The node, and the peer's way to it. `settled` are the sessions whose CDR it has acknowledged."""

    directory: Path
    store: Path
    process: NodeProcess
    partner: Caller
    settled: list[str] = field(default_factory=list[str])

    async def send(self, operation: AnyOperation, body: dict[str, Any]) -> Reply:
        """A message of the peer."""
        return await self.partner.send(operation, own_id(operation), body)

    async def authorize(self, number: int) -> Reply:
        """Begin a session."""
        return await self.send(AUTHORIZE_START, start(numbered(number)))

    async def settle(self, number: int) -> Reply:
        """End a session with its CDR."""
        session_id = numbered(number)
        reply = await self.send(CHARGE_DETAIL_RECORD, of_session(CHARGE_DETAIL_RECORD, session_id))
        if reply.code == "000":
            self.settled.append(session_id)
        return reply

    async def whole_session(self, number: int) -> None:
        """Begin and end a session, both acknowledged."""
        for reply in (await self.authorize(number), await self.settle(number)):
            assert (reply.status, reply.code) == (200, "000"), reply.body

    async def push(self, action: str = "fullLoad") -> Reply:
        """Publish the peer's EVSE data."""
        return await self.send(PUSH_EVSE_DATA, {**sample_members(PUSH_EVSE_DATA), "ActionType": action})

    def log(self) -> str:
        """What the node has written to its log."""
        return (self.directory / LOG).read_text(encoding="utf-8")


async def command(*arguments: object) -> int:
    """The exit code of a command, run in this process beside the loop."""
    return await asyncio.to_thread(run, [str(argument) for argument in arguments])


@asynccontextmanager
async def child_node(root: Path, **sections: object) -> AsyncGenerator[ChildNode]:
    """The node, running while the context lasts; `sections` are of its configuration."""
    now = datetime.now(UTC)
    with ReservedPorts(1) as reserved:
        settings = node_settings(
            "node",
            operators=["DE*OWN"],
            providers=["DE-OWN"],
            port=reserved.ports[0],
            **{
                "emp": {"virtual": {"drivers": [{"uid": UID}]}},
                "log": {"level": "warning", "access": False},
                **sections,
            },
        )
        authority = create_ca(root / "ca", "a CA", now)
        node = make_directory(root / "node", settings, now, authority=authority)
        theirs = node_settings("partner", operators=["DE*ABC"], providers=["DE-DCB"])
        partner = make_directory(root / "partner", theirs, now, authority=authority)
        save_peer(node.directory, peer(partner, authority))
        process = NodeProcess(node.directory)
        await process.start()
        try:
            await process.ready()
            caller = Caller.of(reserved.ports[0], node.identity, partner.identity)
            yield ChildNode(node.directory, node.config.store.path, process, caller)
        finally:
            await process.stop()
