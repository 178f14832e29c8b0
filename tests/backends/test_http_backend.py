"""An own system is called as Hubject would call it, and what it cannot or does not answer is told apart."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from p2pnode.backends.http_backend import HttpCpoBackend, HttpEmpBackend
from p2pnode.config.backend import CpoSection
from p2pnode.config.node import LimitsSection, LogSection
from p2pnode.observe.logs import NodeLog
from p2pnode.oicp import operations as ops
from p2pnode.oicp.codec import read
from p2pnode.oicp.errors import BadStatus, NoAnswer, PeerError, ProtocolError, Unreadable
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.peering.face import process_in_hand
from p2pnode.roaming.asking import OWN_CPO, OWN_EMP
from p2pnode.roaming.records import CallOutcome, Verb
from tests.drop_in_stage import OPERATOR, PROVIDER, sample
from tests.plain_backend import ACKNOWLEDGEMENT, Answer, Got, PlainBackend, authorized

METHODS: dict[AnyOperation, Callable[[Any, Any, bytes, str], Awaitable[Any]]] = {**OWN_CPO, **OWN_EMP}
ROWS = [pytest.param(operation, id=operation.name) for operation in METHODS]
MIB = 1024 * 1024


class Own:
    """A party's own system and the two backends that stand for it."""

    def __init__(self, system: PlainBackend, **settings: object) -> None:
        self.system = system
        self.outcomes: list[CallOutcome] = []
        section = CpoSection.model_validate({"backend": "http", "url": system.url, **settings})
        self.clock = datetime.now(UTC)
        limits, now = LimitsSection(), lambda: self.clock
        self.logged = StringIO()
        log = NodeLog(LogSection(), "own", self.logged).logger
        self.cpo = HttpCpoBackend(section, self.outcomes.append, limits=limits, now=now, log=log)
        self.emp = HttpEmpBackend(section, self.outcomes.append, limits=limits, now=now, log=log)

    async def ask(self, operation: AnyOperation, body: bytes | None = None) -> Any:  # noqa: ANN401 - any answer
        sent = sample(operation) if body is None else body
        backend = self.cpo if operation.callee is Role.CPO else self.emp
        return await METHODS[operation](backend, read(operation.request, sent), sent, OPERATOR)


@pytest.fixture
async def system() -> AsyncIterator[PlainBackend]:
    async with PlainBackend() as running:
        running.answers["stop"] = running.answers["start"] = authorized(PROVIDER, Result=True)
        yield running


@pytest.fixture
async def own(system: PlainBackend) -> AsyncIterator[Own]:
    made = Own(system, deadline=5)
    async with made.cpo, made.emp:
        yield made


@pytest.mark.parametrize("operation", ROWS)
async def test_every_operation_is_called_at_its_path_with_the_bytes_that_came(
    own: Own, operation: AnyOperation
) -> None:
    token = process_in_hand.set("process-1")
    answer = await own.ask(operation)
    process_in_hand.reset(token)
    assert isinstance(answer, operation.answer)
    path = operation.url_path(OPERATOR if operation.caller is Role.CPO else PROVIDER)
    assert own.system.got == [Got(path, sample(operation), "process-1")]
    (outcome,) = own.outcomes
    assert (outcome.operation, outcome.verb, outcome.peer) == (operation.name, Verb.SEND, "backend")
    assert (outcome.http, outcome.code, outcome.process_id) == (200, "000", "process-1")


def test_every_method_of_both_ports_is_tried_here() -> None:
    assert len(ROWS) == 11


async def test_a_message_that_nobody_waits_for_gets_a_process_id_of_its_own(own: Own) -> None:
    await own.ask(ops.CHARGE_DETAIL_RECORD)
    await own.ask(ops.CHARGE_DETAIL_RECORD)
    first, second = (got.process_id for got in own.system.got)
    assert len(first) == 36
    assert first != second


def _text(status: int, text: str = "7568290FFF765F is unknown") -> Answer:
    return Answer(status, text.encode(), content_type="text/plain")


def _coded(status: int, code: str) -> Answer:
    body = f'{{"Result":false,"StatusCode":{{"Code":"{code}","AdditionalInfo":"maintenance"}}}}'
    return Answer(status, body.encode())


