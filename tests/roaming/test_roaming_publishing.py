"""Delivering what we publish: in order, one at a time, and the state of now after an outage."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from p2pnode.config.outbox import OutboxSection
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_status import PullEvseStatus, PullEvseStatusById
from p2pnode.oicp.operations import (
    PULL_EVSE_STATUS,
    PULL_EVSE_STATUS_BY_ID,
    PUSH_EVSE_DATA,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming.ports import StoreFault
from p2pnode.roaming.published_records import EvseFilter, StatusRecord
from p2pnode.roaming.publishing import MOST_WAITING
from p2pnode.roaming.records import PageRequest
from p2pnode.roaming.store_ports import Publication
from p2pnode.store import backup
from p2pnode.store.database import Database
from p2pnode.store.store import SqlStore
from tests.roaming.roaming_world import LIMITS, Call, Party, World
from tests.roaming.test_roaming_evse_data import ids as evse_ids
from tests.roaming.test_roaming_evse_data import push as evse_push
from tests.roaming.test_roaming_pricing import ALL, prices

FAST = OutboxSection(base_seconds=0.02, cap_seconds=0.05, jitter=0)


def push(action: str, **statuses: str) -> bytes:
    records = [{"EvseID": f"DE*CPO*{name}", "EvseStatus": status} for name, status in statuses.items()]
    block = {"OperatorID": "DE*CPO", "OperatorName": "The CPO", "EvseStatusRecord": records}
    return json.dumps({"ActionType": action, "OperatorEvseStatus": block}).encode()


def actions(world: World, name: str) -> list[str]:
    return [json.loads(call.body)["ActionType"] for call in world.wire.to(name)]


async def statuses(party: Party) -> dict[str, str]:
    return {found.evse_id[-2:]: found.status for found in await party.store.statuses(("cpo",))}


async def test_pushes_to_a_peer_go_one_after_the_other_in_their_order(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    in_flight = 0
    most = 0
    answer = emp.answer

    async def slowly(call: Call, process_id: str) -> tuple[int, bytes]:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.005)
        result = await answer(call, process_id)
        in_flight -= 1
        return result

    emp.answering = slowly
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    bodies = [push("update", E1=status) for status in ("Occupied", "Available", "Reserved", "OutOfService")]
    await asyncio.gather(*(cpo.send(PUSH_EVSE_STATUS, body) for body in bodies))
    assert most == 1
    assert [call.body for call in cpo.wire.calls[1:]] == bodies
    assert await statuses(emp) == {"E1": "OutOfService"}


async def test_peers_are_told_at_once_and_a_slow_one_delays_no_other(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",), limits=replace(LIMITS, push_wait=0.05))
    for name in ("one", "two", "six"):
        emp = await world.party(name, providers=(f"DE-{name.upper()}",))
        cpo.knows(emp)
        emp.knows(cpo)
    world.wire.delays = {"one": 0.3}
    answer = await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    assert answer.result
    assert answer.status_code.additional_info == "one: no answer yet"
    assert await statuses(world.wire.parties["two"]) == await statuses(world.wire.parties["six"]) == {"E1": "Available"}
    await cpo.roaming.settle()
    assert await statuses(world.wire.parties["one"]) == {"E1": "Available"}


async def test_a_backlog_that_grows_too_long_becomes_one_full_load(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    cpo.wire.delays = {"emp": 0.01}
    pushes = [
        cpo.send(PUSH_EVSE_STATUS, push("update", E1="Occupied" if number % 2 else "Available"))
        for number in range(3 * MOST_WAITING)
    ]
    await asyncio.gather(*pushes)
    await cpo.roaming.settle()
    assert len(cpo.wire.calls) < 2 * MOST_WAITING
    assert "fullLoad" in actions_of(cpo)[1:]
    assert await statuses(emp) == {"E1": "Occupied"}


def actions_of(cpo: Party) -> list[str]:
    return [json.loads(call.body)["ActionType"] for call in cpo.wire.calls]


async def test_with_no_emp_in_the_table_a_push_is_kept_and_says_so(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",))
    answer = await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    assert answer.result
    assert "sent to nobody" in (answer.status_code.additional_info or "")
    assert len(await cpo.store.statuses(("",))) == 1


async def test_a_peer_that_is_only_listened_to_gets_nothing(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, url=None)
    answer = await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    assert (answer.result, answer.status_code.additional_info) == (True, None)
    assert await cpo.roaming.publish_all("emp") == []
    assert not cpo.wire.calls


async def test_what_a_peer_has_missed_when_the_node_ended_it_gets_after_the_next_start(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E2="Available"))
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_STATUS, push("update", E1="OutOfService"))
    cpo.restart()
    assert await cpo.deliver_pending()
    cpo.wire.down = set()
    cpo.wire.calls.clear()
    assert await cpo.deliver_pending() == []
    assert await statuses(emp) == {"E1": "OutOfService", "E2": "Available"}
    assert actions_of(cpo) == ["fullLoad"]
    assert await cpo.deliver_pending() == []
    assert len(cpo.wire.calls) == 1


async def test_after_a_start_a_push_of_what_is_left_reaches_a_peer_even_where_nothing_is_left(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    cpo.restart()
    cpo.wire.down = {"emp"}
    await cpo.deliver_pending()
    await cpo.send(PUSH_EVSE_STATUS, push("delete", E1="Available"))
    cpo.wire.down = set()
    await cpo.deliver_pending()
    assert await statuses(emp) == {}


async def test_a_peer_that_is_new_in_the_table_gets_everything_by_itself(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",))
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    assert await cpo.deliver_pending() == []
    emp = await world.party("emp", providers=("DE-ONE",))
    cpo.knows(emp)
    emp.knows(cpo)
    assert await cpo.deliver_pending() == []
    assert await statuses(emp) == {"E1": "Available"}
    assert await cpo.deliver_pending() == []
    assert len(cpo.wire.calls) == 1


async def test_a_node_that_publishes_nothing_sends_nothing_when_it_begins(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    for party in (cpo, emp):
        assert await party.deliver_pending() == []
    assert not cpo.wire.calls


async def test_a_peer_that_was_down_when_the_node_began_gets_everything_at_its_first_push(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E2="Available"))
    cpo.restart()
    cpo.wire.down = set()
    await cpo.send(PUSH_EVSE_STATUS, push("update", E2="Occupied"))
    assert await statuses(emp) == {"E1": "Available", "E2": "Occupied"}
    assert actions_of(cpo)[-2:] == ["update", "fullLoad"]


async def test_after_a_clean_stop_a_peer_gets_nothing_again_and_after_a_change_only_what_it_missed(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    await cpo.send(PUSH_EVSE_DATA, evse_push("fullLoad", "DE*CPO*E1", "DE*CPO*E2"))
    await cpo.roaming.aclose()
    cpo.restart()
    cpo.wire.calls.clear()
    assert await cpo.deliver_pending() == []
    assert not cpo.wire.calls
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_DATA, evse_push("delete", "DE*CPO*E1"))
    await cpo.send(PUSH_EVSE_DATA, evse_push("insert", "DE*CPO*E3"))
    await cpo.roaming.aclose()
    cpo.restart()
    cpo.wire.down = set()
    cpo.wire.calls.clear()
    assert await cpo.deliver_pending() == []
    assert actions_of(cpo) == ["delete", "insert"]
    wanted = EvseFilter(owners=("cpo",), as_of=emp.store.clock())
    assert [record.evse_id[-2:] for record in await emp.store.evse_page(wanted, PageRequest())] == ["E2", "E3"]


async def test_a_peer_that_is_heard_from_again_is_brought_up_to_date_at_once(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    cpo.wire.down = {"emp"}
    for status in ("Occupied", "Reserved", "OutOfService", "Available", "Occupied"):
        await cpo.send(PUSH_EVSE_STATUS, push("update", E1=status))
    assert len(cpo.wire.to("emp")) == 4
    cpo.wire.down = set()
    cpo.clock.advance(seconds=2)
    await emp.send(PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE"))
    await cpo.roaming.settle()
    assert await statuses(emp) == {"E1": "Occupied"}


@pytest.mark.parametrize("code", [Code.SYSTEM_ERROR, Code.PARTNER_DID_NOT_RESPOND])
async def test_a_peer_that_could_not_take_anything_for_a_while_gets_what_it_has_missed(
    pair: tuple[Party, Party], code: Code
) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E2="Available"))

    async def failing(_: Call, __: str) -> tuple[int, bytes]:
        return 200, encode(acknowledge(None, code, "the disk is full"))

    emp.answering = failing
    answer = await cpo.send(PUSH_EVSE_STATUS, push("update", E1="Occupied"))
    assert (answer.result, answer.status_code.additional_info) == (True, f"emp: {code} the disk is full")
    await cpo.send(PUSH_EVSE_STATUS, push("update", E2="Occupied"))
    emp.answering = emp.answer
    assert await cpo.deliver_pending() == []
    assert await statuses(emp) == {"E1": "Occupied", "E2": "Occupied"}


@pytest.mark.parametrize(("of_all", "of_the_peer"), [(2, None), (3, 2)])
async def test_what_a_peer_has_missed_comes_in_pushes_of_the_configured_size(
    pair: tuple[Party, Party], of_all: int, of_the_peer: int | None
) -> None:
    cpo, emp = pair
    cpo.limits = replace(LIMITS, outbox=OutboxSection(push_records=of_all))
    cpo.restart()
    cpo.knows(emp, push_records=of_the_peer)
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", **{f"E{number}": "Available" for number in range(5)}))
    cpo.wire.down = set()
    cpo.wire.calls.clear()
    assert await cpo.deliver_pending() == []
    assert actions_of(cpo) == ["fullLoad", "insert", "insert"]
    assert len(await statuses(emp)) == 5


async def test_after_a_week_with_a_hundred_thousand_changes_a_peer_gets_each_evse_once(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    names = [f"E{number:03}" for number in range(500)]
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", **dict.fromkeys(names, "Available")))
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_STATUS, push("update", E000="Occupied"))
    now = await cpo.store.statuses(("",))
    for number in range(200):
        cpo.clock.advance(seconds=7 * 86400 / 200)
        status = ("Occupied", "Available", "Reserved")[number % 3]
        now = [
            replace(
                found,
                status=status,
                body=found.body.replace(found.status.encode(), status.encode()),
                changed_at=cpo.clock(),
            )
            for found in now
        ]
        await cpo.store.publish(partial(_put, now))
    cpo.wire.down = set()
    cpo.wire.calls.clear()
    begun = time.process_time()  # what others do on this machine does not count
    await emp.send(PULL_EVSE_STATUS_BY_ID, PullEvseStatusById(provider_id="DE-ONE", evse_id=["DE*CPO*E000"]))
    await cpo.roaming.settle()
    took = time.process_time() - begun
    sent = [json.loads(call.body) for call in cpo.wire.to("emp", PUSH_EVSE_STATUS)]
    assert sum(len(body["OperatorEvseStatus"]["EvseStatusRecord"]) for body in sent) <= 500
    there = {found.evse_id: found.status for found in await emp.store.statuses(("cpo",))}
    assert there == {found.evse_id: found.status for found in now}
    assert took < 2


def _put(records: Sequence[StatusRecord], publication: Publication) -> None:
    publication.put_statuses(records)


@pytest.mark.parametrize("code", [Code.NO_VALID_CONTRACT, Code.PARTNER_NOT_FOUND, Code.SERVICE_NOT_AVAILABLE])
async def test_a_peer_that_does_not_offer_it_gets_nothing_by_itself_until_its_entry_changes(
    pair: tuple[Party, Party], code: Code
) -> None:
    cpo, emp = pair
    cpo.limits = replace(LIMITS, outbox=FAST)
    cpo.restart()
    await cpo.roaming.publish_pending()
    emp.foreign = encode(acknowledge(None, code, "not offered"))
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    count = len(cpo.wire.calls)
    await asyncio.sleep(0.2)
    await cpo.roaming.publish_pending()
    assert len(cpo.wire.calls) == count
    emp.foreign = None
    cpo.knows(emp, url="http://127.0.0.1:2/emp")
    assert await cpo.roaming.publish_pending() == []
    assert await statuses(emp) == {"E1": "Available"}


async def test_what_could_not_be_read_for_a_peer_is_delivered_once_it_can(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo, emp = pair
    cpo.limits = replace(LIMITS, outbox=FAST)
    cpo.restart()
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    asked = asyncio.Event()

    async def locked(_: str, *, own: bool) -> datetime:  # noqa: ARG001 - the store's signature
        asked.set()
        raise StoreFault("the database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(cpo.store, "changed_at", locked)
        cpo.wire.down = {"emp"}
        await cpo.send(PUSH_EVSE_STATUS, push("update", E1="Occupied"))
        asked.clear()
        cpo.wire.down = set()
        await asyncio.wait_for(asked.wait(), 2)
    for _ in range(200):
        if await statuses(emp) == {"E1": "Occupied"}:
            break
        await asyncio.sleep(0.01)
    assert await statuses(emp) == {"E1": "Occupied"}


async def test_a_node_ends_what_is_under_way_also_where_its_disk_is_full(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo, _ = pair
    cpo.limits = replace(LIMITS, push_wait=0.05)
    cpo.restart()
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    cpo.wire.delays = {"emp": 100}
    await cpo.send(PUSH_EVSE_DATA, evse_push("fullLoad", "DE*CPO*E1"))

    async def full(_: object) -> None:
        raise StoreFault("the disk is full")

    assert "emp" in {task.get_name() for task in asyncio.all_tasks()}
    with monkeypatch.context() as patch:
        patch.setattr(cpo.store, "write", full)
        await cpo.roaming.aclose()
    assert "emp" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_after_a_restore_peers_hold_what_the_restored_store_does_also_where_it_is_nothing(
    world: World, pair: tuple[Party, Party]
) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_DATA, evse_push("fullLoad", "DE*CPO*E1"))
    kept = world.directory / "kept"
    kept.mkdir()
    copies = backup.copy(Database.at(world.directory / "cpo.db", 1), kept)
    await cpo.send(PUSH_EVSE_DATA, evse_push("insert", "DE*CPO*E2"))
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    await cpo.send(PUSH_EVSE_PRICING, prices("fullLoad", *ALL))
    restored = Database.at(world.directory / "restored.db", 1)
    backup.swap(restored, Database.at(copies[0], 1), "", ["emp"])
    cpo.store = await world.enter(SqlStore.open(restored.path, now=world.clock))
    for told in (3, 0):
        await cpo.roaming.aclose()
        cpo.restart()
        world.wire.calls.clear()
        assert await cpo.roaming.publish_pending() == []
        await cpo.roaming.settle()
        assert len(world.wire.to("emp")) == told
        assert await evse_ids(emp, "cpo") == ["DE*CPO*E1"]
        assert await statuses(emp) == {}
        assert await emp.store.evse_pricing(("cpo",), None) == []


async def test_what_a_peer_has_is_in_no_delta_though_its_commit_took_a_while(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",))
    emp = await world.party("emp", providers=("DE-ONE",))
    ticks = itertools.count()
    now = lambda: world.clock() + timedelta(microseconds=next(ticks))  # noqa: E731 - a clock
    cpo.store = await world.enter(SqlStore.open(world.directory / "ticking.db", now=now))
    cpo.restart()
    cpo.knows(emp)
    emp.knows(cpo)
    await cpo.send(PUSH_EVSE_DATA, evse_push("fullLoad", "DE*CPO*E1"))
    await cpo.roaming.aclose()
    cpo.restart()
    world.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_DATA, evse_push("insert", "DE*CPO*E2"))
    world.wire.down = set()
    world.wire.calls.clear()
    await cpo.roaming.publish_pending()
    assert await evse_ids(emp, "cpo") == ["DE*CPO*E1", "DE*CPO*E2"]
    assert actions(world, "emp") == ["insert"]
