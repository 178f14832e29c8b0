"""scripts/fuzz: a face answers right and wrong requests as its description says, and what does not is found."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from fuzzing import judging
from fuzzing.judging import Failure
from fuzzing.running import Tally, Target, describe, fuzz, is_serving
from fuzzing.words import Words
from p2pnode.config import PeerEntry
from p2pnode.lab.parties import ALPINE, RHINE
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import BASE_PATH, NOTIFICATION_PATH
from p2pnode.oicp.paths import by_path
from p2pnode.peering.server import PeerFace
from p2pnode.roaming.ports import Received
from tests.peering.peering_kit import Notes, face_over, hold

CALLER = PeerEntry(
    name="rhine", operators=(RHINE.operator_id,), providers=(RHINE.provider_id,), pull_authentication_data=True
)
Receive = Callable[[Received[Any]], Awaitable[OicpModel | bytes]]


async def target_at(face: PeerFace) -> Target:
    base = f"http://127.0.0.1:{face.port}{BASE_PATH}"
    return Target(base, await asyncio.to_thread(describe, base), Words(RHINE, ALPINE, Random(1)))  # noqa: S311 - no secret


async def tallies_of(target: Target, count: int) -> list[Tally]:
    return await asyncio.to_thread(lambda: list(fuzz(target, count, 1)))


async def failures_over(receive: Receive, count: int = 20) -> list[Failure]:
    async with face_over(await hold(CALLER), Notes(), receive=receive) as face:
        target = await target_at(face)
        one_path = {NOTIFICATION_PATH: target.document["paths"][NOTIFICATION_PATH]}
        (tally,) = await tallies_of(replace(target, document={**target.document, "paths": one_path}), count)
    return tally.failures


async def test_a_face_answers_right_and_wrong_requests_to_every_path_as_its_description_says() -> None:
    notes = Notes()
    async with face_over(await hold(CALLER), notes) as face:
        target = await target_at(face)
        tallies = await tallies_of(target, 140)
        assert await asyncio.to_thread(is_serving, target)
    assert [tally.path for tally in tallies] == list(by_path())
    assert sum(tally.requests for tally in tallies) >= 140
    assert [failure for tally in tallies for failure in tally.failures] == []
    assert len({received.operation for received in notes.received}) > len(by_path()) // 2


async def test_an_answer_outside_its_schema_is_found() -> None:
    async def receive(_: Received[Any]) -> bytes:
        return b'{"Result":"perhaps","StatusCode":{"Code":"000"}}'

    found = await failures_over(receive)
    assert {failure.what for failure in found} == {"HTTP 200: Response violates schema"}
    assert "perhaps" in found[0].detail


async def test_a_fault_of_the_node_is_found_although_it_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def receive(_: Received[Any]) -> bytes:
        raise RuntimeError("a fault")

    with caplog.at_level(logging.CRITICAL):
        found = await failures_over(receive)
    assert {failure.what for failure in found} == {"the node's own fault (021)"}


async def test_a_slow_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SLOWEST", 0.0)
    found = await failures_over(Notes().answer, 2)
    assert {failure.what for failure in found} == {"more than 0 s"}


async def test_a_node_that_is_gone_does_not_serve_and_every_request_is_a_failure() -> None:
    async with face_over(await hold(CALLER), Notes()) as face:
        target = await target_at(face)
    one_path = {NOTIFICATION_PATH: target.document["paths"][NOTIFICATION_PATH]}
    (tally,) = await tallies_of(replace(target, document={**target.document, "paths": one_path}), 4)
    assert len(tally.failures) == tally.requests >= 4
    assert {failure.what for failure in tally.failures} == {"no answer: ConnectionError"}
