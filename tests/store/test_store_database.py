"""The database file: made, brought up to date, refused with a sentence where it cannot be used."""

# pyright: reportPrivateUsage=false
# These tests look inside.

import asyncio
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from p2pnode.store.database import MIGRATIONS, PUBLISHED, SESSIONS, Database, migrations, upgrade
from p2pnode.store.errors import Damaged, Locked, StoreError, Unopenable
from p2pnode.store.store import SqlStore
from p2pnode.store.tables import published, sessions
from tests.store.store_kit import OpenStore, put_sessions, session, status

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where nothing is yet."""
    return tmp_path / "p2pnode.db"


def files(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


def revision(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return str(found)


def head(holds: str) -> str | None:
    return ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS / holds)]).get_current_head()


TABLES = {SESSIONS: sessions, PUBLISHED: published}


@pytest.fixture(params=TABLES)
def database(path: Path, request: pytest.FixtureRequest) -> Database:
    """Each of the two."""
    sessions = Database.at(path, 1)
    return {SESSIONS: sessions, PUBLISHED: sessions.published}[request.param]


@pytest.mark.usefixtures("store")
async def test_an_empty_database_gets_the_tables_that_the_code_uses(database: Database) -> None:
    assert revision(database.path) == head(database.holds)
    with database.writing().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, TABLES[database.holds]) == []


def test_each_migration_can_be_taken_back_and_done_again(database: Database) -> None:
    database.create()
    database.migrate()
    engine = database.writing()
    with engine.connect() as connection:
        command.downgrade(migrations(connection, database.holds), "base")
        tables = {row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"alembic_version"}
        upgrade(connection, database.holds)
        assert compare_metadata(MigrationContext.configure(connection), TABLES[database.holds]) == []


async def test_an_existing_database_is_brought_up_to_date_with_its_rows(path: Path, open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.write(lambda transaction: transaction.put_session(session()))
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE alembic_version")
        connection.execute("CREATE TABLE kept AS SELECT * FROM session")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'kept'").fetchall()
        for (name,) in tables:
            connection.execute(f"DROP TABLE {name}")
    connection.close()
    async with open_store() as store:
        assert await store.session("a1") is None
        with store._reader._engine.connect() as read:
            assert read.exec_driver_sql("SELECT key FROM kept").scalar_one() == "a1"
    assert revision(path) == head(SESSIONS)
    async with open_store() as store:
        assert await store.sessions() == []


async def test_a_migration_that_fails_leaves_the_database_as_it_was(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE session (somebody_elses INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match=path.name):
        async with SqlStore.open(path):
            pass
    with sqlite3.connect(path) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert tables == {"session"}


async def test_a_new_database_is_for_its_owner_only(store: SqlStore, path: Path) -> None:
    await store.write(lambda transaction: transaction.put_session(session()))
    await store.publish(lambda publication: publication.put_statuses([status()]))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    names = [f"{name}.db{end}" for name in ("p2pnode", "p2pnode-published") for end in ("", "-wal", "-shm")]
    assert modes == dict.fromkeys(names, 0o600)


async def test_every_acknowledged_write_is_flushed_to_the_disk(store: SqlStore) -> None:
    def settings(connection: object) -> list[object]:
        assert isinstance(connection, sqlite3.Connection)
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert settings(store._writer._connection._driver) == ["wal", 2, 1]
    assert settings(store._publisher._connection._driver) == ["wal", 2, 1]


async def test_the_connections_that_read_cannot_write(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="read-only"):
        await store._reader.search(lambda connection: connection.exec_driver_sql("DELETE FROM session"))


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+aiosqlite:///{}", "{}"])
async def test_a_path_and_a_url_name_the_same_file(path: Path, form: str) -> None:
    async with SqlStore.open(form.format(path)) as store:
        assert store.path == path
        await store.write(lambda transaction: transaction.put_session(session()))
    async with SqlStore.open(path) as store:
        assert await store.session("a1") is not None


@pytest.mark.parametrize("name", ["50% charged?.db", "sp ace#1.db", "umläut.db", "it's.db"])
async def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    async with SqlStore.open(tmp_path / name) as store:
        assert await store.sessions() == []
    assert sorted(files(tmp_path)) == sorted([name, f"{Path(name).stem}-published.db"])


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("postgresql://localhost/p2pnode", "SQLite, not postgresql"),
        (":memory:", "needs a file"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("", "needs a file"),
        ("://", "not the URL of a database"),
    ],
)
async def test_what_is_no_database_of_this_store_is_refused_with_a_sentence(where: str, sentence: str) -> None:
    with pytest.raises(Unopenable, match=sentence):
        async with SqlStore.open(where):
            pass


async def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unopenable, match="No such file or directory"):
        async with SqlStore.open(tmp_path / "nowhere" / "p2pnode.db"):
            pass


async def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(Unopenable, match="Is a directory"):
        async with SqlStore.open(tmp_path):
            pass


async def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    content = b"certainly not a database " * 100
    await asyncio.to_thread(path.write_bytes, content)
    with pytest.raises(Damaged, match=r"p2pnode\.db: the file is not a database"):
        async with SqlStore.open(path):
            pass
    assert await asyncio.to_thread(path.read_bytes) == content


async def test_a_database_of_a_newer_program_is_refused(path: Path, open_store: OpenStore) -> None:
    async with open_store():
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Unopenable, match="newer p2pnode"):
        async with open_store():
            pass
    assert revision(path) == "9999"


async def test_a_database_that_another_process_holds_cannot_be_opened_for_now(
    path: Path, open_store: OpenStore
) -> None:
    async with open_store():
        pass
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Locked):
        async with open_store():
            pass
    other.close()
    async with open_store() as store:
        assert await store.sessions() == []


async def test_a_sound_database_has_no_faults(store: SqlStore) -> None:
    await store.write(lambda transaction: transaction.put_session(session()))
    assert await store.check() == []


async def test_a_check_tells_what_is_wrong(path: Path, open_store: OpenStore) -> None:
    async with open_store():
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO session_event VALUES (1, 'nobody', 0, 'x', 'send', '', '000', x'')")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX ix_session_updated_at ON session (created_at)'"
            " WHERE name = 'ix_session_updated_at'"
        )
    connection.close()
    with sqlite3.connect(Database.at(path, 1).published.path) as connection:
        connection.execute("INSERT INTO evse_body VALUES (1, 'x', 'x', 'x', x'', '')")
    connection.close()
    async with open_store() as store:
        assert await store.check() == [
            "a row of session_event refers to a row of session that does not exist",
            "a row of evse_body refers to a row of evse that does not exist",
        ]


async def test_a_check_tells_of_a_damaged_file(path: Path, open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.write(lambda transaction: put_sessions(transaction, *(session(f"k{i:04d}") for i in range(500))))
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'session'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)
    async with open_store() as store:
        try:
            faults = list(await store.check())
        except Damaged as error:
            faults = [str(error)]
        assert faults
        with pytest.raises(Damaged, match="damaged"):
            await store.sessions()


def test_the_migrations_are_part_of_the_package_and_run_from_any_directory(tmp_path: Path) -> None:
    assert (MIGRATIONS / "__init__.py").exists()
    assert all((MIGRATIONS / holds / "__init__.py").exists() for holds in TABLES)
    installed = tmp_path / "site"
    shutil.copytree(ROOT / "p2pnode", installed / "p2pnode", ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = "import sys; sys.path.insert(0, sys.argv[1]); from p2pnode.store.database import *; "
    program += "d = Database.at('p2pnode.db', 1); d.create(); d.migrate(); print(MIGRATIONS)"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(installed)], cwd=elsewhere, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == str(installed / "p2pnode" / "store" / "migrations")
    assert revision(elsewhere / "p2pnode.db") == head(SESSIONS)
