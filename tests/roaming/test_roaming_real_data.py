"""Remote starts at every charging point of a national snapshot reach the operator that lists it, however it is spelled.

A third of the EVSEs of such a snapshot are listed under another operator than the one inside their EvseID.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from p2pnode.oicp.authorization import AuthorizeRemoteStart
from p2pnode.oicp.evse_files import read_evse_status_file
from p2pnode.oicp.evse_status import PullEvseStatus
from p2pnode.oicp.identifiers import Standard, evse_key, operator_key, operator_of_evse, parse_evse
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START, PULL_EVSE_STATUS, PUSH_EVSE_STATUS
from p2pnode.roaming.explain import Question, explain
from tests.roaming.roaming_messages import make, remote
from tests.roaming.roaming_world import Party, World

STATUS = Path(__file__).parents[3] / "shared" / "data" / "swiss-evse-status.json"
PEERS = 6
AT_ONCE = 64
LONGEST = 30
"""Letters, digits and separators after the `E` of an ISO EvseID."""


@dataclass(frozen=True)
class Listed:
    """The EVSEs one operator lists, and the name of the peer it belongs to."""

    operator_id: str
    peer: str
    evse_ids: Sequence[str]


def listed() -> list[Listed]:
    """The operators of the snapshot, spread over the peers."""
    if not STATUS.exists():
        pytest.skip(f"the real data {STATUS.name} is not here")
    operators = read_evse_status_file(STATUS.read_bytes()).operators
    return [
        Listed(operator.operator_id, f"cpo-{number % PEERS}", [found.reading.evse_id for found in operator.records])
        for number, operator in enumerate(operators)
    ]


def spellings(evse_id: str) -> list[str]:
    """Every way in which one EVSE is written: with and without separators, in either case, a DIN id without its plus.

    The separators of country and operator belong to a DIN id, which could not be told apart without them.
    """
    parsed = parse_evse(evse_id)
    bare = parsed.instance.replace("*", "")
    spread = "*".join(bare[at : at + 3] for at in range(0, len(bare), 3))
    instances = [bare, spread] if len(spread) <= LONGEST else [bare]
    if parsed.standard is Standard.DIN:
        heads = [f"{parsed.country}*{parsed.party}*", f"{parsed.country[1:]}*{parsed.party}*"]
    else:
        assert parsed.standard is Standard.ISO
        heads = [f"{parsed.country}*{parsed.party}*E", f"{parsed.country}{parsed.party}E"]
    written = [evse_id, *(f"{head}{instance}" for head in heads for instance in instances)]
    return list(dict.fromkeys([*written, *(text.lower() for text in written)]))


def entries(snapshot: Sequence[Listed], *, complete: bool) -> dict[str, dict[str, list[str]]]:
    """What the peer table says of each peer: the operators it is, and the EVSEs it lists under another peer's operator.

    `complete`: also the operators inside its EvseIDs that nobody is.
    """
    owner = {operator_key(block.operator_id): block.peer for block in snapshot}
    made: dict[str, dict[str, list[str]]] = {}
    for block in snapshot:
        entry = made.setdefault(block.peer, {"operators": [], "sub_operators": [], "evse_prefixes": []})
        entry["operators"].append(block.operator_id)
        for evse_id in block.evse_ids:
            inside = operator_of_evse(evse_id) or ""
            if inside not in owner and complete and inside not in entry["sub_operators"]:
                entry["sub_operators"].append(inside)
            elif owner.get(inside, block.peer) != block.peer:
                entry["evse_prefixes"].append(evse_id)
    return made


async def parties(world: World, snapshot: Sequence[Listed], *, complete: bool) -> tuple[Party, dict[str, Party]]:
    """An EMP and the CPOs it knows."""
    emp = await world.party("emp", providers=("DE-ONE",))
    cpos: dict[str, Party] = {}
    for name, entry in entries(snapshot, complete=complete).items():
        cpos[name] = await world.party(name, operators=entry["operators"])
        cpos[name].knows(emp)
        emp.knows(cpos[name], **entry)
    return emp, cpos


async def publish(cpo: Party, block: Listed) -> str | None:
    """Publish the EVSEs' status; returns what the CPO is told about peers that have not got it."""
    records = [{"EvseID": evse_id, "EvseStatus": "Available"} for evse_id in block.evse_ids]
    told = {"OperatorID": block.operator_id, "OperatorName": block.operator_id, "EvseStatusRecord": records}
    body = json.dumps({"ActionType": "fullLoad", "OperatorEvseStatus": told}).encode()
    answer = await cpo.send(PUSH_EVSE_STATUS, body)
    assert answer.result
    return answer.status_code.additional_info


async def start(emp: Party, evse_id: str) -> bool:
    message = make(AuthorizeRemoteStart, provider_id="DE-ONE", evse_id=evse_id, identification=remote())
    return bool((await emp.send(AUTHORIZE_REMOTE_START, message)).result)


async def wrongly_routed(emp: Party, snapshot: Sequence[Listed]) -> list[tuple[str, object]]:
    """The spellings of EvseIDs whose remote start would not go to the peer that lists the EVSE."""
    wrong: list[tuple[str, object]] = []
    for block in snapshot:
        for evse_id in block.evse_ids:
            for text in spellings(evse_id):
                question = Question(AUTHORIZE_REMOTE_START, evse_id=text)
                told = await explain(question, emp.own, emp.peers, emp.store)
                if [hop.peer for hop in told.hops] != [block.peer]:
                    wrong.append((text, told))
    return wrong


async def test_every_evse_is_routed_by_the_peer_table_alone_where_that_tells_all(world: World) -> None:
    snapshot = listed()
    emp, _ = await parties(world, snapshot, complete=True)
    assert await wrongly_routed(emp, snapshot) == []


async def test_every_evse_of_pulled_statuses_is_routed_to_whom_it_was_learned_from(world: World) -> None:
    snapshot = listed()
    emp, cpos = await parties(world, snapshot, complete=False)
    for cpo in cpos.values():
        cpo.knows(emp, receive=("PullEvseStatus",), send=())
    for block in snapshot:
        await publish(cpos[block.peer], block)
    before = {evse_key(text) for text, _ in await wrongly_routed(emp, snapshot)}
    assert len(before) > sum(len(block.evse_ids) for block in snapshot) / 3
    await emp.send(PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE"))
    assert await wrongly_routed(emp, snapshot) == []


async def test_a_remote_start_of_every_evse_reaches_the_peer_that_pushed_its_status(world: World) -> None:
    snapshot = listed()
    emp, cpos = await parties(world, snapshot, complete=True)
    for block in snapshot:
        assert await publish(cpos[block.peer], block) is None
    style = count()
    wanted = [
        (block.peer, texts[next(style) % len(texts)]) for block in snapshot for texts in map(spellings, block.evse_ids)
    ]
    for first in range(0, len(wanted), AT_ONCE):
        assert all(await asyncio.gather(*(start(emp, text) for _, text in wanted[first : first + AT_ONCE])))
    for name, cpo in cpos.items():
        asked = [message.evse_id for message in cpo.cpo.asked]
        assert sorted(asked) == sorted(text for peer, text in wanted if peer == name)