INVALID = Answer(400, b'{"message":"Error","validationErrors":[{"fieldReference":"EvseID","errorMessage":"unknown"}]}')


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (_text(404), "320", "our own system does not offer AuthorizeRemoteStart"),
        (_text(405), "320", "our own system does not offer AuthorizeRemoteStart"),
        (_coded(501, "021"), "320", "our own system does not offer AuthorizeRemoteStart"),
        (_text(401), "320", "our own system answered HTTP 401"),
        (_text(302), "320", "our own system answered HTTP 302"),
        (_coded(503, "021"), "021", "maintenance"),
        (INVALID, "022", "EvseID: unknown"),
    ],
)
async def test_a_backend_that_did_nothing_refuses_for_the_reason_a_partner_understands(
    own: Own, answer: Answer, code: str, told: str
) -> None:
    own.system.answers["start"] = answer
    with pytest.raises(ProtocolError) as refused:
        await own.ask(ops.AUTHORIZE_REMOTE_START)
    assert refused.value.code.value == code
    assert told in refused.value.reason


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_text(500), BadStatus),
        (_text(502, ""), BadStatus),
        (_text(200), Unreadable),
        (Answer(200, b""), Unreadable),
        (Answer(200, b"[" * 1000), Unreadable),
        (Answer(200, b'{"AuthorizationStatus":"Authorized"}'), Unreadable),
        (Answer(200, b" " * (MIB + 1)), Unreadable),
    ],
)
async def test_after_nonsense_or_an_error_of_the_backend_nobody_knows_what_it_did(
    own: Own, answer: Answer, error: type[PeerError]
) -> None:
    own.system.answers["start"] = answer
    with pytest.raises(error) as failed:
        await own.ask(ops.AUTHORIZE_REMOTE_START)
    assert failed.value.code.value == "320"


async def test_a_backend_that_is_down_is_320_and_after_its_return_is_asked_again(own: Own) -> None:
    await own.ask(ops.AUTHORIZE_REMOTE_START)
    await own.system.hang_up()
    with pytest.raises(ProtocolError) as refused:
        await own.ask(ops.AUTHORIZE_REMOTE_START)
    assert (refused.value.code.value, refused.value.reason) == ("320", "our own system cannot be reached")
    await own.system.listen()
    assert (await own.ask(ops.AUTHORIZE_REMOTE_START)).result


async def test_a_backend_that_is_slow_is_310_and_asked_once(system: PlainBackend) -> None:
    own = Own(system, deadline=0.1)
    system.released.clear()
    async with own.cpo, own.emp:
        with pytest.raises(NoAnswer) as failed:
            await own.ask(ops.AUTHORIZE_REMOTE_START)
    assert failed.value.code.value == "310"
    assert len(system.got) == 1
    assert [(outcome.http, outcome.code) for outcome in own.outcomes] == [(0, "310")]


async def test_a_backend_without_a_certificate_the_machine_trusts_is_320(system: PlainBackend) -> None:
    own = Own(system, url=system.url.replace("http:", "https:"))
    async with own.cpo, own.emp:
        with pytest.raises(ProtocolError, match="cannot be reached"):
            await own.ask(ops.AUTHORIZE_START)
    assert "backend_failed" in own.logged.getvalue()


@pytest.mark.parametrize("answer", [_text(404), _text(405), _coded(501, "021")])
async def test_a_system_that_takes_no_notifications_is_sent_none_for_a_while(own: Own, answer: Answer) -> None:
    async def told() -> Any:  # noqa: ANN401 - of the answer
        assert (await own.ask(ops.CHARGING_NOTIFICATION_START)).result
        return (await own.ask(ops.CHARGING_NOTIFICATION_END)).status_code.additional_info

    own.system.answers["charging-notifications"] = answer
    for _ in range(2):
        assert await told() == "our own system takes no notifications"
        own.clock += timedelta(minutes=10)
    assert len(own.system.got) == 2
    assert own.logged.getvalue().count("warning") == 1
    assert own.emp.warnings()
    assert await told() == "our own system takes no notifications"
    own.system.answers["charging-notifications"] = Answer(200, ACKNOWLEDGEMENT)
    await own.emp.reload()
    assert await told() is None
    assert not own.emp.warnings()
    own.system.answers["charging-notifications"] = answer
    await own.emp.reload()
    with pytest.raises(PeerError):
        await told()


async def test_what_a_backend_wrote_about_a_driver_is_not_logged(own: Own) -> None:
    for answer in (_text(500), _text(404), _text(200)):
        own.system.answers["start"] = answer
        with pytest.raises((ProtocolError, PeerError)):
            await own.ask(ops.AUTHORIZE_START)
    logged = own.logged.getvalue()
    assert logged.count("backend_failed") == 3
    assert "7568290FFF765F" not in logged
