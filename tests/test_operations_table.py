"""The operation table, walked: each row has a sample, reaches its handler, refuses, is offered, documented, counted."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from p2pnode.cli import run
from p2pnode.lab.ports import ReservedPorts
from p2pnode.node import Node
from p2pnode.oicp.answers import code_of, read_answer
from p2pnode.oicp.codec import decode, encode, read
from p2pnode.oicp.openapi import openapi
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_RESERVATION_STOP,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    BASE_PATH,
    BY_NAME,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_ERROR,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    OPERATIONS,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
    AnyOperation,
    Role,
)
from p2pnode.oicp.status import Code
from p2pnode.peering.claims import CLAIMS
from p2pnode.peering.face import OPENAPI_PATH
from p2pnode.web.admin import AdminFace
from p2pnode.web.runfile import RunFile
from spec_check.checks import check_paths, check_samples
from spec_check.documents import Description
from spec_check.report import Report
from tests.peering.peering_kit import own_id, path_of
from tests.samples import sample, sample_members
from tests.whole_nodes import Caller, Pair, make_pair, rows_of

ROWS = [pytest.param(row, id=row.name) for row in OPERATIONS]
PLACES = [pytest.param(row, path, id=f"{row.name} {path}") for row in OPERATIONS for path in row.paths]

FIRST: Mapping[AnyOperation, tuple[AnyOperation, bytes]] = {
    PUSH_EVSE_STATUS: (PUSH_EVSE_STATUS, sample(PUSH_EVSE_STATUS).replace(b'"update"', b'"fullLoad"')),
    **dict.fromkeys(
        (
            AUTHORIZE_STOP,
            CHARGING_NOTIFICATION_START,
            CHARGING_NOTIFICATION_PROGRESS,
            CHARGING_NOTIFICATION_END,
            CHARGING_NOTIFICATION_ERROR,
            CHARGE_DETAIL_RECORD,
        ),
        (AUTHORIZE_START, sample(AUTHORIZE_START)),
    ),
    AUTHORIZE_REMOTE_RESERVATION_STOP: (AUTHORIZE_REMOTE_RESERVATION_START, sample(AUTHORIZE_REMOTE_RESERVATION_START)),
    AUTHORIZE_REMOTE_STOP: (AUTHORIZE_REMOTE_START, sample(AUTHORIZE_REMOTE_START)),
}
"""What has to have passed before a row's sample can be answered with 000."""

TOLD_BY_PATH = frozenset({PUSH_EVSE_PRICING, CHARGE_DETAIL_RECORD})
"""The operations whose message does not name its sender."""
NEEDS_A_CAR = frozenset({AUTHORIZE_REMOTE_START, AUTHORIZE_REMOTE_STOP})
FOREIGN = {Role.CPO: ("DE*XYZ", "DE*QQQ"), Role.EMP: ("DE-XYZ", "DE-QQQ")}
"""For each role the id of another peer, and one that nobody has."""


@dataclass(frozen=True)
class Callee:
    """A running node that answers a row, and its peer that calls it by hand."""

    pair: Pair
    node: Node
    peer: Caller

    def rows(self) -> object:
        return rows_of(self.node.config.store.path)


@asynccontextmanager
async def callee_of(row: AnyOperation, root: Path, receive: Iterable[str] | None = None) -> AsyncGenerator[Callee]:
    pair = make_pair(root, connected=row in NEEDS_A_CAR, receive=receive)
    made = pair.of(row.callee)
    async with Node.from_directory(made.directory) as node:
        yield Callee(pair, node, Caller.of(node.face.port, made.identity, pair.of(row.caller).identity))


@asynccontextmanager
async def both_nodes(row: AnyOperation, root: Path) -> AsyncGenerator[tuple[Node, Node]]:
    """The caller and the callee of a row, running."""
    with ReservedPorts(2) as reserved:
        pair = make_pair(root, (reserved.ports[0], reserved.ports[1]), connected=row in NEEDS_A_CAR)
        async with (
            Node.from_directory(pair.of(row.caller).directory) as caller,
            Node.from_directory(pair.of(row.callee).directory) as callee,
        ):
            yield caller, callee


def test_the_table_has_the_24_operations_of_the_design() -> None:
    assert len(OPERATIONS) == len(BY_NAME) == 24
    assert {row.caller for row in OPERATIONS} == set(Role)


