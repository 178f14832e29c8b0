"""A process that is killed while it writes, or whose disk is full, loses nothing of what it has acknowledged."""

import asyncio
import signal
import sys
from pathlib import Path

from p2pnode.roaming.records import PageRequest
from p2pnode.store.store import SqlStore
from tests.store.store_kit import bodies, everything

WRITER = """
import asyncio
import sys

from p2pnode.store.store import SqlStore
from tests.store.store_kit import START, cdr, event, evse, session


async def write(store, name):
    for i in range(100_000):
        key = f"{name}-{i}"

        def work(transaction):
            transaction.put_session(session(key))
            transaction.add_event(event(key))
            transaction.add_cdr(cdr(key))

        await store.write(work)
        await store.publish(lambda publication: publication.put_evses([evse(key)], START))
        print(key, flush=True)


async def main():
    async with SqlStore.open(sys.argv[1]) as store:
        await asyncio.gather(*(write(store, name) for name in "abcdefgh"))


asyncio.run(main())
"""


async def test_everything_acknowledged_before_a_kill_is_there_and_nothing_is_there_by_halves(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(200)]
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    assert await process.wait() == -signal.SIGKILL
    acknowledged = [line.decode().strip() for line in lines if line.endswith(b"\n")]
    assert len(set(acknowledged)) == len(acknowledged) >= 200
    async with SqlStore.open(path) as store:
        assert await store.check() == []
        stored = {one.key for one in await store.sessions(1_000_000)}
        assert stored >= set(acknowledged)
        for key in stored:
            assert len(await store.history(key)) == 1
            assert await store.cdr(key) is not None
        for key in acknowledged:
            assert await store.evse(key) is not None


PUSHER = """
import asyncio
import sys

from p2pnode.roaming.records import OWN
from p2pnode.store.store import SqlStore
from tests.store.store_kit import START, evse, session


async def main():
    old, new = ([evse(f"E{i:05d}", body * 1000) for i in range(20_000)] for body in (b"old", b"new"))
    async with SqlStore.open(sys.argv[1]) as store:
        await store.publish(lambda publication: publication.replace_evses(OWN, "DE*ABC", old, START))
        pushing = asyncio.create_task(
            store.publish(lambda publication: publication.replace_evses(OWN, "DE*ABC", new[:-1], START))
        )
        for i in range(100_000):
            key = f"s{i}"
            await store.write(lambda transaction: transaction.put_session(session(key)))
            print("pushed" if pushing.done() else key, flush=True)


asyncio.run(main())
"""


async def test_a_kill_in_the_middle_of_a_large_push_leaves_what_was_there_and_the_sessions_written_meanwhile(
    path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PUSHER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode().strip() for _ in range(20)]
    process.kill()
    lines += [line.decode().strip() for line in (await process.stdout.read()).splitlines(keepends=True)]
    await process.wait()
    assert "pushed" not in lines
    async with SqlStore.open(path) as store:
        assert await store.check() == []
        assert await store.evse_count(everything(store)) == 20_000
        page = await bodies(store, everything(store), PageRequest(0, 20_000))
        assert {body[:3] for body in page} == {b"old"}
        assert {one.key for one in await store.sessions(1_000_000)} >= set(lines[:-1])


FILLER = """
import asyncio
import resource
import sys

from p2pnode.store.errors import StoreError
from p2pnode.store.store import SqlStore
from tests.store.store_kit import START, evse


async def write(store, key):
    try:
        await store.publish(lambda publication: publication.put_evses([evse(key, bytes(20_000))], START))
    except StoreError:
        print("refused", key)
    else:
        print("written", key)


async def main():
    async with SqlStore.open(sys.argv[1]) as store:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
        await asyncio.gather(*(write(store, f"a{i}") for i in range(10)))
        await asyncio.gather(*(write(store, f"b{i}") for i in range(200)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await asyncio.gather(*(write(store, f"c{i}") for i in range(10)))


asyncio.run(main())
"""


async def test_what_the_disk_does_not_take_is_acknowledged_to_nobody_and_writing_goes_on_afterwards(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FILLER, str(path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    told = {key: what for what, key in (line.split() for line in output.decode().splitlines())}
    assert {told[f"a{i}"] for i in range(10)} == {"written"}
    assert "refused" in {told[f"b{i}"] for i in range(200)}
    assert {told[f"c{i}"] for i in range(10)} == {"written"}
    async with SqlStore.open(path) as store:
        assert await store.check() == []
        for key, what in told.items():
            assert (await store.evse(key) is not None) == (what == "written")
