"""A face over plain HTTP: what reaches its handler, and how everything else is answered."""

import asyncio
import re
from typing import Any

import pytest

from p2pnode import __version__
from p2pnode.config.node import LimitsSection
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.errors import InvalidMessage, NotAllowed, ProtocolError
from p2pnode.oicp.evse_status import PushEvseStatus
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_START,
    BASE_PATH,
    BY_NAME,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_START,
    NOTIFICATION_PATH,
    OPERATIONS,
    PULL_EVSE_DATA,
    PUSH_EVSE_DATA,
    AnyOperation,
    Role,
)
from p2pnode.oicp.status import Code
from p2pnode.peering.reply import PIECE, PROBE_HEADER
from p2pnode.roaming.ports import Received
from p2pnode.roaming.records import Verb
from tests.peering.peering_kit import (
    JSON,
    OPERATOR,
    OTHER,
    PROVIDER,
    Notes,
    Reply,
    face_over,
    hold,
    own_id,
    partner,
    path_of,
    post,
)
from tests.samples import sample, sample_members

ROWS = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]
PLACES = [
    pytest.param(operation, path, id=f"{operation.name} {path}") for operation in OPERATIONS for path in operation.paths
]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.mark.parametrize(("operation", "path"), PLACES)
async def test_every_row_reaches_its_handler_at_every_path(operation: AnyOperation, path: str, notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(operation, path=path), sample(operation))
    assert (reply.status, reply.body) == (200, sample(operation, "answer"))
    (received,) = notes.received
    assert received.operation is operation
    assert isinstance(received.message, operation.request)
    assert received.body == sample(operation)
    assert received.caller_id == own_id(operation)
    assert received.peer.name == "partner"
    assert bool(received.records) is bool(operation.records)
    (outcome,) = notes.outcomes
    assert (outcome.operation, outcome.verb, outcome.peer) == (operation.name, Verb.RECEIVE, "partner")
    assert (outcome.http, outcome.code, outcome.process_id) == (200, "000", reply.headers["Process-ID"])


async def test_records_arrive_as_the_bytes_they_were(notes: Notes) -> None:
    body = sample(PUSH_EVSE_DATA)
    async with face_over(await hold(partner()), notes) as face:
        await post(face.port, path_of(PUSH_EVSE_DATA), body)
    (received,) = notes.received
    assert all(record in body for record in received.records)
    assert received.message.operator_evse_data.evse_data_record == []


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 20 * PIECE + 7])
async def test_a_large_answer_arrives_whole_whatever_pieces_it_is_written_in(size: int, notes: Notes) -> None:
    page = bytes(number % 251 for number in range(size))

    async def answer(_: Received[Any]) -> bytes:
        return page

    async with face_over(await hold(partner()), notes, receive=answer) as face:
        reply = await post(face.port, path_of(PULL_EVSE_DATA), sample(PULL_EVSE_DATA))
    assert reply.status == 200
    assert reply.body == page


@pytest.mark.parametrize("identifier", ["DE%2AABC", "deabc", "DE*ABC", "%44E*ABC"])
async def test_ids_in_the_path_may_be_spelled_and_quoted_differently(identifier: str, notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START, identifier), sample(AUTHORIZE_START))
    assert reply.status == 200
    assert len(notes.received) == 1


def _with_foreign_id(operation: AnyOperation, identifier: str) -> dict[str, Any] | None:
    """The sample with another id of the caller in its body; None where the body names none."""
    members = sample_members(operation)
    name = "OperatorID" if operation.caller is Role.CPO else "ProviderID"
    inner: list[Any] = [value for value in members.values() if isinstance(value, dict)]
    holders: list[dict[str, Any]] = [members, *inner]
    for holder in holders:
        if isinstance(holder.get(name), str):
            holder[name] = identifier
            return members
    return None