@pytest.mark.parametrize("row", ROWS)
def test_the_sample_is_read_and_written_and_read_as_the_same(row: AnyOperation) -> None:
    message = read(row.request, sample(row))

    assert read(row.request, encode(message)) == message


@pytest.mark.parametrize("row", ROWS)
def test_members_nobody_knows_survive_wherever_they_stand(row: AnyOperation) -> None:
    wire = cast("dict[str, Any]", decode(sample(row)))
    holders = list(_objects(wire))
    for number, holder in enumerate(holders):
        holder["FromTomorrow"] = [number, None, "é", decode(b"0.10000000000000000001")]
    written = decode(encode(read(row.request, encode(wire))))

    assert [found.get("FromTomorrow") for found in _objects(written)] == [found["FromTomorrow"] for found in holders]


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        yield members
        for member in members.values():
            yield from _objects(member)
    elif isinstance(value, list):
        for element in cast("list[object]", value):
            yield from _objects(element)


@pytest.mark.parametrize(("row", "path"), PLACES)
async def test_the_sample_reaches_its_handler_at_every_path(row: AnyOperation, path: str, tmp_path: Path) -> None:
    async with callee_of(row, tmp_path) as callee:
        if row in FIRST:
            before, body = FIRST[row]
            assert (await callee.peer.post(path_of(before), body)).code == Code.SUCCESS
        counted = callee.node.observer.metrics.cells()[row.name]["received"]
        reply = await callee.peer.post(path_of(row, path=path), sample(row))

        answer = read_answer(row, "the callee", reply.status, reply.headers["Content-Type"], reply.body)
        assert (reply.status, code_of(answer)) == (200, Code.SUCCESS)
        assert type(answer) is row.answer
        assert reply.headers["Process-ID"]
        assert callee.node.observer.metrics.cells()[row.name]["received"] == counted + 1
        assert row in callee.node.roaming.receivers


def foreign_bodies(row: AnyOperation, identifier: str) -> Iterator[dict[str, Any]]:
    """The sample with this id in place of the caller's, at each place where the message tells whose it is."""
    name = "OperatorID" if row.caller is Role.CPO else "ProviderID"
    members = sample_members(row)
    if CLAIMS[row](read(row.request, {**members, name: identifier})) == identifier:
        yield {**members, name: identifier}
    for member, inner in members.items():
        if isinstance(inner, dict) and name in inner:
            yield {**members, member: {**cast("dict[str, Any]", inner), name: identifier}}


@pytest.mark.parametrize("row", ROWS)
async def test_a_foreign_id_in_the_path_or_in_the_body_is_refused_and_nothing_is_kept(
    row: AnyOperation, tmp_path: Path
) -> None:
    async with callee_of(row, tmp_path) as callee:
        before = callee.rows()
        for foreign in FOREIGN[row.caller]:
            bodies = list(foreign_bodies(row, foreign))
            assert bool(bodies) is (row not in TOLD_BY_PATH)
            tried = [(path_of(row), body) for body in bodies]
            tried += [
                (path_of(row, foreign, path), body) for path in row.paths for body in (sample_members(row), *bodies)
            ]
            for path, body in tried if "{" in row.path else tried[: len(bodies)]:
                reply = await callee.peer.post(path, body)
                assert (reply.status, reply.code) == (200, "017"), path
        assert callee.rows() == before


@pytest.mark.parametrize("row", ROWS)
async def test_what_the_peers_entry_does_not_allow_is_refused_and_nothing_is_kept(
    row: AnyOperation, tmp_path: Path
) -> None:
    others = [other.name for other in OPERATIONS if other is not row]
    async with callee_of(row, tmp_path, receive=others) as callee:
        before = callee.rows()
        for path in row.paths:
            reply = await callee.peer.post(path_of(row, path=path), sample(row))
            assert (reply.status, reply.code) == (200, "210")
        assert callee.rows() == before


