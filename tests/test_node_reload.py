"""A running node reads its peer table and certificates again when it is told to."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from p2pnode.config import PeerEntry, remove_peer, save_peer
from p2pnode.config.load import PEERS_FILE
from p2pnode.lab.directory import PKI, Made, make_directory
from p2pnode.lab.process import LOG, NodeProcess
from p2pnode.node import Node
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_status import PullEvseStatus
from p2pnode.oicp.operations import PULL_EVSE_STATUS
from p2pnode.pki import Leaf, create_identity, renew
from p2pnode.web.client import AdminClient, AdminRefused
from tests.peering.peering_kit import until
from tests.whole_nodes import UID, node_settings

BROKEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("[[peer]]\nname = 7\n", ("peers.toml:2", "name")),
    ('[[peer]]\nname = "a"\n\n[[peer]]\nname = "b"\ncolour = "red"\n', ("peers.toml:6", "colour")),
    ('[[peer]]\nname = "a"\nproviders = ["DE-X', ("peers.toml:3",)),
    ('[[peer]]\nname = "a"\npins = ["sha1:00"]\n', ("peers.toml:3", "pins")),
    (
        '[[peer]]\nname = "a"\nproviders = ["DE-XYZ"]\n\n[[peer]]\nname = "b"\nproviders = ["de*xyz"]\n',
        ("peers.toml:5", "'a' and 'b' both claim the provider 'de*xyz'"),
    ),
    ('[[peer]]\nname = "north"\n', ("'north'", "peers.d/north.toml")),
    ('[[peer]]\nname = "a"\ncertificate = "gone.pem"\n', ("'a'", "gone.pem")),
)
"""Peer tables nobody can use, and what the log has to say of each: the place and the key, or who claims what."""


@dataclass(frozen=True)
class Running:
    """A node in a process of its own."""

    made: Made
    process: NodeProcess
    client: AdminClient

    @property
    def log(self) -> str:
        return (self.made.directory / LOG).read_text(encoding="utf-8")

    def has_told(self, parts: Sequence[str]) -> bool:
        """Whether the last thing that could not be read again was told with all these words."""
        lines = [line for line in self.log.splitlines() if "not_reloaded" in line]
        return bool(lines) and all(part in lines[-1] for part in parts)

    def reload(self) -> None:
        os.kill(self.process.pid, signal.SIGHUP)

    async def until_known(self, names: set[str]) -> None:
        async with asyncio.timeout(10):
            while True:
                if {peer["name"] for peer in (await self.client.get("/api/peers"))["peers"]} == names:
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(directory: Path, **settings: Any) -> AsyncGenerator[Running]:  # noqa: ANN401 - as `node_settings` takes
    made = make_directory(directory, node_settings("cpo", log={"level": "warning"}, **settings), datetime.now(UTC))
    process = NodeProcess(made.directory)
    await process.start()
    try:
        async with await process.ready() as client:
            yield Running(made, process, client)
    finally:
        await process.stop()


async def test_after_sighup_the_node_knows_new_peers_and_a_broken_table_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "node", operators=["DE*ABC"]) as node:
        await node.until_known(set())
        save_peer(node.made.directory, PeerEntry(name="north", providers=("DE-NOR",)))
        node.reload()
        await node.until_known({"north"})
        for text, told in BROKEN:
            (node.made.directory / PEERS_FILE).write_text(text, encoding="utf-8")
            node.reload()
            await until(lambda: node.has_told(told))  # noqa: B023 - called here only
            await node.until_known({"north"})
        (node.made.directory / PEERS_FILE).write_text('[[peer]]\nname = "south"\n', encoding="utf-8")
        node.reload()
        await node.until_known({"north", "south"})


CARD = {"OperatorID": "DE*ABC", "Identification": {"RFIDMifareFamilyIdentification": {"UID": UID}}}
PULL = PullEvseStatus(provider_id="DE-DCB")


async def test_a_peer_whose_certificate_changes_is_cut_off_and_both_logs_say_why_until_the_new_one_is_entered(
    tmp_path: Path,
) -> None:
    drivers = {"virtual": {"drivers": [{"uid": UID}]}}
    made = make_directory(tmp_path / "emp", node_settings("emp", providers=["DE-DCB"], emp=drivers), datetime.now(UTC))
    async with running(tmp_path / "cpo", operators=["DE*ABC"]) as cpo, Node.from_directory(made.directory) as emp:

        async def start() -> tuple[str, str]:
            told = await cpo.client.call("AuthorizeStart", CARD)
            return told.code, told.answer["StatusCode"].get("AdditionalInfo", "")

        async def until_start_is(code: str) -> str:
            async with asyncio.timeout(10):
                while True:
                    found, told = await start()
                    if found == code:
                        return told
                    await asyncio.sleep(0.02)

        own_url = (await cpo.client.get("/api/status"))["faces"]["peer"]
        own_trust = cpo.made.identity.trust
        save_peer(made.directory, PeerEntry(name="cpo", url=own_url, operators=("DE*ABC",), certificate=own_trust))
        await emp.upkeep.reload()
        known = tmp_path / "emp.pem"
        known.write_bytes(made.identity.trust.read_bytes())
        entry = PeerEntry(name="emp", url=emp.peer_url, providers=("DE-DCB",), certificate=known)
        save_peer(cpo.made.directory, entry)
        cpo.reload()
        await until_start_is("000")
        await emp.own.send(PULL_EVSE_STATUS, PULL)

        (made.directory / PKI).rename(tmp_path / "former")
        changed = create_identity(made.directory / PKI, Leaf("emp", ("DE-DCB",), ("127.0.0.1",)), datetime.now(UTC))
        await emp.upkeep.reload()
        cpo.reload()
        assert "is not trusted here: self-signed certificate" in await until_start_is("320")
        with pytest.raises(ProtocolError, match="does not accept our certificate") as refused:
            await emp.own.send(PULL_EVSE_STATUS, PULL)
        assert refused.value.code == "320"
        assert cpo.log.count("a client certificate is refused: self-signed certificate") == 1

        known.write_bytes(changed.trust.read_bytes())
        cpo.reload()
        await until_start_is("000")
        await emp.own.send(PULL_EVSE_STATUS, PULL)


async def test_changed_files_are_taken_up_without_being_told(tmp_path: Path) -> None:
    settings = node_settings("node", operators=["DE*ABC"], limits={"watch_seconds": 0.1}, log={"level": "info"})
    made = make_directory(tmp_path / "node", settings, datetime.now(UTC))
    node = NodeProcess(made.directory)
    await node.start()
    log = made.directory / LOG

    def reloads() -> int:
        return log.read_text(encoding="utf-8").count("reloaded")

    try:
        async with await node.ready() as client:
            save_peer(made.directory, PeerEntry(name="north", providers=("DE-NOR",)))
            await until(lambda: reloads() == 1)
            assert [peer["name"] for peer in (await client.get("/api/peers"))["peers"]] == ["north"]
            remove_peer(made.directory, "north")
            await until(lambda: reloads() == 2)
            assert (await client.get("/api/peers"))["peers"] == []
            renew(made.directory / PKI, datetime.now(UTC), leaf=Leaf("node", days=10))
            await until(lambda: reloads() == 3)
            (warning,) = (await client.get("/api/status"))["warnings"]
            assert "renew it: p2pnode pki renew" in warning
            await asyncio.sleep(0.35)
            assert reloads() == 3
            (made.directory / PEERS_FILE).write_text("[[peer]]\nname = 7\n", encoding="utf-8")
            with pytest.raises(AdminRefused, match=r"peers\.toml:2: peer\[1\]\.name"):
                await client.post("/api/reload")
    finally:
        await node.stop()
