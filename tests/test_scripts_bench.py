"""scripts/bench: its figures, its load generator against its echo server on real sockets, its synthetic records."""

import json
import os
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.echo import server_context, start
from benchmarks.figures import Figure, Goal
from benchmarks.load import BadAnswer, Generator, Job, generate
from benchmarks.processes import free_port
from benchmarks.records import evse_records, push_evse_data
from benchmarks.report import as_json
from benchmarks.requests import SessionIds, Template, authorize_start
from p2pnode.oicp.authorization import AuthorizeStart
from p2pnode.oicp.codec import read
from p2pnode.oicp.envelopes import split
from p2pnode.oicp.mending import read_evse_record
from p2pnode.oicp.operations import PUSH_EVSE_DATA
from p2pnode.peering.http_signatures import Message, check_digest, signatures_of
from p2pnode.peering.signed_exchange import check_request
from p2pnode.pki import Leaf, create_identity

AT_LEAST = Goal(0.4, "higher", "ratio")
RATE = Figure("rate", "requests/s", (40.0, 20.0, 10.0), "echo.rate", (100.0, 50.0, 20.0), AT_LEAST)
MEMORY = Figure("memory", "MB", (130.0,), goal=Goal(120.0, "lower"))


def test_a_ratio_is_the_median_of_the_ratios_of_the_runs() -> None:
    assert RATE.ratio == 0.4
    assert RATE.median == 20.0


def test_a_goal_on_the_ratio_is_met_by_the_ratio_whatever_the_median() -> None:
    assert RATE.met is True
    assert replace(RATE, samples=(1e6,), reference=(1e7,)).met is False


def test_a_goal_of_less_is_met_by_less() -> None:
    assert MEMORY.met is False
    assert replace(MEMORY, samples=(100.0,)).met is True


def test_the_json_is_one_object_with_the_figures_by_name() -> None:
    assert json.loads(as_json([RATE, MEMORY])) == {
        "rate": {"median": 20.0, "unit": "requests/s", "ratio": 0.4, "against": "echo.rate", "runs": 3},
        "memory": {"median": 130.0, "unit": "MB", "ratio": None, "against": None, "runs": 1},
    }


def test_identifiers_of_a_load_are_uuids_of_version_7_that_grow() -> None:
    ids = SessionIds()
    made = [ids.next().decode() for _ in range(1000)]
    assert made == sorted(set(made))
    assert {uuid.UUID(each).version for each in made} == {7}


def test_each_request_of_a_load_is_an_authorize_start_with_its_own_identifiers_and_the_same_length() -> None:
    template, ids = Template.of(authorize_start("DE*LOA", "1234ABCD")), SessionIds()
    bodies = [template.filled(ids.next(), ids.next()) for _ in range(3)]
    messages = [read(AuthorizeStart, body) for body in bodies]
    assert len({message.session_id for message in messages}) == 3
    assert len({message.cpo_partner_session_id for message in messages}) == 3
    assert len({len(body) for body in bodies}) == 1


def test_the_synthetic_charging_points_are_read_without_a_mend() -> None:
    envelope = split(PUSH_EVSE_DATA, push_evse_data("insert", "DE*LOA", evse_records("DE*LOA", range(3))))
    readings = [read_evse_record(record) for record in envelope.records]
    assert [(reading.mended, reading.violations) for reading in readings] == [((), ())] * 3
    assert len({reading.evse_id for reading in readings}) == 3


async def test_requests_are_signed_ahead_each_its_own_and_only_where_they_are_signed(job: Job) -> None:
    plain, signing = Generator(job), Generator(replace(job, signing_key=job.key, seconds=0.01))
    for generator in (plain, signing):
        generator.sign_ahead()
    assert not plain.ahead
    values = {re.search(rb"\r\nsignature: (\S+)", request) for _, request in signing.ahead}
    assert len({value[1] for value in values if value}) == len(signing.ahead) == 120
    assert all(session_id in request for session_id, request in signing.ahead)


async def test_a_signed_request_of_a_load_holds(job: Job) -> None:
    generator = Generator(replace(job, signing_key=job.key))
    assert generator.key is not None
    head, _, body = generator.signed(generator.key, b'{"a":1}', "process-1").partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    check_digest(fields["content-digest"], body)
    check_request(Message(fields, "POST", first.split()[1]), signatures_of(fields)[0], generator.key.public)


@pytest.fixture
async def job(tmp_path: Path) -> AsyncIterator[Job]:
    """A job for the echo server, which says yes to everything."""
    now = datetime.now(UTC)
    server, client = (create_identity(tmp_path / name, Leaf(name), now) for name in ("server", "client"))
    port = free_port()
    context = server_context(server.certificate_file, server.key_file, client.trust)
    runner = await start(port, context, b'{"AuthorizationStatus":"Authorized"}')
    yield Job(
        host="127.0.0.1",
        port=port,
        certificate=str(client.certificate_file),
        key=str(client.key_file),
        trust=str(server.trust),
        path="/",
        body=authorize_start("DE*LOA", "1234ABCD").decode(),
        expected='"AuthorizationStatus":"Authorized"',
        echoes_session=False,
        connections=2,
        seconds=0.1,
        warmup=0.0,
    )
    await runner.cleanup()


async def test_a_load_counts_the_answers_and_how_long_they_took(job: Job) -> None:
    load = await generate(job)
    assert load.answers > 2
    assert load.rate == load.answers / load.seconds
    assert 0 < load.p50 <= load.p99


async def test_a_load_over_plain_http_tells_the_time_that_watched_processes_took() -> None:
    port = free_port()
    runner = await start(port, None, b'{"AuthorizationStatus":"Authorized"}')
    body = authorize_start("DE*LOA", "1234ABCD").decode()
    load = await generate(
        Job(
            host="127.0.0.1",
            port=port,
            certificate="",
            key="",
            trust="",
            path="/",
            body=body,
            expected='"Authorized"',
            echoes_session=False,
            connections=2,
            seconds=0.2,
            warmup=0.0,
            watched=(os.getpid(), os.getppid()),
        )
    )
    await runner.cleanup()
    own, other = load.used
    assert own > 0
    assert other < own


async def test_a_load_fails_where_an_answer_does_not_say_what_it_must(job: Job) -> None:
    with pytest.raises(BadAnswer, match="not as it must be"):
        await generate(replace(job, expected='"AuthorizationStatus":"NotAuthorized"'))


async def test_a_load_fails_where_an_answer_is_not_of_its_own_session(job: Job) -> None:
    with pytest.raises(BadAnswer, match="not as it must be"):
        await generate(replace(job, echoes_session=True))
