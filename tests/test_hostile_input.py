"""Input that is wrong, whoever sends it: a clear answer each time, nothing changes, nobody is named in the log."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_RESERVATION_STOP,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    BASE_PATH,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_ERROR,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    GET_CHARGE_DETAIL_RECORDS,
    MEBIBYTE,
    OPERATIONS,
    PULL_AUTHENTICATION_DATA,
    PULL_EVSE_DATA,
    PULL_PRICING_PRODUCT_DATA,
    PUSH_AUTHENTICATION_DATA,
    PUSH_EVSE_DATA,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
    PUSH_LIMIT,
    PUSH_PRICING_PRODUCT_DATA,
    AnyOperation,
)
from tests.hostile_target import (
    BARE,
    BUSY,
    DEAD,
    EVCO_ID,
    FOREIGN_EVCO_ID,
    HELD,
    OTHER_UID,
    PIN,
    REMOTE,
    RESERVED,
    SECRETS,
    SETTLED,
    STARTED,
    UNKNOWN_UID,
    Target,
    hostile_target,
    is_refused,
    of_session,
    remote,
    settled,
    start,
    succeeds,
    tells_nothing,
)
from tests.peering.peering_kit import JSON, Reply, own_id, path_of, read_reply, until
from tests.samples import sample, sample_members
from tests.whole_nodes import Caller

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTIFICATIONS = (
    CHARGING_NOTIFICATION_START,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_ERROR,
)
NEVER = "b2688855-7f00-0002-6d8e-0000000000ff"
"""A session that never was."""


def rows(*operations: AnyOperation) -> list[Any]:
    return [pytest.param(row, id=row.name) for row in operations]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    async with hostile_target(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture(autouse=True)
def log_names_nobody(target: Target) -> Iterator[None]:
    """What a test makes the node log holds no identification of anybody, and no traceback."""
    yield
    told = target.log()
    assert "Traceback" not in told
    assert [secret for secret in SECRETS if secret in told] == []


# What is no message.

NO_MESSAGES = {
    "empty": b"",
    "text": b"this is not JSON",
    "XML": b"<?xml version='1.0'?><eRoamingAuthorizeStart/>",
    "not UTF-8": b'{"OperatorID": "\xff\xfe"}',
    "UTF-16": '{"OperatorID": "DE*ABC"}'.encode("utf-16"),
    "cut": b'{"OperatorID": "DE*ABC", "Identification": {',
    "two": b"{}{}",
    "NUL": b"\x00" * 1000,
    "a list": b"[]",
    "a number": b"5",
    "null": b"null",
    "an endless number": b'{"OperatorID": ' + b"9" * 100_000 + b"}",
    "an immense number": b'{"OperatorID": 1e999999999}',
    "a lone surrogate": b'{"OperatorID": "\\ud800"}',
    "nested lists": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "open brackets": b"[" * 100_000,
}
WRONG: tuple[Any, ...] = tuple(
    json.loads(text)
    for text in ('{"a": [{}]}', "[[[]]]", "{}", "1e308", "-1", '""', r'"\u0000"', "[" + "null," * 5000 + "null]")
)


@pytest.mark.parametrize("operation", rows(*OPERATIONS))
async def test_what_is_not_the_message_is_refused_by_every_operation(operation: AnyOperation, target: Target) -> None:
    mandatory = operation is not PULL_PRICING_PRODUCT_DATA
    async with target.unchanged(), target.partner.conversation() as connection:
        for path in operation.paths:
            for body in (*NO_MESSAGES.values(), *([b"{}"] if mandatory else [])):
                is_refused(await connection.post(path_of(operation, path=path), body), 400, "022", operation)


@pytest.mark.parametrize("operation", rows(*OPERATIONS))
async def test_a_member_of_the_wrong_type_never_makes_the_node_fail(operation: AnyOperation, target: Target) -> None:
    known = sample_members(operation)
    async with target.unchanged(), target.partner.conversation() as connection:
        for name in known:
            for wrong in WRONG:
                reply = await connection.post(path_of(operation), {**known, name: wrong})
                if reply.status == 400:
                    is_refused(reply, 400, "022", operation)
                assert reply.status in {200, 400}
                assert reply.members["StatusCode"]["Code"] != "021"
                tells_nothing(reply)


@pytest.mark.parametrize("depth", [150, 250, 100_000])
@pytest.mark.parametrize("operation", rows(AUTHORIZE_START, CHARGING_NOTIFICATION_START, PUSH_EVSE_STATUS))
async def test_brackets_within_a_member_nobody_knows_are_carried_up_to_a_depth(
    operation: AnyOperation, depth: int, target: Target
) -> None:
    known = json.dumps(sample_members(operation)).encode()
    body = known[:-1] + b', "More": ' + b"[" * depth + b"]" * depth + b"}"
    async with target.unchanged():
        reply = await target.partner.post(path_of(operation), body)
        if depth > 200:
            is_refused(reply, 400, "022", operation)
        else:
            assert reply.status == 200


@pytest.mark.parametrize("depth", [250, 100_000])
@pytest.mark.parametrize(
    ("operation", "record"),
    [
        (PUSH_EVSE_DATA, b'{"EvseID":"DE*ABC*E1","More":%s}'),
        (PUSH_AUTHENTICATION_DATA, b'{"Identification":%s}'),
        (PUSH_EVSE_STATUS, b"%s"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_brackets_within_a_record_are_refused(
    operation: AnyOperation, record: bytes, depth: int, target: Target
) -> None:
    holder, records = operation.records
    nested = record % (b'{"a":' * depth + b"1" + b"}" * depth)
    caller = "OperatorID" if operation is not PUSH_AUTHENTICATION_DATA else "ProviderID"
    body = b'{"ActionType":"fullLoad","%s":{"%s":"%s","OperatorName":"x","%s":[%s]}}' % (
        holder.encode(),
        caller.encode(),
        own_id(operation).encode(),
        records.encode(),
        nested,
    )
    async with target.unchanged():
        is_refused(await target.partner.post(path_of(operation), body), 400, "022", operation)


# What is not for this place.


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "text/html", "multipart/form-data; boundary=x", "", "json"]
)
async def test_another_content_type_is_refused(kind: str, target: Target) -> None:
    async with target.unchanged():
        for operation in (AUTHORIZE_START, PUSH_EVSE_DATA):
            reply = await target.partner.post(path_of(operation), sample(operation), headers={"Content-Type": kind})
            is_refused(reply, 415, "022")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/oicp",
        "/api/oicp/",
        f"{BASE_PATH}/charging/v21/operators/DE*ABC/authorize",
        f"{BASE_PATH}/charging/v21/operators//authorize/start",
        f"{BASE_PATH}/charging/v22/operators/DE*ABC/authorize/start",
        f"{BASE_PATH}/charging/v21/operators/DE*ABC/../DE*ABC/authorize/start",
        f"{BASE_PATH}/charging/v21/operators/DE*ABC%2Fauthorize/start",
        "/api/sessions",
        "/api/stop",
        "/metrics",
        "/.git/config",
        "/%00",
        "/" + "x" * 6000,
        "//evil.example/api/oicp",
    ],
)
async def test_an_unknown_path_is_refused(path: str, target: Target) -> None:
    async with target.unchanged():
        is_refused(await target.partner.post(path, sample(AUTHORIZE_START)), 404, "022")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("operation", rows(AUTHORIZE_START, PUSH_EVSE_DATA, CHARGE_DETAIL_RECORD))
async def test_another_method_is_refused(operation: AnyOperation, method: str, target: Target) -> None:
    async with target.unchanged():
        reply = await target.partner.post(path_of(operation), sample(operation), method=method)
        is_refused(reply, 405, "022")
        assert reply.headers["Allow"] == "POST"


@pytest.mark.parametrize("operation", rows(PULL_EVSE_DATA, GET_CHARGE_DETAIL_RECORDS))
@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=x",
        "page=",
        "page=1.0",
        "page=1e3",
        "page=%D9%A1",
        "size=0",
        "size=-5",
        "size=all",
        "page=1&page=2",
    ]
    + [f"{name}=" + "9" * 4000 for name in ("page", "size")],
)
async def test_a_page_that_is_no_number_is_refused(operation: AnyOperation, query: str, target: Target) -> None:
    async with target.unchanged():
        reply = await target.partner.post(f"{path_of(operation)}?{query}", sample(operation))
        is_refused(reply, 400, "022")


async def test_a_page_far_behind_the_end_is_empty(target: Target) -> None:
    async with target.unchanged():
        for operation in (PULL_EVSE_DATA, GET_CHARGE_DETAIL_RECORDS):
            reply = await target.partner.post(f"{path_of(operation)}?page=999999999&size=2000", sample(operation))
            assert (reply.status, reply.members["content"]) == (200, [])


# What is too large.


async def flood(caller: Caller, path: str, pieces: Iterator[bytes], *, length: int | None = None) -> tuple[Reply, int]:
    """Write the pieces of a body until an answer comes; the answer, and how many bytes of the body were written."""
    framing = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.port, ssl=caller.tls)
    answered = asyncio.create_task(read_reply(reader))
    sent = 0
    try:
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        for piece in pieces:
            if answered.done():
                break
            writer.write(piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
            sent += len(piece)
            await writer.drain()
            await asyncio.sleep(0)  # a look at what has been answered
        else:
            writer.write(b"" if length is not None else b"0\r\n\r\n")
        return await asyncio.wait_for(answered, 30), sent
    except ConnectionError:  # the node has closed, and its answer is here
        return await answered, sent
    finally:
        writer.close()


def memory(pid: int, what: str) -> int:
    """VmRSS or VmHWM of a process, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


