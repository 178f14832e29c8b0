"""A node whose disk is full, whose database is read-only, locked or has a corrupt row, and whose clock steps back.

Each time: a clear error, no acknowledgement of what was not stored, no stack trace, and all is well again by itself.
"""

import asyncio
import json
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from p2pnode.config import load_node, load_peers
from p2pnode.node import Node
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_START,
    OPERATIONS,
    PULL_EVSE_DATA,
    PUSH_EVSE_DATA,
    PUSH_PRICING_PRODUCT_DATA,
)
from p2pnode.roaming.records import SessionState
from p2pnode.web.client import AdminRefused
from tests.child_node import ChildNode, child_node, command, numbered
from tests.clock import Clock
from tests.hostile_target import INTERNALS
from tests.peering.peering_kit import Reply
from tests.samples import sample_members
from tests.whole_nodes import UID as CARD
from tests.whole_nodes import Caller, databases, make_pair, rows_of

LOCK_SECONDS = 0.3
SESSION = (AUTHORIZE_START, CHARGING_NOTIFICATION_START, CHARGING_NOTIFICATION_END, CHARGE_DETAIL_RECORD)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ChildNode]:
    async with child_node(tmp_path, store={"lock_seconds": LOCK_SECONDS}) as node:
        await node.whole_session(0)
        yield node
        assert "Traceback" not in node.log()


def failed(reply: Reply) -> None:
    """The answer tells of a fault of the node, so that the sender sends again, and tells nothing of how it is built."""
    assert (reply.status, reply.code) == (200, "021"), reply.body
    assert b"The store of this node failed. Process-ID" in reply.body
    assert not INTERNALS.search(reply.body.decode())


async def refuses_to_store(node: ChildNode, number: int) -> None:
    """The session of this number is authorized; nothing more of it can be stored."""
    before = rows_of(node.store)
    failed(await node.settle(number))
    failed(await node.authorize(number + 1))
    failed(await node.push())
    assert rows_of(node.store) == before
    assert (await node.send(PULL_EVSE_DATA, sample_members(PULL_EVSE_DATA))).code == "000"


async def stores_again(node: ChildNode, number: int) -> None:
    """The sender has sent it again: all is there, once."""
    assert (await node.settle(number)).code == "000"
    await node.whole_session(number + 1)
    assert (await node.push()).code == "000"
    stored = [str(row[1]) for row in rows_of(node.store)["cdr"]]
    assert sorted(stored) == sorted(node.settled)
    assert await command("store", "check", node.directory) == 0


@contextmanager
def no_file_grows(pid: int, size: int) -> Generator[None]:
    """No file of a process grows beyond this size: the disk is full, as far as it is concerned."""
    former = resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, former)


async def test_while_files_cannot_grow_nothing_is_acknowledged_and_afterwards_everything(node: ChildNode) -> None:
    assert (await node.authorize(1)).code == "000"
    with no_file_grows(node.process.pid, 4096):
        await refuses_to_store(node, 1)
    await stores_again(node, 1)


@contextmanager
def small_disk() -> Generator[Path]:
    """A disk of 3 MiB, outside of the directories that pytest removes."""
    place = Path(tempfile.mkdtemp(prefix="p2pnode-disk-"))
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("there is no mount here")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        yield place
    finally:
        subprocess.run([umount, "--lazy", str(place)], check=True)
        place.rmdir()


def fill(disk: Path) -> Path:
    """Leave no byte of the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


async def test_while_the_disk_is_full_nothing_is_acknowledged_and_afterwards_everything(tmp_path: Path) -> None:
    with small_disk() as disk:
        async with child_node(tmp_path, store={"path": str(disk / "p2pnode.db")}) as node:
            await node.whole_session(0)
            assert (await node.authorize(1)).code == "000"
            filler = fill(disk)
            while (await node.authorize(100)).code == "000":  # what the log had room for
                pass
            await refuses_to_store(node, 1)
            assert "the disk is full" in node.log()
            filler.unlink()
            await stores_again(node, 1)
            assert "Traceback" not in node.log()


async def test_while_another_process_holds_the_databases_nothing_is_acknowledged_and_afterwards_everything(
    node: ChildNode,
) -> None:
    assert (await node.authorize(1)).code == "000"
    held = [sqlite3.connect(path, isolation_level=None) for path in databases(node.store)]
    for connection in held:
        connection.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()
    replies = await asyncio.gather(*(node.authorize(number) for number in range(100, 110)))
    assert time.monotonic() - begun < LOCK_SECONDS + 2
    for reply in replies:
        failed(reply)
    await refuses_to_store(node, 1)
    for connection in held:
        connection.close()
    assert "the database is locked by another process" in node.log()
    await stores_again(node, 1)


def set_write_version(database: Path, version: int) -> None:
    """What SQLite asks for before it writes to a file: 2 for a file in use, more for one it may only read."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with database.open("r+b", buffering=0) as file:
        file.seek(18)
        file.write(bytes([version]))


