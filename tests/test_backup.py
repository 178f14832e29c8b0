"""Backups of a node that runs and is written to, put back after the worst; and what `p2pnode store check` finds."""

import asyncio
import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import AsyncIterator, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from p2pnode.config.files import Place, changed
from p2pnode.config.load import NODE_FILE, load_node
from p2pnode.store.checking import KINDS
from p2pnode.store.tables import published, sessions
from tests.child_node import ChildNode, child_node, command
from tests.hostile_target import EVCO_ID, PIN, UID
from tests.peering.peering_kit import until
from tests.whole_nodes import databases, rows_of

TAKEN = "backup.tar.gz"
TOKEN = "a token of thirty-two characters"
LEFT_OUT = ["private keys", "backend_face.token", "admin_face.token", "emp.virtual.drivers.0.pin"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ChildNode]:
    async with child_node(tmp_path) as node:
        yield node


@contextmanager
def opened(database: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        yield connection


def told(capsys: Capture) -> dict[str, Any]:
    """The JSON a command has written."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


async def settling(node: ChildNode, first: int) -> None:
    for number in range(first, first + 1_000_000, 4):
        await node.whole_session(number)


async def test_a_backup_under_load_has_everything_acknowledged_before_and_can_be_put_back(
    node: ChildNode, tmp_path: Path, capsys: Capture
) -> None:
    assert (await node.push()).code == "000"
    streams = [asyncio.create_task(settling(node, first)) for first in range(4)]
    try:
        await until(lambda: len(node.settled) >= 20)
        before = set(node.settled)
        assert await command("store", "backup", tmp_path / TAKEN, "--dir", node.directory, "--json") == 0
        during = len(node.settled)
        await until(lambda: len(node.settled) > during)
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    taken = told(capsys)
    assert (taken["files"], taken["has_secrets"], taken["rows"]["evse"]) == ([], False, 2)
    assert (tmp_path / TAKEN).stat().st_mode & 0o777 == 0o600

    assert await command("store", "restore", tmp_path / TAKEN, node.directory) == 1
    assert "is running already" in capsys.readouterr().err
    await node.process.kill()
    for database in databases(node.store):
        database.with_name(f"{database.name}-wal").unlink()
        database.write_bytes(b"no database any more")
    assert await command("store", "check", node.directory, "--json") == 1
    assert not told(capsys)["sound"]
    assert await command("store", "restore", tmp_path / TAKEN, node.directory, "--json") == 0
    restored = told(capsys)
    assert restored["rows"] == taken["rows"]
    for former in restored["former"]:
        with pytest.raises(sqlite3.DatabaseError), opened(Path(former)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    assert len(restored["former"]) == 2
    with opened(node.store) as connection:
        assert before <= {row[0] for row in connection.execute("SELECT session_id FROM cdr")}
    await node.process.start()
    await node.process.ready()
    await node.whole_session(999_999)


async def test_what_was_written_after_the_backup_is_kept_beside_what_is_put_back(
    node: ChildNode, tmp_path: Path, capsys: Capture
) -> None:
    await node.whole_session(1)
    assert await command("store", "backup", tmp_path / TAKEN, "--dir", node.directory) == 0
    await node.whole_session(2)
    await node.process.kill()  # what has been acknowledged last is in the log beside the database only
    capsys.readouterr()
    assert await command("store", "restore", tmp_path / TAKEN, node.directory, "--json") == 0
    former = Path(told(capsys)["former"][0])
    assert len(rows_of(node.store)["cdr"]) == 1
    with opened(former) as connection:
        assert connection.execute("SELECT count(*) FROM cdr").fetchone() == (2,)
    assert not list(node.directory.glob("*-wal"))


async def test_a_node_is_moved_with_its_backup_and_without_its_secrets_unless_they_are_asked_for(
    node: ChildNode, tmp_path: Path, capsys: Capture
) -> None:
    await node.whole_session(1)
    bare, whole, secret = (tmp_path / name for name in ("bare.tar.gz", "whole.tar.gz", "secret.tar.gz"))
    await node.process.stop()
    for linked in (node.directory / "pki" / name for name in ("node.pem", "node.key")):
        linked.symlink_to(linked.rename(tmp_path / linked.name))  # as where certificates are mounted
    file = node.directory / NODE_FILE
    changes: dict[Place, object] = {
        ("admin_face", "token"): TOKEN,
        ("backend_face", "token"): TOKEN[::-1],
        ("emp", "virtual", "drivers"): [{"evco_id": EVCO_ID, "pin": PIN}],
    }
    file.write_text(f"# by hand\n{changed(file.read_text(), changes)}")
    assert await command("store", "backup", bare, "--dir", node.directory) == 0
    assert await command("store", "backup", whole, "--dir", node.directory, "--with-config") == 0
    assert f"left out, as --with-secrets was not said: {', '.join(LEFT_OUT)}" in capsys.readouterr().err
    assert await command("store", "backup", secret, "--dir", node.directory, "--with-config", "--with-secrets") == 0
    with tarfile.open(whole) as archive:
        contents = [opened.read() for member in archive if (opened := archive.extractfile(member)) is not None]
        for kept_back in (b"PRIVATE KEY", TOKEN.encode(), TOKEN[::-1].encode(), PIN.encode()):
            assert not any(kept_back in content for content in contents)
        assert "node/peers.d/partner.toml" in archive.getnames()
    assert await command("store", "restore", bare, tmp_path / "elsewhere") == 1
    capsys.readouterr()
    for taken, is_whole in ((whole, False), (secret, True)):
        place = tmp_path / f"from {taken.name}"
        assert await command("store", "restore", taken, place, "--json") == 0
        found = told(capsys)
        assert found["lacks_key"] is not is_whole
        certificate = place / "pki" / "node.pem"
        assert (certificate.is_symlink(), certificate.read_bytes()) == (False, (tmp_path / "node.pem").read_bytes())
        assert ((place / NODE_FILE).read_bytes() == file.read_bytes()) is is_whole
        rows = rows_of(place / node.store.name)
        assert {row[0] for row in rows["delivery"]} == {"partner"}
        assert rows | {"delivery": []} == rows_of(node.store)
        if not is_whole:
            assert (found["new_tokens"], found["missing"]) == (LEFT_OUT[1:3], LEFT_OUT[3:])
            tokens = [load_node(place).admin_face.token, load_node(place).backend_face.token]
            assert None not in tokens
            assert len({*tokens, TOKEN, TOKEN[::-1]}) == 4
    assert await command("store", "restore", whole, node.directory, "--with-config", "--json") == 0
    assert (told(capsys)["new_tokens"], load_node(node.directory).admin_face.token) == ([], TOKEN)


async def test_a_backup_that_is_not_whole_puts_nothing_in_place(
    node: ChildNode, tmp_path: Path, capsys: Capture
) -> None:
    await node.whole_session(1)
    taken = tmp_path / TAKEN
    assert await command("store", "backup", taken, "--dir", node.directory) == 0
    assert await command("store", "backup", taken, "--dir", node.directory) == 1
    assert "exists already" in capsys.readouterr().err
    await node.process.stop()
    before = rows_of(node.store)
    content = taken.read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    (tmp_path / "garbled").write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])
    (tmp_path / "other").write_bytes(b"a letter to nobody")
    with tarfile.open(tmp_path / "empty", "w:gz"):
        pass
    unpacked = tmp_path / "unpacked"
    with tarfile.open(taken) as archive:
        archive.extractall(unpacked, filter="data")
    _leading_elsewhere(unpacked, tmp_path / "elsewhere.pem", tmp_path / "foreign")
    shutil.copyfile(unpacked / "store/published.db", unpacked / "store/sessions.db")
    with tarfile.open(tmp_path / "changed", "w:gz") as archive:
        for path in sorted(unpacked.rglob("*.*")):
            archive.add(path, path.relative_to(unpacked).as_posix())
    for name in ("cut", "garbled", "other", "empty", "changed", "missing", "foreign"):
        assert await command("store", "restore", tmp_path / name, node.directory, "--with-config") == 1
        assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "elsewhere.pem").exists()
    assert rows_of(node.store) == before
    assert not list(node.directory.glob("*.before-*"))


def _leading_elsewhere(unpacked: Path, place: Path, target: Path) -> None:
    """An archive that is whole, and has a file to be put at a place outside of the node's directory."""
    name = f"node/{place}"
    manifest = json.loads((unpacked / "manifest.json").read_bytes())
    manifest["files"][name] = hashlib.sha256(b"here").hexdigest()
    with tarfile.open(target, "w:gz") as archive:
        for member in (path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*.db")):
            archive.add(unpacked / member, member)
        for member, content in (("manifest.json", json.dumps(manifest).encode()), (name, b"here")):
            told = tarfile.TarInfo(member)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))