@pytest.fixture
def growth(target: Target) -> Callable[[], int]:
    """By how many bytes the node has grown at most since the test began."""
    if not sys.platform.startswith("linux"):
        pytest.skip("how much memory another process uses is asked of Linux")
    pid = target.process.pid
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    before = memory(pid, "VmRSS")
    return lambda: memory(pid, "VmHWM") - before


MEGABYTE = 1_000_000


def pieces(total: int, filling: bytes = b" ") -> Iterator[bytes]:
    piece = filling * (MEGABYTE // len(filling))
    return (piece for _ in range(total // len(piece)))


@pytest.mark.parametrize("announced", [True, False])
async def test_200_megabytes_to_a_small_operation_are_refused_at_once_and_not_held(
    target: Target, growth: Callable[[], int], *, announced: bool
) -> None:
    length = 200 * MEGABYTE if announced else None
    async with target.unchanged():
        reply, sent = await flood(target.partner, path_of(AUTHORIZE_START), pieces(200 * MEGABYTE), length=length)
        is_refused(reply, 413, "022")
    assert reply.headers["Connection"] == "close"
    assert sent < 20 * MEGABYTE
    assert growth() < 16 * MEGABYTE


async def test_a_body_without_an_end_is_refused_at_the_limit_of_its_operation(
    target: Target, growth: Callable[[], int]
) -> None:
    async with target.unchanged():
        reply, sent = await flood(target.partner, path_of(PUSH_EVSE_DATA), pieces(2 * PUSH_LIMIT))
        is_refused(reply, 413, "022")
    assert PUSH_LIMIT <= sent < PUSH_LIMIT + 50 * MEGABYTE
    assert growth() < 2 * PUSH_LIMIT


async def test_200_megabytes_of_garbage_are_refused_while_others_are_served(
    target: Target, growth: Callable[[], int]
) -> None:
    head = b'{"ActionType":"fullLoad","OperatorEvseData":{"OperatorID":"DE*ABC","OperatorName":"x","EvseDataRecord":['
    begin = head + b"0," * ((MEGABYTE - len(head)) // 2)
    garbage = iter((begin, *pieces(199 * MEGABYTE, b"0,")))
    length = len(begin) + 199 * MEGABYTE
    async with target.unchanged(), asyncio.TaskGroup() as tasks:
        pushing = tasks.create_task(flood(target.partner, path_of(PUSH_EVSE_DATA), garbage, length=length))
        served = 0
        while not pushing.done():
            async with asyncio.timeout(5):
                await succeeds(target.partner, AUTHORIZE_START, start(STARTED))
            served += 1
    reply, sent = pushing.result()
    is_refused(reply, 400, "022")
    assert sent == length
    assert served > 1
    assert growth() < 3 * 200 * MEGABYTE


@pytest.mark.parametrize(
    ("inside", "after"),
    [
        (b'"OperatorEvseData":{"OperatorID":"DE*ABC","OperatorName":"x","EvseDataRecord":[', b"0]}}"),
        (b'"OperatorEvseData":{"OperatorID":"DE*ABC","OperatorName":"x","EvseDataRecord":[],"More":[', b"0]}}"),
        (b'"More":[', b"0]}"),
        (b'"OperatorEvseData":{"OperatorID":"DE*ABC","OperatorName":"x","EvseDataRecord":[{"More":[', b"0]}]}}"),
    ],
    ids=["records", "beside the records", "beside everything", "in one record"],
)
@pytest.mark.parametrize("element", [b"0,", b"{},", b'{"EvseID":"x"},'])
async def test_a_push_of_countless_trifles_is_refused_without_growing(
    inside: bytes, after: bytes, element: bytes, target: Target, growth: Callable[[], int]
) -> None:
    body = b'{"ActionType":"fullLoad",' + inside + element * (8 * MEGABYTE // len(element)) + after
    async with target.unchanged():
        reply = await target.partner.post(path_of(PUSH_EVSE_DATA), body)
        is_refused(reply, 400, "022")
    assert len(reply.body) < MEBIBYTE
    assert growth() < 120 * MEGABYTE


async def test_a_push_of_nothing_but_mistakes_is_answered_shortly(target: Target) -> None:
    for operation, action in (
        (PUSH_EVSE_DATA, "fullLoad"),
        (PUSH_EVSE_STATUS, "delete"),
        (PUSH_EVSE_PRICING, "insert"),
    ):
        members = {**sample_members(operation), "ActionType": action}
        records_in(operation, members)[:] = [{"EvseID": None}] * 20_000
        async with target.unchanged():
            reply = await target.partner.post(path_of(operation), members)
            is_refused(reply, 400, "022")
        assert 1000 <= len(reply.members["validationErrors"]) < 1100


# Who is not who they say.


@pytest.mark.parametrize(
    "operation", rows(AUTHORIZE_START, PUSH_EVSE_DATA, CHARGING_NOTIFICATION_START, PULL_EVSE_DATA)
)
async def test_the_id_of_another_party_is_refused_wherever_it_stands(operation: AnyOperation, target: Target) -> None:
    own = own_id(operation)
    in_body = [
        sample(operation).replace(f'"{own}"'.encode(), f'"{own[:3]}{other}"'.encode())
        for other in ("XYZ", "QQQ", "OWN")
    ]
    async with target.unchanged():
        for body in in_body:
            is_refused(await target.partner.post(path_of(operation), body), 200, "017", operation)
        if "{" in operation.path:
            for other in ("XYZ", "QQQ", "OWN"):
                foreign = path_of(operation, f"{own[:3]}{other}")
                for body in (sample(operation), *in_body, b"not JSON"):
                    is_refused(await target.partner.post(foreign, body), 200, "017", operation)
        is_refused(await target.other.post(path_of(operation), sample(operation)), 200, "017", operation)


@pytest.mark.parametrize("name", ["none", "no peer"])
async def test_who_shows_no_certificate_or_one_of_no_peer_is_refused(name: str, target: Target) -> None:
    nobody = target.stranger(name)
    async with target.unchanged():
        for operation in (AUTHORIZE_START, PUSH_EVSE_DATA, CHARGING_NOTIFICATION_START):
            for body in (sample(operation), b"not JSON"):
                reply = await nobody.post(path_of(operation), body)
                is_refused(reply, 401, "017")
                assert reply.headers["Connection"] == "close"
        is_refused(await nobody.post("/nowhere", b""), 401, "017")


@pytest.mark.parametrize("name", ["unknown CA", "expired"])
async def test_a_certificate_that_is_not_trusted_or_not_valid_is_refused_by_tls(name: str, target: Target) -> None:
    nobody = target.stranger(name)
    async with target.unchanged():
        for body in (sample(AUTHORIZE_START), b"not JSON"):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await nobody.post(path_of(AUTHORIZE_START), body)
        reader, writer = await asyncio.open_connection("127.0.0.1", nobody.port, ssl=nobody.tls)
        with suppress(ssl.SSLError):  # an alert, where the event loop passes it on
            assert await reader.read() == b""
        writer.close()


async def test_what_is_not_tls_or_not_http_harms_nobody(target: Target) -> None:
    async with target.unchanged():
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 5000, os.urandom(2000)):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.partner.port)
            writer.write(garbage)
            if garbage.startswith(b"GET"):  # of the others the node has to be the one that hangs up
                writer.write_eof()
            assert len(await asyncio.wait_for(reader.read(), 15)) < 100
            writer.close()
        for garbage in (
            b"NONSENSE\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"\xff" * 20000 + b"\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.partner.port, ssl=target.partner.tls)
            writer.write(garbage)
            is_refused(await read_reply(reader), 400, "022")
            writer.close()


# Sessions.


async def test_the_same_start_again_gets_the_same_answer(target: Target) -> None:
    first = await succeeds(target.partner, AUTHORIZE_START, start(STARTED))
    async with target.unchanged():
        again = await succeeds(target.partner, AUTHORIZE_START, start(STARTED))
        shouting = await succeeds(target.partner, AUTHORIZE_START, start(STARTED.upper()))
    assert again.body == first.body
    assert shouting.members["StatusCode"] == first.members["StatusCode"]


async def test_a_different_start_of_a_known_session_is_refused(target: Target) -> None:
    card = {"RFIDMifareFamilyIdentification": {"UID": OTHER_UID}}
    unknown = {"RFIDMifareFamilyIdentification": {"UID": UNKNOWN_UID}}
    code = {"QRCodeIdentification": {"EvcoID": EVCO_ID, "PIN": PIN}}
    different = [
        start(STARTED, EvseID="DE*ABC*E1234*2"),
        *(start(STARTED, Identification=identification) for identification in (card, unknown, code)),
        {name: value for name, value in start(STARTED).items() if name != "EvseID"},
        start(SETTLED),
        start(REMOTE),
        start(RESERVED),
    ]
    async with target.unchanged():
        for body in different:
            is_refused(await target.partner.post(path_of(AUTHORIZE_START), body), 200, "400", AUTHORIZE_START)
        theirs = {**start(STARTED), "OperatorID": "DE*XYZ"}
        is_refused(await target.other.send(AUTHORIZE_START, "DE*XYZ", theirs), 200, "400", AUTHORIZE_START)


@pytest.mark.parametrize(
    ("identification", "code"),
    [
        ({"RFIDMifareFamilyIdentification": {"UID": UNKNOWN_UID}}, "102"),
        ({"QRCodeIdentification": {"EvcoID": EVCO_ID, "PIN": f"{PIN}0"}}, "101"),
        ({"QRCodeIdentification": {"EvcoID": FOREIGN_EVCO_ID, "PIN": PIN}}, "101"),
        ({"PlugAndChargeIdentification": {"EvcoID": EVCO_ID}}, "105"),
    ],
)
async def test_a_driver_who_is_not_ours_may_not_start(identification: object, code: str, target: Target) -> None:
    async with target.unchanged():
        body = start(NEVER, Identification=identification)
        is_refused(await target.partner.post(path_of(AUTHORIZE_START), body), 200, code, AUTHORIZE_START)


@pytest.mark.parametrize(
    "operation",
    rows(
        AUTHORIZE_STOP,
        *NOTIFICATIONS,
        CHARGE_DETAIL_RECORD,
        AUTHORIZE_REMOTE_STOP,
        AUTHORIZE_REMOTE_RESERVATION_STOP,
    ),
)
async def test_a_message_about_a_session_that_never_was_or_of_another_peer_is_refused(
    operation: AnyOperation, target: Target
) -> None:
    name = "OperatorID" if own_id(operation) == "DE*ABC" else "ProviderID"
    theirs = "DE*XYZ" if name == "OperatorID" else "DE-XYZ"
    sessions = (STARTED, SETTLED, REMOTE) if operation is not AUTHORIZE_REMOTE_RESERVATION_STOP else (REMOTE,)
    async with target.unchanged():
        for session_id in (NEVER, NEVER.upper()):
            body = of_session(operation, session_id, EvseID=BUSY)
            is_refused(await target.partner.post(path_of(operation), body), 200, "400", operation)
        for session_id in sessions:
            known = of_session(operation, session_id)
            body = {**known, name: theirs} if name in known else known
            is_refused(await target.other.send(operation, theirs, body), 200, "400", operation)
        of_other = of_session(operation, RESERVED, EvseID=HELD)
        is_refused(await target.partner.post(path_of(operation), of_other), 200, "400", operation)


@pytest.mark.parametrize("operation", rows(AUTHORIZE_STOP, *NOTIFICATIONS))
async def test_a_message_about_a_session_that_is_settled_is_refused(operation: AnyOperation, target: Target) -> None:
    async with target.unchanged():
        reply = await target.partner.post(path_of(operation), of_session(operation, SETTLED))
        is_refused(reply, 200, "400", operation)


# Charging points.


@pytest.mark.parametrize(
    ("evse_id", "code"),
    [
        ("DE*OWN*ENONE", "603"),
        ("DE*XYZ*E1", "603"),
        ("DE*QQQ*E1", "603"),
        (BUSY, "602"),
        (DEAD, "700"),
        (HELD, "601"),
        (BARE, "510"),
    ],
)
async def test_a_charging_point_that_cannot_be_started_says_why(evse_id: str, code: str, target: Target) -> None:
    async with target.unchanged():
        for body in (remote(evse_id), {**remote(evse_id), "SessionID": None}):
            reply = await target.partner.post(path_of(AUTHORIZE_REMOTE_START), body)
            is_refused(reply, 200, code, AUTHORIZE_REMOTE_START)


@pytest.mark.parametrize(
    ("evse_id", "code"), [("DE*OWN*ENONE", "603"), ("DE*QQQ*E1", "603"), (BUSY, "602"), (DEAD, "700"), (HELD, "601")]
)
async def test_a_charging_point_that_cannot_be_reserved_says_why(evse_id: str, code: str, target: Target) -> None:
    async with target.unchanged():
        reply = await target.partner.post(path_of(AUTHORIZE_REMOTE_RESERVATION_START), remote(evse_id))
        is_refused(reply, 200, code, AUTHORIZE_REMOTE_RESERVATION_START)


@pytest.mark.parametrize("session_id", [STARTED, SETTLED, RESERVED])
async def test_a_remote_start_with_the_id_of_another_session_is_refused(session_id: str, target: Target) -> None:
    async with target.unchanged():
        for operation in (AUTHORIZE_REMOTE_START, AUTHORIZE_REMOTE_RESERVATION_START):
            reply = await target.partner.post(path_of(operation), remote(BARE, session_id))
            is_refused(reply, 200, "400", operation)


async def test_a_remote_stop_at_another_charging_point_is_refused(target: Target) -> None:
    async with target.unchanged():
        body = of_session(AUTHORIZE_REMOTE_STOP, REMOTE, EvseID=BARE)
        is_refused(await target.partner.post(path_of(AUTHORIZE_REMOTE_STOP), body), 200, "400", AUTHORIZE_REMOTE_STOP)


# CDRs.


async def test_the_same_cdr_again_gets_the_same_answer_and_a_different_one_none(target: Target) -> None:
    body = of_session(CHARGE_DETAIL_RECORD, SETTLED)
    different = [
        {**body, "ConsumedEnergy": 14.474},
        {**body, "EvseID": "DE*ABC*E1234*2"},
        {**body, "Identification": {"RFIDMifareFamilyIdentification": {"UID": OTHER_UID}}},
        {**body, "More": 1},
    ]
    before = target.rows()
    first = await succeeds(target.partner, CHARGE_DETAIL_RECORD, body)
    again = await succeeds(target.partner, CHARGE_DETAIL_RECORD, dict(reversed(body.items())))
    assert again.body == first.body
    for other in different * 2:
        reply = await target.partner.post(path_of(CHARGE_DETAIL_RECORD), other)
        is_refused(reply, 200, "400", CHARGE_DETAIL_RECORD)
    after = target.rows()
    assert len(after.pop("cdr_review")) == len(before.pop("cdr_review")) + len(different)
    assert after == before


async def test_fifty_equal_cdrs_at_once_get_one_answer_and_are_stored_once(target: Target) -> None:
    session_id = "b2688855-7f00-0002-6d8e-000000000050"
    await succeeds(target.partner, AUTHORIZE_START, start(session_id))
    before = target.rows()
    body = of_session(CHARGE_DETAIL_RECORD, session_id)
    replies = await asyncio.gather(*(succeeds(target.partner, CHARGE_DETAIL_RECORD, body) for _ in range(50)))
    await settled(target)
    after = target.rows()
    assert {reply.body for reply in replies} == {replies[0].body}
    assert len(after["cdr"]) == len(before["cdr"]) + 1
    assert len(after["session_event"]) == len(before["session_event"]) + 1
    assert len(after["session"]) == len(before["session"])
    assert json.dumps(body).encode() in {cell for row in after["cdr"] for cell in row}


async def test_fifty_different_cdrs_at_once_are_stored_once(target: Target) -> None:
    session_id = "b2688855-7f00-0002-6d8e-000000000051"
    await succeeds(target.partner, AUTHORIZE_START, start(session_id))
    before = target.rows()
    bodies = [of_session(CHARGE_DETAIL_RECORD, session_id, ConsumedEnergy=number) for number in range(50)]
    replies = await asyncio.gather(*(target.partner.post(path_of(CHARGE_DETAIL_RECORD), body) for body in bodies))
    await settled(target)
    assert sorted(reply.code for reply in replies) == ["000", *["400"] * 49]
    assert len(target.rows()["cdr"]) == len(before["cdr"]) + 1


# Pushes.


def records_in(operation: AnyOperation, members: dict[str, Any]) -> list[Any]:
    """The list of records in a push."""
    found: Any = members
    for name in operation.records:
        found = found[name]
    records: list[Any] = found
    return records


def push(operation: AnyOperation, action: str, *numbers: int) -> dict[str, Any]:
    """The sample of a push with these of its records; the two it has are known, others are made of the first."""
    members: dict[str, Any] = {**sample_members(operation), "ActionType": action}
    records = records_in(operation, members)
    records[:] = [records[number] if number < 2 else _another(records[0], number) for number in numbers]
    return members


def _another(record: dict[str, Any], number: int) -> dict[str, Any]:
    if "ProductID" in record:
        return {**record, "ProductID": f"AC{number}"}
    if "EvseID" in record:
        return {**record, "EvseID": f"DE*ABC*E777*{number}"}
    return {"Identification": {"RFIDMifareFamilyIdentification": {"UID": f"0477777777777{number}"}}}


KNOWN_PUSHES = (
    PUSH_EVSE_DATA,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
    PUSH_EVSE_PRICING,
    PUSH_AUTHENTICATION_DATA,
)


@pytest.mark.parametrize("operation", rows(*KNOWN_PUSHES))
async def test_a_push_that_does_not_fit_what_is_known_fails_as_a_whole(operation: AnyOperation, target: Target) -> None:
    async with target.unchanged():
        for action, numbers in (("insert", (5, 0)), ("update", (0, 5)), ("delete", (0, 5)), ("delete", (5,))):
            reply = await target.partner.post(path_of(operation), push(operation, action, *numbers))
            is_refused(reply, 200, "022", operation)


@pytest.mark.parametrize("action", ["fullLoad", "insert", "update", "delete"])
@pytest.mark.parametrize("operation", rows(*KNOWN_PUSHES))
async def test_a_record_that_stands_twice_in_one_push_is_refused(
    operation: AnyOperation, action: str, target: Target
) -> None:
    twice = push(operation, action, 0, 1, 0)
    evse = operation in {PUSH_EVSE_DATA, PUSH_EVSE_STATUS, PUSH_EVSE_PRICING}
    async with target.unchanged():
        reply = await target.partner.post(path_of(operation), twice)
        is_refused(reply, 200 if evse else 400, "018" if evse else "022", operation)
        if evse:
            differently = json.dumps(twice).replace('"DE*ABC*E1234*1"', '"deabce12341"', 1).encode()
            is_refused(await target.partner.post(path_of(operation), differently), 200, "018", operation)


@pytest.mark.parametrize("action", ["fullLoad", "insert", "update", "delete"])
@pytest.mark.parametrize("operation", rows(PUSH_EVSE_DATA, PUSH_EVSE_STATUS, PUSH_EVSE_PRICING))
async def test_an_evse_of_another_operator_is_refused(operation: AnyOperation, action: str, target: Target) -> None:
    body = json.dumps(push(operation, action, 5, 6)).replace("DE*ABC*E777*6", "DE*XYZ*E777*6").encode()
    async with target.unchanged():
        is_refused(await target.partner.post(path_of(operation), body), 200, "018", operation)


@pytest.mark.parametrize("action", ["fullLoad", "insert", "update", "delete"])
async def test_a_contract_of_another_provider_is_refused(action: str, target: Target) -> None:
    body = push(PUSH_AUTHENTICATION_DATA, action, 5)
    records = body["ProviderAuthenticationData"]["AuthenticationDataRecord"]
    records.append({"Identification": {"PlugAndChargeIdentification": {"EvcoID": FOREIGN_EVCO_ID}}})
    async with target.unchanged():
        reply = await target.partner.post(path_of(PUSH_AUTHENTICATION_DATA), body)
        is_refused(reply, 200, "019", PUSH_AUTHENTICATION_DATA)


@pytest.mark.parametrize("operation", rows(*KNOWN_PUSHES))
async def test_an_unknown_action_is_refused(operation: AnyOperation, target: Target) -> None:
    async with target.unchanged():
        for action in ("upsert", "", "FULLLOAD"):
            reply = await target.partner.post(path_of(operation), push(operation, action, 0, 1))
            is_refused(reply, 400, "022", operation)


async def test_authentication_data_is_not_handed_out_to_whom_it_is_not_meant_for(target: Target) -> None:
    async with target.unchanged():
        reply = await target.partner.post(path_of(PULL_AUTHENTICATION_DATA), sample(PULL_AUTHENTICATION_DATA))
        is_refused(reply, 200, "210", PULL_AUTHENTICATION_DATA)


# Afterwards.


async def test_after_all_of_this_the_node_serves(target: Target) -> None:
    assert not target.process.has_ended
    session_id = "b2688855-7f00-0002-6d8e-000000000099"
    started = await succeeds(target.partner, AUTHORIZE_START, start(session_id))
    assert started.members["AuthorizationStatus"] == "Authorized"
    await succeeds(target.partner, AUTHORIZE_STOP, of_session(AUTHORIZE_STOP, session_id))
    await succeeds(target.partner, CHARGE_DETAIL_RECORD, of_session(CHARGE_DETAIL_RECORD, session_id))
    await succeeds(target.partner, PUSH_EVSE_DATA, push(PUSH_EVSE_DATA, "fullLoad", 0, 1))
    pulled = await target.partner.post(path_of(PULL_EVSE_DATA), sample(PULL_EVSE_DATA), headers=JSON)
    assert (pulled.status, pulled.code) == (200, "000")
    await until(lambda: pulled.headers["Process-ID"] in target.log())
