"""What a face over plain HTTP reads of a request, and what it says of one that it cannot read."""

import asyncio
import gzip
import json
import logging
from urllib.parse import quote

import pytest

from p2pnode.config.node import LimitsSection
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    GET_CHARGE_DETAIL_RECORDS,
    PULL_EVSE_DATA,
    PUSH_EVSE_DATA,
    AnyOperation,
)
from p2pnode.roaming.records import PageRequest
from tests.peering.peering_kit import (
    JSON,
    Notes,
    exchange,
    face_over,
    hold,
    partner,
    path_of,
    post,
    read_reply,
    until,
)
from tests.samples import sample, sample_members


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"OperatorID": "DE*ABC"}', "/Identification"),
        (b"[]", ""),
        (b'"text"', ""),
        (b"null", ""),
        (b"not json", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
        (b'{"a":' * 100_000, ""),
        (b"[" * 100_000 + b"]" * 100_000, ""),
        (b'{"OperatorID": "DE*ABC", "x": 1e999999999}', ""),
    ],
)
async def test_what_is_not_the_message_is_refused_in_hubjects_form(body: bytes, pointer: str, notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), body)
    assert (reply.status, reply.code) == (400, "022")
    assert reply.members["Result"] is False
    assert pointer in {error["fieldReference"] for error in reply.members["validationErrors"]}
    assert notes.received == []


async def test_a_broken_rule_is_refused_with_its_pointer(notes: Notes) -> None:
    members = sample_members(AUTHORIZE_START) | {"EvseID": "nonsense"}
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), members)
    assert (reply.status, reply.code) == (400, "022")
    assert [error["fieldReference"] for error in reply.members["validationErrors"]] == ["/EvseID"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
async def test_another_content_type_is_answered_with_415(kind: str, notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START), headers={"Content-Type": kind})
    assert (reply.status, reply.code) == (415, "022")


@pytest.mark.parametrize(
    "headers",
    [
        JSON,
        {"Content-Type": "application/json; charset=UTF-8"},
        {"Content-Type": "Application/JSON"},
        {"Content-Type": "application/vnd.oicp+json"},
        {},
    ],
)
async def test_json_by_any_name_or_none_is_read(headers: dict[str, str], notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START), headers=headers)
    assert reply.status == 200


async def test_a_body_that_says_it_is_too_large_is_not_read(notes: Notes) -> None:
    head = f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n".encode()
    async with face_over(await hold(partner()), notes) as face:
        reply = await exchange(face.port, [head])
    assert (reply.status, reply.code, reply.headers["Connection"]) == (413, "022", "close")


async def test_200_megabytes_to_a_small_operation_are_not_held(notes: Notes) -> None:
    head = f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    async with face_over(await hold(partner()), notes) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(head)
        sent = 0
        reply = None
        while reply is None and sent < 200:
            writer.write(chunk)
            await writer.drain()
            sent += 1
            if reader._buffer:  # type: ignore[attr-defined]  # a look without taking anything out
                reply = await read_reply(reader)
        writer.close()
    assert reply is not None
    assert (reply.status, reply.code) == (413, "022")
    assert sent < 20


async def test_a_small_body_that_unpacks_to_a_large_one_is_too_large(notes: Notes) -> None:
    packed = gzip.compress(b" " * 50_000_000)
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), packed, headers={"Content-Encoding": "gzip", **JSON})
    assert (reply.status, reply.code) == (413, "022")


async def test_a_compressed_body_is_read_and_a_broken_one_refused(notes: Notes) -> None:
    headers = {"Content-Encoding": "gzip", **JSON}
    async with face_over(await hold(partner()), notes) as face:
        packed = gzip.compress(sample(AUTHORIZE_START))
        assert (await post(face.port, path_of(AUTHORIZE_START), packed, headers=headers)).status == 200
        broken = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START), headers=headers)
    assert (broken.status, broken.code) == (400, "022")


