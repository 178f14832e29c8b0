"""The two tables of 24 operations each, walked row by row."""

import pytest

from p2pnode.oicp.answers import code_of, refusal
from p2pnode.oicp.codec import encode
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.operations import AUTHORIZE_START, OPERATIONS, AnyOperation, Role
from p2pnode.oicp.status import Code
from tests.roaming.roaming_world import Call, Party, World, refused
from tests.samples import sample

ROWS = pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])


async def both(world: World) -> Party:
    """A party with the identifiers of the samples in both roles, and a peer that has them too."""
    party = await world.party("own", operators=("DE*ABC",), providers=("DE-DCB",))
    other = await world.party("other", operators=("DE*ABC",), providers=("DE-DCB",))
    party.knows(other, pull_authentication_data=True)
    other.knows(party, pull_authentication_data=True)
    return party


async def test_every_operation_has_a_sender_and_a_receiver(world: World) -> None:
    party = await both(world)
    assert tuple(party.roaming.receivers) == tuple(party.roaming.senders) == OPERATIONS
    assert len(party.roaming.receivers) + len(party.roaming.senders) == 48


@pytest.mark.parametrize("role", Role)
async def test_an_operation_whose_callee_we_do_not_play_is_not_received(world: World, role: Role) -> None:
    operators, providers = (("DE*CPO",), ()) if role is Role.CPO else ((), ("DE-ONE",))
    party = await world.party("own", operators=operators, providers=providers)
    assert {operation.callee for operation in party.roaming.receivers} == {role}
    assert len(party.roaming.receivers) == sum(operation.callee is role for operation in OPERATIONS)
    assert tuple(party.roaming.senders) == OPERATIONS


@ROWS
async def test_each_message_of_a_peer_gets_the_operations_own_answer(world: World, operation: AnyOperation) -> None:
    party = await both(world)
    call = Call("other", "own", operation, sample(operation), "", None)
    http, body = await party.answer(call, "process")
    assert http == 200
    assert code_of(operation.answer.model_validate_json(body)) in {"000", "022", "400", "603"}


@ROWS
async def test_each_message_of_our_own_is_answered_or_refused_with_a_code(
    world: World, operation: AnyOperation
) -> None:
    party = await both(world)
    try:
        answer = await party.send_raw(operation, sample(operation))
    except ProtocolError as error:
        answer = encode(refusal(operation, error)[1])
    assert isinstance(operation.answer.model_validate_json(answer), operation.answer)


@ROWS
async def test_what_the_peer_table_does_not_allow_is_refused_with_210(world: World, operation: AnyOperation) -> None:
    party = await both(world)
    other = world.wire.parties["other"]
    party.knows(other, receive=())
    _, body = await party.answer(Call("other", "own", operation, sample(operation), "", None), "process")
    assert code_of(operation.answer.model_validate_json(body)) == Code.NO_VALID_CONTRACT


async def test_a_role_we_do_not_play_neither_answers_nor_sends(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",))
    other = await world.party("other", operators=("DE*ABC",))
    cpo.knows(other)
    _, body = await cpo.answer(Call("other", "cpo", AUTHORIZE_START, sample(AUTHORIZE_START), "", None), "process")
    assert code_of(AUTHORIZE_START.answer.model_validate_json(body)) == Code.SERVICE_NOT_AVAILABLE
    emp = await world.party("emp", providers=("DE-ONE",))
    assert (await refused(emp.send(AUTHORIZE_START, sample(AUTHORIZE_START)))).code is Code.UNAUTHORIZED_ACCESS
