"""The admin face of a running node: what it tells, what it does, whom it serves."""

import asyncio
import json
import shlex
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from p2pnode.lab.directory import make_directory
from p2pnode.node import Node
from p2pnode.oicp.operations import BY_NAME
from p2pnode.web.admin import AdminFace
from p2pnode.web.client import AdminClient, AdminRefused, to_json
from p2pnode.web.problem import Problem
from tests.web.conftest import settings

JSON = {"Content-Type": "application/json"}
TOKEN = "a-token-of-some-length"
"""The token of the node of the fixture `guarded`."""


async def test_the_status_names_the_node_and_where_its_faces_are(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        told = await client.get("/api/status")

    assert (told["name"], told["operators"], told["providers"]) == ("abc", ["DE*ABC"], ["DE-ABC"])
    assert told["faces"]["admin"] == face.url
    assert told["faces"]["peer"].endswith("/api/oicp")
    assert list(told["cells"]) == list(BY_NAME)


async def test_every_list_of_a_new_node_is_empty(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        assert await client.get("/api/peers") == {"peers": []}
        assert await client.get("/api/sessions") == {"sessions": []}
        assert await client.get("/api/cdrs") == {"total": 0, "cdrs": []}
        assert await client.get("/api/evses") == {"total": 0, "evses": []}
        assert await client.get("/api/pricing") == {"products": [], "evse_pricing": []}


async def test_the_metrics_are_prometheus_text(face: AdminFace, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{face.url}/metrics") as response:
        assert response.content_type == "text/plain"
        assert b"p2pnode_build_info" in await response.read()


async def test_a_call_that_no_peer_can_get_is_answered_as_the_hub_would(face: AdminFace) -> None:
    body = {"ProviderID": "DE-ABC"}
    async with AdminClient(face.url) as client:
        called = await client.call("PullEvseStatus", body, to="nobody")

    assert (called.http, called.code) == (200, "300")
    assert called.answer["StatusCode"]["Code"] == "300"


async def test_a_message_that_breaks_the_rules_is_answered_with_its_violations(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        called = await client.call("PullEvseStatus", {})

    assert (called.http, called.code) == (400, "022")
    assert called.answer["validationErrors"][0]["fieldReference"] == "/ProviderID"


async def test_an_unknown_operation_is_not_found(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        with pytest.raises(AdminRefused, match="no operation is called 'Frobnicate'") as refused:
            await client.call("Frobnicate", {})

    assert refused.value.status == 404


async def test_an_unknown_session_is_not_found(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        with pytest.raises(AdminRefused, match="no such session") as refused:
            await client.get("/api/sessions/b2688855-7f00-0002-6d8e-48d883f6abb6")

    assert refused.value.status == 404


@pytest.mark.parametrize("query", ["page=-1", "page=x", "size=0", "size=²", "page=99999999999"])
async def test_a_page_that_is_no_number_is_refused(face: AdminFace, http: aiohttp.ClientSession, query: str) -> None:
    async with http.post(f"{face.url}/api/call/PullEvseData?{query}", data=b"{}", headers=JSON) as response:
        assert response.status == 400
        assert "is not a number" in (await response.json())["error"]


async def test_a_person_can_act_at_a_charge_point(face: AdminFace, node: Node) -> None:
    async with AdminClient(face.url) as client:
        plugged = await client.post("/api/cpo/plug_in", {"evse_id": "DE*ABC*E1*1"})
        started = await client.post("/api/cpo/swipe", {"evse_id": "DE*ABC*E1*1", "uid": "04A1B2C3"})
        session = await client.get(f"/api/sessions/{started['session_id']}")
        listed = await client.get("/api/sessions")

    assert plugged["connected"] is True
    assert started["authorized"] is True
    assert session["evse_id"] == "DE*ABC*E1*1"
    assert [one["session_id"] for one in listed["sessions"]] == [started["session_id"]]
    assert await node.store.sessions(10)


async def test_what_the_manual_does_with_curl_works_as_it_is_typed(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    page = (files("p2pnode.docs") / "backends.md").read_text(encoding="utf-8")
    written = page[page.index("    [[cpo.virtual.charge_points]]") :].partition("\n\n`p2pnode init")[0]
    make_directory(tmp_path / "abc", {**settings(), **tomllib.loads(written)}, datetime.now(UTC))
    commands = [shlex.split(line) for line in page.splitlines() if line.startswith("    curl ")]
    answers: list[Any] = []
    async with Node.from_directory(tmp_path / "abc") as running:
        face = AdminFace(running)
        await face.start()
        for _, _, header, _, body, url in (*commands, commands[-1]):
            place = face.url + url.removeprefix("http://127.0.0.1:7002")
            headers = dict([header.split(": ")])
            async with http.post(place, data=body, headers=headers) as response:
                answers.append(await response.json())
        assert (await running.store.sessions(2))[0].state == "settled"
        await face.stop()
    assert answers[0] == {"published": 1}
    assert [answer["authorized"] for answer in answers[1:]] == [True, True]


async def test_no_uid_is_shown_with_a_session(face: AdminFace, http: aiohttp.ClientSession) -> None:
    async with AdminClient(face.url) as client:
        await client.post("/api/cpo/plug_in", {"evse_id": "DE*ABC*E1*1"})
        started = await client.post("/api/cpo/swipe", {"evse_id": "DE*ABC*E1*1", "uid": "04A1B2C3"})
    async with http.get(f"{face.url}/api/sessions/{started['session_id']}") as response:
        text = await response.text()

    assert "history" in json.loads(text)
    assert "04A1B2C3" not in text


async def test_a_card_nobody_knows_is_refused_with_its_code(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        await client.post("/api/cpo/plug_in", {"evse_id": "DE*ABC*E1*1"})
        with pytest.raises(AdminRefused) as refused:
            await client.post("/api/cpo/swipe", {"evse_id": "DE*ABC*E1*1", "uid": "04FFFFFF"})

    assert refused.value.code == "102"


@pytest.mark.parametrize(
    ("path", "arguments", "told"),
    [
        ("/api/cpo/dance", {}, "there is no command 'dance'"),
        ("/api/cpo/plug_in", {}, "missing, unknown or unusable: evse_id"),
        ("/api/emp/remote_stop", {"evse_id": "DE*ABC*E1*1"}, "missing, unknown or unusable: session_id"),
    ],
)
async def test_a_command_that_cannot_be_carried_out_says_why(
    face: AdminFace, path: str, arguments: dict[str, str], told: str
) -> None:
    async with AdminClient(face.url) as client:
        with pytest.raises(AdminRefused, match=told):
            await client.post(path, arguments)


async def test_the_arguments_of_a_command_are_an_object(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        with pytest.raises(AdminRefused, match="JSON object"):
            await client.post("/api/cpo/plug_in", b"[1]")
        with pytest.raises(AdminRefused, match="malformed"):
            await client.post("/api/cpo/plug_in", b"{oops")


async def test_a_file_is_imported_with_each_refusal_told(face: AdminFace) -> None:
    record = {"EvseID": "DE*ABC*E7*1", "EvseStatus": "Available"}
    foreign = {"OperatorID": "DE*XYZ", "EVSEStatusRecord": [{**record, "EvseID": "DE*XYZ*E1"}]}
    own = {"OperatorID": "DE*ABC", "EVSEStatusRecord": [record, {"EVSEStatus": "Occupied"}]}
    file = {"EVSEStatuses": [own, foreign]}
    async with AdminClient(face.url) as client:
        report = await client.post("/api/evses/import", file, kind="status")

    assert report["taken"] == 2
    assert report["relisted"] == {"DE*XYZ": 1}
    assert len(report["refused"]) == 1
    assert report["refused"][0]["reasons"]


async def test_a_file_of_an_unknown_kind_or_form_is_refused(face: AdminFace) -> None:
    async with AdminClient(face.url) as client:
        with pytest.raises(AdminRefused, match="there is no kind 'poems'"):
            await client.post("/api/evses/import", b"{}", kind="poems")
        with pytest.raises(AdminRefused):
            await client.post("/api/evses/import", b'{"a": 1}', kind="data")


async def test_events_are_told_as_they_happen_until_the_face_stops(face: AdminFace, node: Node) -> None:
    heard: list[str] = []
    ready = asyncio.Event()

    async def listen(client: AdminClient) -> None:
        async for event in client.events():
            heard.append(event["kind"])
            ready.set()

    async with AdminClient(face.url) as client, asyncio.TaskGroup() as group:
        listener = group.create_task(listen(client))
        await ready.wait()
        ready.clear()
        node.observer.event("peers", count=0)
        await ready.wait()
        await face.stop()
        await asyncio.wait_for(listener, 1)

    assert heard == ["hello", "peers"]


async def test_the_node_is_asked_to_stop(face: AdminFace, node: Node) -> None:
    async with AdminClient(face.url) as client:
        assert await client.post("/api/stop") == {"stopping": True}

    await asyncio.wait_for(node.stopped(), 1)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
@pytest.mark.parametrize("path", ["/api/status", "/api/events", "/metrics", "/nowhere"])
async def test_without_the_token_nothing_is_served(
    guarded: AdminFace, http: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> None:
    async with http.get(f"{guarded.url}{path}", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert set(await response.json()) == {"error", "hint"}


async def test_with_the_token_everything_is_served(guarded: AdminFace) -> None:
    async with AdminClient(guarded.url, TOKEN) as client:
        assert (await client.get("/api/status"))["name"] == "abc"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7002", "192.168.1.7:7002", "127.0.0.1.evil.example", ""]
)
async def test_a_name_that_only_resolves_to_this_machine_is_refused(
    face: AdminFace, http: aiohttp.ClientSession, host: str
) -> None:
    async with http.get(f"{face.url}/api/status", headers={"Host": host}) as response:
        assert response.status in {400, 403}


@pytest.mark.parametrize("host", ["localhost:7002", "127.0.0.1", "[::1]:7002"])
async def test_this_machines_own_names_are_served(face: AdminFace, http: aiohttp.ClientSession, host: str) -> None:
    async with http.get(f"{face.url}/api/status", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_may_not_act(face: AdminFace, http: aiohttp.ClientSession, origin: str) -> None:
    async with http.post(f"{face.url}/api/stop", data=b"{}", headers={**JSON, "Origin": origin}) as response:
        assert response.status == 403


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_can_send_without_asking_is_refused(
    face: AdminFace, http: aiohttp.ClientSession, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    async with http.post(f"{face.url}/api/stop", data=b"{}", headers=headers) as response:
        assert response.status == 415


async def test_an_unknown_path_and_method_are_told_as_json(face: AdminFace, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{face.url}/nowhere") as response:
        told = await response.json()
        assert (response.status, told["error"]) == (404, "GET /nowhere: Not Found")
        assert "GET /api/status" in told["hint"]
        assert "POST /api/call/{operation}" in told["hint"]
    async with http.delete(f"{face.url}/api/status") as response:
        assert response.status == 405


async def test_a_node_that_is_not_there_is_a_problem_a_person_can_read() -> None:
    async with AdminClient("http://127.0.0.1:1") as client:
        with pytest.raises(Problem, match="cannot be reached"):
            await client.get("/api/status")


def test_json_is_written_with_every_digit_of_its_numbers() -> None:
    assert to_json([Decimal("12.3400"), 1, None]) == "[\n  12.3400,\n  1,\n  null\n]"