@pytest.mark.parametrize("operation", ROWS)
async def test_an_id_of_somebody_else_is_refused_wherever_it_stands(operation: AnyOperation, notes: Notes) -> None:
    foreign = "DE*XYZ" if operation.caller is Role.CPO else "DE-XYZ"
    in_body = _with_foreign_id(operation, foreign)
    is_in_path = "{" in operation.path
    async with face_over(await hold(partner(), OTHER), notes) as face:
        replies: list[Reply] = []
        if is_in_path and _with_foreign_id(operation, own_id(operation)):
            replies.append(await post(face.port, path_of(operation, foreign), sample(operation)))
        if is_in_path and in_body:
            replies.append(await post(face.port, path_of(operation), in_body))
        if in_body:
            unknown = _with_foreign_id(operation, "DE*QQQ" if operation.caller is Role.CPO else "DE-QQQ")
            replies.append(await post(face.port, path_of(operation), unknown or b""))
        replies.append(await post(face.port, path_of(operation, "DE*QQQ"), in_body or sample(operation)))
    expected = [(200, "017")] * len(replies)
    if not is_in_path:  # in a lab without TLS, whoever gives another peer's id everywhere is that peer
        expected[-1] = (200, "000")
        assert notes.received.pop().peer.name == "other"
    assert [(reply.status, reply.code) for reply in replies] == expected
    assert notes.received == []


async def test_a_hub_may_give_any_id(notes: Notes) -> None:
    async with face_over(await hold(partner(hub=True)), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START, "DE*ZZZ"), sample(AUTHORIZE_START))
    assert reply.status == 200
    assert notes.received[0].caller_id == "DE*ZZZ"


async def test_a_bundled_id_is_never_the_callers_own(notes: Notes) -> None:
    holder = await hold(partner(operators=("DE*HUB",), sub_operators=(OPERATOR,)))
    async with face_over(holder, notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert reply.code == "017"


async def test_a_notification_without_an_id_is_nobodys_over_plain_http(notes: Notes) -> None:
    members = sample_members(CHARGING_NOTIFICATION_START)
    del members["OperatorID"]
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(CHARGING_NOTIFICATION_START), members)
    assert (reply.status, reply.code) == (200, "017")


async def test_what_is_not_offered_is_refused_with_320(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes, offered=[PULL_EVSE_DATA]) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert (reply.status, reply.code) == (200, "320")
    assert reply.members["AuthorizationStatus"] == "NotAuthorized"


async def test_our_own_words_of_a_refusal_are_told_and_those_of_others_are_not(notes: Notes) -> None:
    reasons: list[ProtocolError] = [
        NotAllowed(Code.UNAUTHORIZED_ACCESS, "not an id of its"),
        ProtocolError(Code.UNAUTHORIZED_ACCESS, "Ada may not"),
    ]

    async def refuse(_: Received[Any]) -> OicpModel:
        raise reasons.pop(0)

    async with face_over(await hold(partner()), notes, receive=refuse) as face:
        for _ in range(2):
            await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert [outcome.detail for outcome in notes.outcomes] == ["not an id of its", ""]


@pytest.mark.parametrize(
    ("body", "headers", "probes"),
    [(b"[]", {PROBE_HEADER: "1"}, 1), (b"[]", {}, 0), (b"[1]", {PROBE_HEADER: "1"}, 0)],
)
async def test_only_what_says_so_and_is_no_message_is_a_probe(
    notes: Notes, body: bytes, headers: dict[str, str], probes: int
) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), body, headers=JSON | headers)
    assert (reply.status, reply.code) == (400, "022")
    assert (len(notes.probes), len(notes.outcomes)) == (probes, 1 - probes)


async def test_a_message_that_calls_itself_a_probe_is_a_message(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        headers = JSON | {PROBE_HEADER: "1"}
        await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START), headers=headers)
        await post(face.port, path_of(AUTHORIZE_START, "XX*NOT"), sample(AUTHORIZE_START), headers=headers)
    assert (notes.probes, [outcome.code for outcome in notes.outcomes]) == ([], ["000", "017"])


