"""What reaches a party directly comes through no relay as well, until it does not reach it directly any more."""

import json

import pytest

from p2pnode.oicp import operations as ops
from p2pnode.oicp.identifiers import evse_key
from p2pnode.oicp.operations import AnyOperation
from tests.roaming.roaming_messages import EVSE
from tests.roaming.roaming_world import Party, World
from tests.roaming.test_roaming_hub import triangle
from tests.roaming.test_roaming_relay_publishing import PUSHES, sender_of

EACH = pytest.mark.parametrize(("operation", "body"), PUSHES, ids=[operation.name for operation, _ in PUSHES])


def _came(world: World, party: Party, operation: AnyOperation) -> list[str]:
    return [call.source for call in world.wire.to(party.name, operation)]


async def _around(world: World, operation: AnyOperation) -> tuple[Party, Party, Party]:
    """Who publishes, the relay, and who gets it; the latter two are peers of the first."""
    cpo, relay, emp = await triangle(world)
    sender = sender_of(operation, cpo, emp)
    return sender, relay, cpo if sender is emp else emp


@EACH
async def test_a_push_comes_once_whatever_the_relay_has_to_make_up_for(
    world: World, operation: AnyOperation, body: bytes
) -> None:
    sender, relay, receiver = await _around(world, operation)
    world.wire.down = {receiver.name}
    await sender.send(operation, body)
    world.wire.down = set()
    relay.restart()
    await relay.deliver_pending()
    assert await relay.roaming.publish_all(receiver.name) == []
    assert "relay" not in _came(world, receiver, operation)
    await sender.deliver_pending()
    await sender.send(operation, body)
    assert set(_came(world, receiver, operation)) == {sender.name}


@EACH
async def test_the_relay_brings_everything_once_the_direct_peer_has_left_the_senders_table(
    world: World, operation: AnyOperation, body: bytes
) -> None:
    sender, relay, receiver = await _around(world, operation)
    await sender.send(operation, body)
    await relay.roaming.settle()
    relay.restart()
    sender.forgets(receiver)
    world.wire.calls.clear()
    assert await sender.roaming.publish_pending() == []
    await relay.roaming.settle()
    (call,) = world.wire.to(receiver.name, operation)
    assert call.source == "relay"
    assert json.loads(call.body) == json.loads(body)
    await sender.send(operation, body)
    assert _came(world, receiver, operation) == ["relay", "relay"]
    sender.knows(receiver)
    world.wire.calls.clear()
    await sender.send(operation, body)
    assert _came(world, receiver, operation) == [sender.name]


@EACH
async def test_the_relay_brings_everything_to_who_refuses_the_sender_itself(
    world: World, operation: AnyOperation, body: bytes
) -> None:
    sender, _, receiver = await _around(world, operation)
    await sender.send(operation, body)
    receiver.knows(sender, receive=())
    world.wire.calls.clear()
    await sender.send(operation, body)
    await sender.roaming.settle()
    assert _came(world, receiver, operation).count("relay") == 1


async def test_who_takes_the_sender_out_of_its_own_table_asks_the_hub_for_everything(world: World) -> None:
    cpo, _, emp = await triangle(world)
    for operation, body in PUSHES[:2]:
        await cpo.send(operation, body)
    await emp.roaming.publish_pending()
    assert not world.wire.to("relay", ops.PULL_EVSE_DATA)
    assert {found.owner for found in await emp.store.evse_owners(evse_key(EVSE))} == {"cpo"}
    emp.forgets(cpo)
    await emp.roaming.publish_pending()
    await emp.roaming.settle()
    assert {found.owner for found in await emp.store.evse_owners(evse_key(EVSE))} == {"cpo", "relay"}
    assert len(await emp.store.statuses(("relay",))) == 1