@pytest.fixture
def talk_on_stderr() -> Iterator[None]:
    """Lines of parts that know no node go to stderr, as they do in a node's own process."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("talk_on_stderr")
@pytest.mark.parametrize("row", ROWS)
async def test_the_command_line_sends_it_from_one_node_to_the_other_and_both_count_it(
    row: AnyOperation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with both_nodes(row, tmp_path) as (caller, callee):
        directory, name = caller.config.store.path.parent, callee.config.node.name
        if row in FIRST:
            before, body = FIRST[row]
            assert (await caller.own.call(before, body, to=name)).code == Code.SUCCESS
        counts = [caller.observer.metrics.cells()[row.name], callee.observer.metrics.cells()[row.name]]
        face = AdminFace(caller)
        await face.start()
        try:
            RunFile(os.getpid(), face.url, caller.peer_url).write(directory)
            arguments = ["call", row.name, "--to", name, "--dir", str(directory), "--json"]
            assert await asyncio.to_thread(run, arguments) == 0
        finally:
            await face.stop()
        told = json.loads(capsys.readouterr().out)
        assert (told["http"], told["code"]) == (200, Code.SUCCESS)
        assert type(read(row.answer, told["answer"])) is row.answer
        for node, verb, cell in ((caller, "sent", counts[0]), (callee, "received", counts[1])):
            metrics = node.observer.metrics
            assert metrics.cells()[row.name] == {**cell, verb: cell[verb] + 1}
            label = f'operation="{row.name}",peer="{caller.config.node.name if node is callee else name}"'
            assert label in metrics.exposition().decode()


@pytest.mark.parametrize("row", ROWS)
def test_the_command_line_lists_it_and_helps_to_call_it(row: AnyOperation, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["operations", "--json"]) == 0
    listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert listed[row.name]["title"] == row.title
    assert listed[row.name]["paths"] == list(row.paths)
    assert (listed[row.name]["caller"], listed[row.name]["callee"]) == (row.caller, row.callee)

    assert run(["call", row.name, "--help"]) == 0
    assert "Example:" in capsys.readouterr().out


@pytest.mark.parametrize("row", ROWS)
def test_the_manual_has_a_line_of_it_in_both_tables(row: AnyOperation) -> None:
    manual = (resources.files("p2pnode") / "docs" / "operations.md").read_text(encoding="utf-8")
    lines = [line for line in manual.splitlines() if line.startswith(f"| {row.name} |")]

    assert len(lines) == 2
    assert row.title in lines[0]
    assert all(f"`{path}`" in lines[0] for path in row.paths)
    assert f"`{row.request.__name__}` | `{row.answer.__name__}` | {row.delivery} |" in lines[1]


@pytest.mark.parametrize("row", ROWS)
def test_the_description_of_a_node_has_it_at_each_of_its_paths(row: AnyOperation) -> None:
    paths = openapi("1")["paths"]

    for path in row.paths:
        described = paths[path]["post"]
        assert f"/{row.request.__name__}" in json.dumps(described["requestBody"])
        assert f"/{row.answer.__name__}" in json.dumps(described["responses"]["200"])


async def test_a_node_serves_the_description_with_every_path_of_the_table(tmp_path: Path) -> None:
    async with callee_of(AUTHORIZE_START, tmp_path) as callee:
        reply = await callee.peer.post(OPENAPI_PATH, b"", method="GET")

    assert reply.status == 200
    assert {BASE_PATH + path for path in reply.members["paths"]} == {
        BASE_PATH + path for row in OPERATIONS for path in row.paths
    }


@pytest.mark.parametrize("row", ROWS)
def test_the_check_against_hubjects_descriptions_looks_at_it(row: AnyOperation, tmp_path: Path) -> None:
    nothing = Description(row.caller, {"paths": {}, "components": {"schemas": {}}})
    described = Description(row.caller, _description_of(row))

    assert (row.name, "described") in _found(check_paths([nothing]))
    assert row.name not in {subject for subject, _ in _found(check_paths([described]))}
    without_samples = _found(check_samples([described], tmp_path))
    assert {(f"{row.name}.request", "missing"), (f"{row.name}.answer", "missing")} <= without_samples


def _found(report: Report) -> set[tuple[str, str]]:
    differences = [*report.unexpected, *(difference for difference, _ in report.expected)]
    return {(found.subject, found.rule) for found in differences}


def _description_of(row: AnyOperation) -> dict[str, Any]:
    """What Hubject's document of this one operation would be."""

    def body(model: type[object]) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/eRoaming{model.__name__}"}}}}

    post = {"requestBody": body(row.request), "responses": {"200": body(row.answer)}}
    schemas = {f"eRoaming{model.__name__}": {"type": "object"} for model in (row.request, row.answer)}
    return {"paths": {row.path: {"post": post}}, "components": {"schemas": schemas}}


def test_the_ids_of_the_samples_are_those_of_the_nodes() -> None:
    assert {own_id(row) for row in OPERATIONS} == {"DE*ABC", "DE-DCB"}
