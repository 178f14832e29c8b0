"""The outbox at the admin face: what is listed, shown, requeued and dropped, and what the metrics tell of it."""

import aiohttp
import pytest

from p2pnode.node import Node
from p2pnode.roaming.outbox_records import QueuedRecord, QueueState
from p2pnode.web.admin import AdminFace
from p2pnode.web.client import AdminClient, AdminRefused

CARD = b'{"SessionID":"s1","Identification":{"RFIDMifareFamilyIdentification":{"UID":"04A1B2C3D4E5F6"}}}'


async def queue(node: Node, state: QueueState) -> int:
    record = QueuedRecord(
        *(0, "away", "ChargingNotification", "s1", "ChargingNotificationEnd", "DE*ABC", "process", "DE-XYZ", ""),
        CARD,
        node.now(),
        state=state,
    )
    return (await node.store.write(lambda transaction: transaction.queue(record))).id


async def test_messages_are_listed_by_peer_and_state_and_shown_with_what_may_be_seen_of_them(
    node: Node, face: AdminFace
) -> None:
    waiting, dead = await queue(node, QueueState.WAITING), await queue(node, QueueState.DEAD)
    async with AdminClient(face.url) as client:
        listed = (await client.get("/api/outbox"))["messages"]
        assert [(message["number"], message["state"]) for message in listed] == [(waiting, "waiting"), (dead, "dead")]
        assert [message["number"] for message in (await client.get("/api/outbox", state="dead"))["messages"]] == [dead]
        assert await client.get("/api/outbox", peer="") == {"messages": []}
        shown = await client.get(f"/api/outbox/{dead}")
    assert (shown["peer"], shown["session"], shown["body"]["SessionID"]) == ("away", "s1", "s1")
    assert "04A1B2C3D4E5F6" not in str(shown)


async def test_a_message_is_requeued_or_dropped_whether_it_is_dead_or_waits(node: Node, face: AdminFace) -> None:
    first, second, waiting = [
        await queue(node, state) for state in (QueueState.DEAD, QueueState.DEAD, QueueState.WAITING)
    ]
    async with AdminClient(face.url) as client:
        await client.post(f"/api/outbox/{first}/requeue")
        await client.post(f"/api/outbox/{second}/drop")
        await client.post(f"/api/outbox/{waiting}/drop")
        for path in (f"/api/outbox/{waiting}/drop", "/api/outbox/99/requeue", "/api/outbox/x/drop"):
            with pytest.raises(AdminRefused, match="there is no such"):
                await client.post(path)
        with pytest.raises(AdminRefused, match="there is no state"):
            await client.get("/api/outbox", state="lost")
    assert [record.id > waiting for record in await node.store.outbox()] == [True]


async def test_all_dead_letters_of_a_peer_wait_again_in_their_order(
    node: Node, face: AdminFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pnode.roaming.outbox.AT_ONCE", 2)
    dead = [await queue(node, QueueState.DEAD) for _ in range(5)]
    waiting = await queue(node, QueueState.WAITING)
    async with AdminClient(face.url) as client:
        assert await client.post("/api/outbox/requeue", peer="") == {"requeued": 0}
        assert await client.post("/api/outbox/requeue", peer="away") == {"requeued": 5}
        with pytest.raises(AdminRefused, match="no peer is named"):
            await client.post("/api/outbox/requeue")
        with pytest.raises(AdminRefused, match="no peer is called"):
            await client.post("/api/outbox/requeue", peer="nobody")
    found = [record.id for record in await node.store.outbox()]
    assert found == list(range(waiting, waiting + 6))
    assert waiting > max(dead)


async def test_status_and_metrics_tell_how_much_waits(node: Node, face: AdminFace, http: aiohttp.ClientSession) -> None:
    await queue(node, QueueState.DEAD)
    async with http.get(f"{face.url}/metrics") as response:
        assert b'p2pnode_outbox{peer="away",state="dead"} 1.0' in await response.read()
    async with AdminClient(face.url) as client:
        assert (await client.get("/api/status"))["outbox"]["waiting"] == 0