async def test_a_push_may_be_larger_than_other_messages(notes: Notes) -> None:
    members = sample_members(PUSH_EVSE_DATA)
    records = members["OperatorEvseData"]["EvseDataRecord"]
    records.extend({**records[0], "Place": place} for place in range(3_000_000 // len(json.dumps(records[0]))))
    async with face_over(await hold(partner()), notes, limits=LimitsSection(large_bodies=1)) as face:
        replies = await asyncio.gather(*(post(face.port, path_of(PUSH_EVSE_DATA), members) for _ in range(3)))
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert [json.loads(record) for record in notes.received[0].records] == records


async def test_a_compressed_push_waits_for_its_turn_as_what_it_unpacks_to_may_be_large(notes: Notes) -> None:
    head = f"POST {path_of(PUSH_EVSE_DATA)} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n"
    packed = gzip.compress(sample(PUSH_EVSE_DATA) + b" " * 500_000)
    headers = {"Content-Encoding": "gzip", **JSON}
    async with face_over(await hold(partner()), notes, limits=LimitsSection(large_bodies=1)) as face:
        told, first = await asyncio.open_connection("127.0.0.1", face.port)
        first.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert await told.readline() == b"HTTP/1.1 100 Continue\r\n"  # it has its turn
        waiting = asyncio.ensure_future(post(face.port, path_of(PUSH_EVSE_DATA), packed, headers=headers))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        first.close()
        reply = await waiting
    assert (done, reply.status) == (set(), 200)


async def test_a_body_that_does_not_arrive_is_given_up(notes: Notes) -> None:
    head = f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode()
    async with face_over(
        await hold(partner()), notes, limits=LimitsSection(body_seconds=0.05, stop_seconds=0.2)
    ) as face:
        reply = await exchange(face.port, [head])
    assert (reply.status, reply.code) == (408, "022")


async def test_a_connection_lost_within_the_body_harms_nobody(notes: Notes) -> None:
    head = f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    async with face_over(await hold(partner()), notes) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(head.encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        await until(lambda: notes.outcomes)
        assert (await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))).status == 200
    assert notes.outcomes[0].code == "022"


async def test_a_caller_that_asks_first_is_told_to_go_on(notes: Notes) -> None:
    body = sample(AUTHORIZE_START)
    head = (
        f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    async with face_over(await hold(partner()), notes) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_reply(reader)).status == 200
        writer.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + b"X: " + b"x" * 20000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_readable_answer(
    garbage: bytes, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with face_over(await hold(partner()), notes) as face:
        reply = await exchange(face.port, [garbage])
    assert (reply.status, reply.code) == (400, "022")


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", PageRequest(0, 20)),
        ("?page=3", PageRequest(3, 20)),
        ("?page=2&size=500&other=1", PageRequest(2, 500)),
        ("?size=100000", PageRequest(0, 2000)),
    ],
)
@pytest.mark.parametrize("operation", [PULL_EVSE_DATA, GET_CHARGE_DETAIL_RECORDS])
async def test_a_page_is_asked_for_in_the_query(
    operation: AnyOperation, query: str, page: PageRequest, notes: Notes
) -> None:
    async with face_over(await hold(partner()), notes) as face:
        assert (await post(face.port, path_of(operation) + query, sample(operation))).status == 200
    assert notes.received[0].page == page


@pytest.mark.parametrize(
    "query", ["page=-1", "page=x", "page=", "size=0", "page=1&page=2", "page=" + "9" * 5000, "size=²"]
)
async def test_a_page_that_is_no_number_is_refused(query: str, notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, f"{path_of(PULL_EVSE_DATA)}?{quote(query, safe='=&')}", sample(PULL_EVSE_DATA))
    assert (reply.status, reply.code) == (400, "022")
    assert notes.received == []


async def test_a_query_means_nothing_to_other_operations(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        assert (await post(face.port, path_of(AUTHORIZE_START) + "?page=x", sample(AUTHORIZE_START))).status == 200
