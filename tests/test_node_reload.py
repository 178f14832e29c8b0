"""A running node reads its peer table and certificates again when it is told to."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from p2pnode.config import PeerEntry, save_peer
from p2pnode.config.load import PEERS_FILE
from p2pnode.lab.directory import make_directory
from p2pnode.lab.process import LOG, NodeProcess
from p2pnode.web.client import AdminClient
from tests.peering.peering_kit import until
from tests.whole_nodes import node_settings


async def until_known(client: AdminClient, names: set[str]) -> None:
    async with asyncio.timeout(10):
        while True:
            known = {peer["name"] for peer in (await client.get("/api/peers"))["peers"]}
            if known == names:
                return
            await asyncio.sleep(0.02)


async def test_after_sighup_the_node_knows_new_peers_and_a_broken_table_changes_nothing(tmp_path: Path) -> None:
    settings = node_settings("node", operators=["DE*ABC"], log={"level": "warning"})
    made = make_directory(tmp_path / "node", settings, datetime.now(UTC))
    log = made.directory / LOG
    process = NodeProcess(made.directory)
    await process.start()
    try:
        async with await process.ready() as client:
            await until_known(client, set())
            save_peer(made.directory, PeerEntry(name="north", providers=("DE-NOR",)))
            os.kill(process.pid, signal.SIGHUP)
            await until_known(client, {"north"})
            (made.directory / PEERS_FILE).write_text("[[peer]]\nname = 7\n", encoding="utf-8")
            os.kill(process.pid, signal.SIGHUP)
            await until(lambda: "not_reloaded" in log.read_text(encoding="utf-8"))
            await until_known(client, {"north"})
    finally:
        await process.stop()