async def test_a_check_names_every_row_that_cannot_be_read_and_no_medium(
    node: ChildNode, tmp_path: Path, capsys: Capture
) -> None:
    for number in range(3):
        await node.whole_session(number)
    await node.push()
    assert await command("store", "check", node.directory, "--json") == 0
    sound = told(capsys)
    assert sound["sound"]
    assert sound["databases"][0]["rows"]["cdr"] == 3
    main, others = databases(node.store)[1], databases(node.store)[0]
    assert main == node.store
    with opened(main) as connection:
        keys = [row[0] for row in connection.execute("SELECT key FROM session ORDER BY key")]
        connection.execute("UPDATE session SET state = 'dreaming' WHERE key = ?", keys[:1])
        connection.execute("UPDATE cdr SET body = CAST('{' AS BLOB) WHERE key = ?", keys[1:2])
        connection.execute("UPDATE cdr SET energy = CAST(x'ff' AS TEXT) WHERE key = ?", keys[2:])
    with opened(others) as connection:
        row = ("uid", UID, "partner", "x", "x", b"not json")
        connection.execute("INSERT INTO authentication VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)", row)
    assert await command("store", "check", node.directory, "--json") == 1
    output = capsys.readouterr().out
    found = [line for database in json.loads(output)["databases"] for line in database["unreadable"]]
    assert sorted(found) == [
        "a row of authentication cannot be read (body is not JSON): kind 'uid', owner 'partner', provider_key 'x'",
        f"a row of cdr cannot be read (body is not JSON): key '{keys[1]}'",
        f"a row of cdr cannot be read (energy is bytes): key '{keys[2]}'",
        f"a row of session cannot be read (ValueError): key '{keys[0]}'",
    ]
    assert UID not in output
    assert await command("store", "backup", tmp_path / TAKEN, "--dir", node.directory) == 0
    assert "not readable" in capsys.readouterr().err


def test_every_table_of_records_is_checked() -> None:
    checked = {kind.table.name for kinds in KINDS.values() for kind in kinds}
    assert checked == {*sessions.tables, *published.tables} - {"evse_body", "mark"}