async def test_a_disabled_peer_is_nobody(notes: Notes) -> None:
    async with face_over(await hold(partner(enabled=False)), notes) as face:
        assert (await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))).code == "017"


async def test_a_peer_of_dialect_wwcp_gets_the_same_with_http_200(notes: Notes) -> None:
    async with face_over(await hold(partner(dialect="wwcp")), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), b'{"OperatorID": "DE*ABC"}')
    assert (reply.status, reply.code, reply.members["Result"]) == (200, "022", False)
    assert notes.outcomes[0].http == 200


async def test_a_notification_of_an_unknown_type_is_refused(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        for body in (b'{"Type": "Pause", "OperatorID": "DE*ABC"}', b"[]", b"nothing"):
            reply = await post(face.port, BASE_PATH + NOTIFICATION_PATH, body)
            assert (reply.status, reply.code) == (400, "022")
    assert [outcome.operation for outcome in notes.outcomes] == ["", "", ""]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/oicp",
        "/api/oicp/charging/v21/operators//authorize/start",
        "/api/oicp/charging/v21/operators/DE*ABC/authorize/start/",
        "/api/oicp/charging/v21/operators/DE*ABC/authorize",
        "/api/oicp/charging/v21/providers/DE*ABC/authorize/start",
        "/api/oicp/" + "x/" * 3000,
        "/api/oicp/charging/v21/operators/DE*ABC/authorize/../authorize/start",
    ],
)
async def test_an_unknown_path_is_answered_with_404(path: str, notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path, sample(AUTHORIZE_START))
    assert (reply.status, reply.code, reply.members["Result"]) == (404, "022", False)


async def test_the_target_may_be_a_whole_url(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        url = f"http://localhost:{face.port}{path_of(AUTHORIZE_START)}"
        assert (await post(face.port, url, sample(AUTHORIZE_START))).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_is_answered_with_405(method: str, notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), b"", method=method)
    assert (reply.status, reply.code, reply.headers["Allow"]) == (405, "022", "POST")