async def test_while_the_databases_are_read_only_nothing_is_acknowledged_and_afterwards_everything(
    node: ChildNode,
) -> None:
    assert (await node.authorize(1)).code == "000"
    for database in databases(node.store):
        set_write_version(database, 3)
    await refuses_to_store(node, 1)
    assert "the database is read-only" in node.log()
    for database in databases(node.store):
        set_write_version(database, 2)
    await stores_again(node, 1)


async def test_a_corrupt_row_spoils_its_own_session_only_and_does_not_keep_the_node_from_starting(
    node: ChildNode,
) -> None:
    for number in (1, 2, 3):
        assert (await node.authorize(number)).code == "000"
    await node.whole_session(4)
    with closing(sqlite3.connect(node.store, isolation_level=None)) as connection:
        for change, number in (
            ("UPDATE session SET state = 'dreaming' WHERE session_id = ?", 1),
            ("UPDATE session SET identification = CAST('{' AS BLOB) WHERE session_id = ?", 2),
            ("UPDATE cdr SET body = CAST('{' AS BLOB) WHERE session_id = ?", 4),
        ):
            assert connection.execute(change, (numbered(number),)).rowcount == 1
    await node.process.kill()
    await node.process.start()
    async with await node.process.ready() as client:
        listed = {session["session_id"] for session in (await client.get("/api/sessions"))["sessions"]}
        assert listed == {numbered(number) for number in (0, 2, 3, 4)}
        assert [cdr["record"] for cdr in (await client.get("/api/cdrs"))["cdrs"]].count("cannot be read") == 1
        with pytest.raises(AdminRefused, match="a row of session cannot be read"):
            await client.get(f"/api/sessions/{numbered(1)}")
    failed(await node.settle(1))
    failed(await node.settle(4))
    assert (await node.settle(2)).code == "000"
    assert (await node.settle(3)).code == "000"
    assert "row_left_out" in node.log()
    with closing(sqlite3.connect(node.store, isolation_level=None)) as connection:
        connection.execute("UPDATE session SET state = 'authorized' WHERE session_id = ?", (numbered(1),))
    assert (await node.settle(1)).code == "000"


async def test_a_clock_that_steps_back_an_hour_loses_nothing_and_refuses_nobody(tmp_path: Path) -> None:
    clock = Clock(datetime.now(UTC))
    pair = make_pair(tmp_path, receive=(operation.name for operation in OPERATIONS))
    made = [pair.emp.directory, pair.cpo.directory]
    emp, cpo = (Node(load_node(each), load_peers(each), directory=each, now=clock) for each in made)
    async with emp, cpo:
        cpo_face = Caller.of(cpo.face.port, pair.cpo.identity, pair.emp.identity)
        emp_face = Caller.of(emp.face.port, pair.emp.identity, pair.cpo.identity)

        async def publish(name: str) -> None:
            for operation in (PUSH_EVSE_DATA, PUSH_PRICING_PRODUCT_DATA):
                message = {**sample_members(operation), "ActionType": "fullLoad"}
                body = json.dumps(message).replace('"ABC technologies"', json.dumps(name)).encode()
                assert (await cpo.own.call(operation, body)).code == "000"

        await publish("ABC technologies")
        called = clock().isoformat()
        clock.advance(hours=-1)
        await publish("ABC renamed")
        pull = sample_members(PULL_EVSE_DATA)
        pull = {name: pull[name] for name in ("ProviderID", "GeoCoordinatesResponseFormat")} | {"LastCall": called}
        reply = await cpo_face.send(PULL_EVSE_DATA, "DE-DCB", pull)
        assert b"ABC renamed" in reply.body
        for operation in (
            AUTHORIZE_START,
            CHARGING_NOTIFICATION_START,
            CHARGING_NOTIFICATION_END,
            CHARGE_DETAIL_RECORD,
        ):
            body = {**sample_members(operation), "SessionID": numbered(7)}
            body["Identification"] = {"RFIDMifareFamilyIdentification": {"UID": CARD}}
            answered = await emp_face.send(operation, "DE*ABC", body)
            assert (answered.status, answered.code) == (200, "000"), answered.body
        session = await emp.store.session(session_key(numbered(7)))
        assert session is not None
        assert session.state is SessionState.SETTLED
