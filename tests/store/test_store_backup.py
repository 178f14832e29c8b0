"""What a copy that is put in place says of peers."""

from pathlib import Path

from p2pnode.roaming.outbox_records import NOTHING_KNOWN, DeliveryRecord
from p2pnode.store import backup
from p2pnode.store.database import Database
from tests.store.store_kit import START, OpenStore, session


async def test_a_store_that_is_put_back_does_not_say_that_peers_have_everything(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    known = DeliveryRecord("stromer", "PushEvseStatus", START)
    database, kept = Database.at(path, 1), tmp_path / "kept"
    async with open_store() as store:
        await store.write(lambda transaction: transaction.put_session(session()))
        await store.write(lambda transaction: transaction.put_delivery(known))
        kept.mkdir()
        copies = backup.copy(database, kept)
    backup.swap(database, Database.at(copies[0], 1), ".before", ["new"])
    async with open_store() as store:
        assert await store.session("a1") is not None
        found = {(record.peer, record.known_at) for record in await store.deliveries()}
    assert found == {("stromer", NOTHING_KNOWN), ("new", NOTHING_KNOWN)}