async def test_a_process_id_is_echoed_and_a_missing_or_strange_one_replaced(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        replies = [
            await post(face.port, path, body, headers={**JSON, **extra})
            for path, body in ((path_of(AUTHORIZE_START), sample(AUTHORIZE_START)), ("/nowhere", b""))
            for extra in ({"Process-ID": "my-id.1"}, {}, {"Process-ID": "a b"}, {"Process-ID": "x" * 65})
        ]
    ids = [reply.headers["Process-ID"] for reply in replies]
    assert ids[0] == ids[4] == "my-id.1"
    assert all(UUID.fullmatch(text) for number, text in enumerate(ids) if number % 4)
    assert ids == [outcome.process_id for outcome in notes.outcomes]
    assert {reply.headers["Server"] for reply in replies} == {f"p2pnode/{__version__}"}
    assert all("GMT" in reply.headers["Date"] for reply in replies)


async def test_a_refusal_of_the_handler_is_the_operations_own_answer(notes: Notes) -> None:
    async def refuse(received: Received[Any]) -> bytes:
        raise ProtocolError(Code.RFID_INVALID_UID, f"not for {received.peer.name}")

    async with face_over(await hold(partner()), notes, receive=refuse) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert (reply.status, reply.code) == (200, "102")
    assert reply.members["AuthorizationStatus"] == "NotAuthorized"
    assert reply.members["SessionID"] == sample_members(AUTHORIZE_START)["SessionID"]
    assert notes.outcomes[0].code == "102"


async def test_a_message_the_handler_finds_invalid_is_a_400(notes: Notes) -> None:
    async def refuse(received: Received[Any]) -> bytes:
        raise InvalidMessage(f"{received.operation.name} is wrong")

    async with face_over(await hold(partner()), notes, receive=refuse) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert (reply.status, reply.code) == (400, "022")


async def test_an_answer_may_be_a_message(notes: Notes) -> None:
    async def answer(received: Received[Any]) -> object:
        return acknowledge(received.message, Code.EVSE_ALREADY_IN_USE)

    async with face_over(await hold(partner()), notes, receive=answer) as face:
        reply = await post(face.port, path_of(AUTHORIZE_REMOTE_START), sample(AUTHORIZE_REMOTE_START))
    assert (reply.status, reply.code, notes.outcomes[0].code) == (200, "602", "602")


async def test_our_own_failure_is_021_and_tells_no_more_than_the_process(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(received: Received[Any]) -> bytes:
        raise KeyError(received.operation.name)

    async with face_over(await hold(partner()), notes, receive=fail) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert (reply.status, reply.code) == (200, "021")
    assert reply.headers["Process-ID"] in reply.members["StatusCode"]["AdditionalInfo"]
    assert b"KeyError" not in reply.body
    assert "KeyError" in caplog.text
    assert reply.headers["Process-ID"] in caplog.text


async def test_a_failure_over_a_message_logs_no_medium(notes: Notes, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(received: Received[Any]) -> object:
        return PushEvseStatus.model_validate({"ActionType": received.message.wire()["Identification"]})

    async with face_over(await hold(partner()), notes, receive=fail) as face:
        assert (await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))).code == "021"
    assert "ValidationError" in caplog.text
    assert "7568290FFF765F" not in caplog.text


async def test_a_handler_that_takes_too_long_is_answered_for_with_310(notes: Notes) -> None:
    cancelled = asyncio.Event()

    async def hang(received: Received[Any]) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return received.body

    limits = LimitsSection(answer_seconds=0.05)
    async with face_over(await hold(partner()), notes, receive=hang, limits=limits) as face:
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert (reply.status, reply.code) == (200, "310")
    assert cancelled.is_set()


async def test_the_card_is_open_to_anyone(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes, offered=[AUTHORIZE_START, CHARGE_DETAIL_RECORD]) as face:
        card = await post(face.port, "/.well-known/oicp-node", b"", method="GET", headers={})
        wrong = await post(face.port, "/.well-known/oicp-node", b"{}")
    assert card.members == {
        "name": "node",
        "operators": ["DE*OWN"],
        "providers": ["DE-OWN"],
        "roles": ["CPO", "EMP"],
        "base_path": "/api/oicp",
        "operations": {"AuthorizeStart": "v21", "ChargeDetailRecord": "v22"},
        "dialect": "oicp",
        "url": f"http://127.0.0.1:{face.port}/api/oicp",
        "software": "p2pnode",
        "version": __version__,
    }
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, HEAD")
    assert notes.outcomes == []


async def test_a_peer_that_is_added_is_known_at_once(notes: Notes) -> None:
    holder = await hold()
    async with face_over(holder, notes) as face:
        before = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
        await holder.replace((await hold(partner())).current())
        after = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
    assert (before.code, after.code) == ("017", "000")


def test_the_samples_name_the_ids_these_tests_use() -> None:
    assert sample_members(BY_NAME["AuthorizeStart"])["OperatorID"] == OPERATOR
    assert sample_members(BY_NAME["PullEvseData"])["ProviderID"] == PROVIDER


async def test_the_reason_of_a_refusal_has_our_own_words_and_none_of_a_partners(notes: Notes) -> None:
    async def refuse(_received: Received[Any]) -> OicpModel:
        raise ProtocolError(Code.RFID_INVALID_UID, "04A2B3C4 of Ada Lovelace is lost")

    async with face_over(await hold(partner()), notes, receive=refuse) as face:
        await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START))
        await post(face.port, path_of(AUTHORIZE_START, "DE*XYZ"), sample(AUTHORIZE_START))
    assert [outcome.reason for outcome in notes.outcomes] == [
        "RFID Authentication failed - invalid UID.",
        "Unauthorized Access. 'DE*XYZ' is no peer's id.",
    ]
