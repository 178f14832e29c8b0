"""Catching up by pulling from peers that were away, and from all after a start."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from p2pnode.config.outbox import OutboxSection
from p2pnode.oicp import operations as ops
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.codec import encode
from p2pnode.oicp.errors import Unreachable
from p2pnode.oicp.identifiers import evse_key
from p2pnode.oicp.operations import (
    CHARGE_DETAIL_RECORD,
    GET_CHARGE_DETAIL_RECORDS,
    PULL_EVSE_DATA,
    PULL_EVSE_STATUS,
    PULL_EVSE_STATUS_BY_OPERATOR_ID,
    PUSH_EVSE_DATA,
    PUSH_EVSE_STATUS,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming.outbox_records import DeliveryRecord
from p2pnode.roaming.records import PageRequest
from tests.roaming.roaming_messages import decoded
from tests.roaming.roaming_world import LIMITS, Call, Party, World
from tests.roaming.test_roaming_cdrs import authorized, cdr
from tests.roaming.test_roaming_evse_data import IDS, ids, push, received, record
from tests.roaming.test_roaming_publishing import push as status_push
from tests.roaming.test_roaming_publishing import statuses

PULLS = (PULL_EVSE_DATA, PULL_EVSE_STATUS, PULL_EVSE_STATUS_BY_OPERATOR_ID, GET_CHARGE_DETAIL_RECORDS)


def pulls(world: World, name: str) -> list[Call]:
    return [call for call in world.wire.to(name) if call.operation in PULLS]


async def caught_up(party: Party) -> None:
    """All peers have been asked."""
    party.roaming.catch_up.ask_all()
    await party.roaming.settle()


async def with_news(cpo: Party, emp: Party) -> None:
    """The CPO holds data, a status and a CDR of which the EMP has heard nothing, and tells nobody by itself."""
    await authorized(cpo)
    cpo.knows(emp, send=())
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    await cpo.send(PUSH_EVSE_STATUS, status_push("fullLoad", E1="Available", E2="Occupied"))
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())


async def away(emp: Party, peer: str, seconds: float) -> None:
    """The peer is away for so long, and heard from again."""
    for _ in range(emp.limits.outbox.breaker_failures):
        emp.roaming.breakers.failed(peer, "connection refused")
    emp.clock.advance(seconds=seconds)
    emp.roaming.breakers.heard(peer)
    await emp.roaming.settle()


async def test_a_peer_that_is_back_after_a_long_absence_is_asked_for_all_we_have_missed(
    world: World, pair: tuple[Party, Party]
) -> None:
    cpo, emp = pair
    await with_news(cpo, emp)
    await away(emp, "cpo", 301)
    assert await ids(emp, "cpo") == IDS
    assert await statuses(emp) == {"E1": "Available", "E2": "Occupied"}
    assert emp.emp.cdrs == [encode(cdr())]
    assert [call.operation for call in pulls(world, "cpo")] == [
        PULL_EVSE_DATA,
        PULL_EVSE_STATUS,
        GET_CHARGE_DETAIL_RECORDS,
    ]


async def test_after_a_short_absence_or_where_it_is_switched_off_nobody_is_asked(
    world: World, pair: tuple[Party, Party]
) -> None:
    _, emp = pair
    await away(emp, "cpo", 299)
    emp.limits = replace(LIMITS, outbox=OutboxSection(catch_up=False))
    emp.restart()
    await away(emp, "cpo", 3000)
    assert pulls(world, "cpo") == []


async def test_the_next_time_only_what_has_changed_is_asked_for_with_a_guard(
    world: World, pair: tuple[Party, Party]
) -> None:
    cpo, emp = pair
    await with_news(cpo, emp)
    world.clock.advance(hours=1)
    await caught_up(emp)
    emp.restart()
    world.clock.advance(hours=1)
    await cpo.send(PUSH_EVSE_DATA, push("delete", IDS[0]))
    world.wire.calls.clear()
    await caught_up(emp)
    data, count, _, cdrs = pulls(world, "cpo")
    assert count.page == PageRequest(0, 1)
    assert decoded(data.body)["LastCall"] == "2026-03-01T12:50:00Z"
    assert decoded(cdrs.body)["From"] == "2026-03-01T12:50:00Z"
    assert await ids(emp, "cpo") == IDS[1:]
    assert emp.emp.cdrs == [encode(cdr())]


@pytest.mark.parametrize("kept", [None, timedelta(days=90)])
async def test_the_first_time_all_cdrs_are_asked_for_that_would_be_kept_or_those_the_peer_tells_of(
    world: World, pair: tuple[Party, Party], kept: timedelta | None
) -> None:
    cpo, emp = pair
    emp.limits = replace(LIMITS, cdrs_kept=kept)
    emp.restart()
    await with_news(cpo, emp)
    world.clock.advance(days=30)
    answer = cpo.answer

    async def not_so_much(call: Call, process_id: str) -> tuple[int, bytes]:
        is_long = call.operation is GET_CHARGE_DETAIL_RECORDS and decoded(call.body)["From"] < "2026-02"
        return (200, encode(acknowledge(code=Code.DATA_ERROR))) if is_long else await answer(call, process_id)

    cpo.answering = not_so_much
    await caught_up(emp)
    asked = [decoded(call.body)["From"][:10] for call in world.wire.to("cpo", GET_CHARGE_DETAIL_RECORDS)]
    assert asked == ["2000-01-01" if kept is None else "2025-12-31", "2026-02-28"]
    assert emp.emp.cdrs == [encode(cdr())]


async def test_a_peer_whose_history_is_too_short_is_asked_for_everything(
    world: World, pair: tuple[Party, Party]
) -> None:
    cpo, emp = pair
    await with_news(cpo, emp)
    await caught_up(emp)
    world.clock.advance(days=40)
    await cpo.send(PUSH_EVSE_DATA, push("delete", IDS[0]))
    await cpo.store.purge(world.clock())
    await caught_up(emp)
    assert await ids(emp, "cpo") == IDS[1:]


async def test_what_came_within_the_guard_and_is_gone_again_does_not_stay(
    world: World, pair: tuple[Party, Party]
) -> None:
    cpo, emp = pair
    await with_news(cpo, emp)
    await caught_up(emp)
    await cpo.send(PUSH_EVSE_DATA, push("delete", IDS[0]))
    world.wire.calls.clear()
    await caught_up(emp)
    assert await ids(emp, "cpo") == IDS[1:]
    assert len(world.wire.to("cpo", PULL_EVSE_DATA)) == 3


async def test_only_what_the_peer_table_allows_is_asked(world: World, pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await with_news(cpo, emp)
    emp.knows(cpo, send=(PULL_EVSE_STATUS_BY_OPERATOR_ID.name,))
    await caught_up(emp)
    assert [call.operation for call in pulls(world, "cpo")] == [PULL_EVSE_STATUS_BY_OPERATOR_ID]
    assert await statuses(emp) == {"E1": "Available", "E2": "Occupied"}
    emp.knows(cpo, url=None)
    world.wire.calls.clear()
    await caught_up(emp)
    assert pulls(world, "cpo") == []


async def test_a_peer_that_cannot_tell_yet_is_asked_again(world: World, pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.limits = replace(LIMITS, outbox=OutboxSection(base_seconds=0.01, jitter=0))
    emp.restart()
    await with_news(cpo, emp)
    world.wire.down = {"cpo"}
    await caught_up(emp)
    assert len(pulls(world, "cpo")) == 1
    world.wire.down = set()
    async with asyncio.timeout(5):
        while len(pulls(world, "cpo")) < 4:  # noqa: ASYNC110 - a timer is what is waited for
            await asyncio.sleep(0.01)
    await emp.roaming.settle()
    assert await ids(emp, "cpo") == IDS
    assert emp.emp.cdrs == [encode(cdr())]


async def test_one_question_is_asked_at_a_time(world: World) -> None:
    emp = await world.party("emp", providers=("DE-ONE",))
    in_flight = 0
    most = 0
    for number in range(3):
        cpo = await world.party(f"cpo{number}", operators=(f"DE*CP{number}",))
        cpo.knows(emp)
        emp.knows(cpo)

        async def slowly(call: Call, process_id: str, cpo: Party = cpo) -> tuple[int, bytes]:
            nonlocal in_flight, most
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0.002)
            answer = await cpo.answer(call, process_id)
            in_flight -= 1
            return answer

        cpo.answering = slowly
    emp.roaming.catch_up.ask_all()
    emp.roaming.catch_up.ask_all()
    await emp.roaming.settle()
    assert len(world.wire.calls) == 9
    assert most == 1


@pytest.mark.parametrize("was_known", [False, True])
async def test_evse_data_that_a_peer_pushes_during_the_pull_neither_waits_nor_is_put_back(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch, *, was_known: bool
) -> None:
    monkeypatch.setattr("p2pnode.roaming.evse_pull.LARGEST_PAGE_SIZE", 2)
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:3]))
    if was_known:
        await caught_up(emp)
    cpo.knows(emp, send=())
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[1:4]))
    answer = cpo.answer
    versions = [record(IDS[1], HubOperatorID=f"DE*H{number:02d}") for number in range(9)]
    news = [push("insert", "DE*CPO*E9"), push("delete", IDS[2])]

    async def late(call: Call, process_id: str) -> tuple[int, bytes]:
        answered = await answer(call, process_id)
        if call.operation is PULL_EVSE_DATA:
            news.append(push("update", versions.pop()))
        while news:
            body = news.pop(0)
            await cpo.send(PUSH_EVSE_DATA, body)
            assert (await received(emp, body))["Result"] is True
        return answered

    cpo.answering = late
    async with asyncio.timeout(2):
        await caught_up(emp)
    assert await ids(emp, "cpo") == [IDS[1], IDS[3], "DE*CPO*E9"]
    kept = await emp.store.evse(evse_key(IDS[1]), "cpo")
    assert kept is not None
    assert decoded(bytes(kept.body))["HubOperatorID"] == f"DE*H{len(versions):02d}"


async def test_statuses_that_a_peer_pushes_during_the_pull_neither_wait_nor_are_put_back(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, status_push("fullLoad", E1="Available", E2="Available", E3="Available"))
    cpo.knows(emp, send=())
    await cpo.send(PUSH_EVSE_STATUS, status_push("update", E3="Occupied"))
    cpo.knows(emp)
    answer = cpo.answer

    async def late(call: Call, process_id: str) -> tuple[int, bytes]:
        answered = await answer(call, process_id)
        if call.operation is PULL_EVSE_STATUS:
            for body in (status_push("update", E1="Occupied"), status_push("delete", E2="Available")):
                _, told = await emp.answer(Call("cpo", "emp", PUSH_EVSE_STATUS, body, "DE*CPO", None), "process")
                assert decoded(told)["Result"] is True
        return answered

    cpo.answering = late
    async with asyncio.timeout(5):
        await caught_up(emp)
    assert await statuses(emp) == {"E1": "Occupied", "E3": "Occupied"}


async def test_an_error_nobody_has_foreseen_costs_one_peer_one_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    emp = await world.party("emp", providers=("DE-ONE",))
    for name in ("one", "two"):
        cpo = await world.party(name, operators=(f"DE*{name.upper()}",))
        emp.knows(cpo)
        cpo.knows(emp)

    async def broken() -> list[DeliveryRecord]:
        monkeypatch.undo()
        raise ValueError("unforeseen")

    monkeypatch.setattr(emp.store, "deliveries", broken)
    await caught_up(emp)
    assert not pulls(world, "one")
    assert pulls(world, "two")
    await caught_up(emp)
    assert pulls(world, "one")


async def test_a_peer_that_gave_up_answering_half_way_leaves_the_old_copy(
    world: World, pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pnode.roaming.evse_pull.LARGEST_PAGE_SIZE", 2)
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:2]))
    cpo.knows(emp, send=())
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    answer = cpo.answer

    async def first_page_only(call: Call, process_id: str) -> tuple[int, bytes]:
        if call.page is not None and call.page.page > 0:
            world.wire.down = {"cpo"}
            raise Unreachable("cpo", "connection reset")
        return await answer(call, process_id)

    cpo.answering = first_page_only
    await caught_up(emp)
    assert await ids(emp, "cpo") == IDS[:2]
    assert pulls(world, "cpo")[-1].operation is PULL_EVSE_DATA


async def test_a_relay_brings_its_merged_copy_up_to_date_and_gives_it_on(world: World) -> None:
    cpo, relay, emp = await world.star()
    cpo.knows(relay, hub=True, send=())
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    await cpo.send(PUSH_EVSE_STATUS, status_push("fullLoad", E1="Available"))
    await caught_up(relay)
    assert await ids(relay, "cpo") == IDS
    assert await statuses(relay) == {"E1": "Available"}
    assert world.wire.to("cpo", GET_CHARGE_DETAIL_RECORDS) == []
    assert await ids(emp, "relay") == IDS
    assert [status.evse_id for status in await emp.store.statuses(("relay",))] == ["DE*CPO*E1"]
    await caught_up(emp)
    assert await ids(emp, "relay") == IDS


@pytest.mark.parametrize("operation", [ops.PULL_EVSE_DATA, ops.GET_CHARGE_DETAIL_RECORDS])
async def test_what_one_question_is_refused_costs_no_other(
    pair: tuple[Party, Party], operation: ops.AnyOperation
) -> None:
    cpo, emp = pair
    await with_news(cpo, emp)
    cpo.knows(emp, send=(), receive=tuple(each.name for each in PULLS if each is not operation))
    await caught_up(emp)
    assert await statuses(emp) == {"E1": "Available", "E2": "Occupied"}
    assert (await ids(emp, "cpo") == IDS) is (operation is not ops.PULL_EVSE_DATA)
    assert (emp.emp.cdrs == [encode(cdr())]) is (operation is not ops.GET_CHARGE_DETAIL_RECORDS)
