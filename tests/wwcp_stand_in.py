"""A partner as WWCP_OICP is one: its own paths, strict about what it needs, and its own way of answering.

A status line ends in a bare line feed and every answer closes its connection, failures lack `Result`, numbers come as
texts, absent members as null, and pages tell nothing about themselves.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qs, urlsplit

from p2pnode.oicp import operations as ops
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.operations import BASE_PATH, OPERATIONS, AnyOperation, Role
from p2pnode.oicp.paths import select
from tests.samples import SAMPLES

OPERATOR = "DE*WCP"
PROVIDER = "DE-WCP"
RESERVATION = "/charging/v21/providers/{providerID}/authorize-remote-reservation/"
OWN_PATHS = {
    ops.PULL_EVSE_STATUS_BY_ID: "/evsepull/v21/providers/{providerID}/status-records-by-id",
    ops.PULL_EVSE_STATUS_BY_OPERATOR_ID: "/evsepull/v21/providers/{providerID}/status-records-by-operator-id",
    ops.AUTHORIZE_REMOTE_RESERVATION_START: f"{RESERVATION}start",
    ops.AUTHORIZE_REMOTE_RESERVATION_STOP: f"{RESERVATION}stop",
}
PAGES = 3
ENERGIES = ("MeterValueStart", "MeterValueEnd", "ConsumedEnergy", "ConsumedEnergyProgress")
Members = dict[str, Any]


def sample(operation: AnyOperation, kind: str) -> Members:
    """The members of a sample, with the stand-in in the part of the other party."""
    text = SAMPLES[f"{operation.name}.{kind}"].decode()
    ours = operation.caller is Role.CPO
    old, new = ("DE-DCB", PROVIDER) if ours else ("DE*ABC", OPERATOR)
    members: Members = json.loads(text.replace(old, new))
    return members


def with_numbers_as_texts(value: object) -> Any:  # noqa: ANN401 - JSON
    """The value as this partner writes it: every number a text."""
    if isinstance(value, dict):
        members = cast("Members", value)
        return {name: with_numbers_as_texts(member) for name, member in members.items()}
    if isinstance(value, list):
        return [with_numbers_as_texts(element) for element in cast("list[object]", value)]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _need(members: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if members.get(name) in (None, ""):
            raise ValueError(f"The given JSON has no valid {name}!")


def _cards(value: object) -> None:
    """Every UID in upper case."""
    if isinstance(value, dict):
        members = cast("Members", value)
        uid = str(members.get("UID", ""))
        if uid != uid.upper():
            raise ValueError("The given UID is invalid!")
        for member in members.values():
            _cards(member)
    elif isinstance(value, list):
        for element in cast("list[object]", value):
            _cards(element)


def _anything(_: Members) -> None:
    """It is not strict about this."""


def _evse_data(members: Members) -> None:
    block = members["OperatorEvseData"]
    _need(block, "OperatorID", "OperatorName")
    for record in block["EvseDataRecord"]:
        _need(record, "EvseID", "OperatorID", "OperatorName")


def _evse_status(members: Members) -> None:
    _need(members["OperatorEvseStatus"], "OperatorID", "OperatorName")


def _availability(records: list[Members]) -> None:
    for record in records:
        for times in record["ProductAvailabilityTimes"]:
            _need(times["Period"], "begin", "end")
            _need(times, "on")


def _products(members: Members) -> None:
    data = members["PricingProductData"]
    _provider(data)
    _availability(data["PricingProductDataRecords"])


def _provider(members: Members) -> None:
    if members["ProviderID"] == "*":
        raise ValueError("The given provider identification '*' is invalid!")


def _evse_pricing(members: Members) -> None:
    for record in members["EVSEPricing"]:
        _provider(record)


def _notification(members: Members) -> None:
    _need(members, "SessionID", "Identification", "EvseID")
    for name in ENERGIES:
        if not isinstance(members.get(name, ""), str):
            raise ValueError(f"{name} is not a text!")  # noqa: TRY004 - what it says is all that is wanted of it
    between = members.get("MeterValueInBetween", {"meterValues": []})
    if not all(isinstance(value, str) for value in between["meterValues"]):
        raise ValueError("meterValues are not texts!")


def _notification_end(members: Members) -> None:
    _notification(members)
    _need(members, "ChargingStart", "ChargingEnd")


def _get_cdrs(members: Members) -> None:
    if not isinstance(members.get("OperatorID", []), list):
        raise ValueError("OperatorID is not a list!")  # noqa: TRY004 - as above


STRICT: Mapping[AnyOperation, Callable[[Members], None]] = {
    ops.PUSH_EVSE_DATA: _evse_data,
    ops.PUSH_EVSE_STATUS: _evse_status,
    ops.PUSH_PRICING_PRODUCT_DATA: _products,
    ops.PUSH_EVSE_PRICING: _evse_pricing,
    ops.CHARGING_NOTIFICATION_START: _notification,
    ops.CHARGING_NOTIFICATION_PROGRESS: _notification,
    ops.CHARGING_NOTIFICATION_END: _notification_end,
    ops.CHARGING_NOTIFICATION_ERROR: _notification,
    ops.GET_CHARGE_DETAIL_RECORDS: _get_cdrs,
}


def strict_about(operation: AnyOperation, members: Members) -> None:
    """Raise ValueError, KeyError or TypeError where a request is not as this partner needs it."""
    _cards(members)
    STRICT.get(operation, _anything)(members)


def _own_answer(operation: AnyOperation, request: Members, page: int) -> Members:
    if operation.answer is Acknowledgement:
        return {"Result": True, "StatusCode": {"Code": "000", "Description": None}, "SessionID": None}
    answer: Members = sample(operation, "answer")
    if operation in {ops.AUTHORIZE_START, ops.AUTHORIZE_STOP}:
        answer |= {"SessionID": request["SessionID"], "AuthorizationStopIdentifications": None}
    if operation is ops.PULL_PRICING_PRODUCT_DATA:
        products = answer.pop("PricingProductData")
        for record in products[0]["PricingProductDataRecords"]:
            for times in record["ProductAvailabilityTimes"]:
                times["Period"] = times.pop("Periods")[0]
        return {"OperatorPricingProducts": products, "StatusCode": None}
    if operation is ops.PULL_EVSE_PRICING:
        del answer["EVSEPricing"]
    if operation is ops.PULL_EVSE_STATUS_BY_ID:
        answer["EVSEStatusRecords"]["EvseStatusRecord"][1]["EvseStatus"] = "EVSENotFound"
    if operation is ops.PULL_EVSE_DATA:
        record = answer["content"][0] | {"deltaType": None, "lastUpdate": None}
        evse_ids = [f"{OPERATOR}*E{1234 + page}*{number + 1}" for number in range(2 if page + 1 < PAGES else 1)]
        return {"content": [record | {"EvseID": evse_id} for evse_id in evse_ids]}
    if operation is ops.GET_CHARGE_DETAIL_RECORDS:
        return {"content": answer["content"]}
    return answer


@dataclass
class StandIn:
    """The partner. `requests` keeps what it took, by operation, and `refused` what it refused and why."""

    broken_build: bool = False
    port: int = 0
    requests: dict[AnyOperation, list[Members]] = field(default_factory=dict[AnyOperation, list[Members]])
    refused: list[str] = field(default_factory=list[str])
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its OICP base."""
        return f"http://127.0.0.1:{self.port}{BASE_PATH}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:"))
        body = await reader.readexactly(length)
        answer = self._answer(head.split(" ", 2)[1], body)
        text = json.dumps(with_numbers_as_texts(answer)).encode()
        # the line feed without a carriage return is what this partner sends
        writer.write(b"HTTP/1.1 200 OK\nServer: WWCP\r\nContent-Type: application/json; charset=utf-8\r\n")
        writer.write(b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _answer(self, target: str, body: bytes) -> Members:
        url = urlsplit(target)
        if self.broken_build:
            return self._failure("021", "The URL parameter could not be parsed!")
        members: Members = json.loads(body)
        rows = tuple(
            row
            for row in OPERATIONS
            if url.path
            == BASE_PATH
            + OWN_PATHS.get(row, row.path).replace("{operatorID}", "DE*ABC").replace("{providerID}", "DE-DCB")
        )
        operation = select(rows, members) if rows else None
        if operation is None:
            return self._failure("022", f"nothing is at {url.path}")
        try:
            strict_about(operation, members)
        except (ValueError, KeyError, TypeError) as error:
            return self._failure("022", f"{operation.name}: {type(error).__name__} {error}")
        self.requests.setdefault(operation, []).append(members)
        return _own_answer(operation, members, int(parse_qs(url.query).get("page", ["0"])[0]))

    def _failure(self, code: str, told: str) -> Members:
        """A failure as this partner tells it: without Result."""
        self.refused.append(told)
        return {"StatusCode": {"Code": code, "Description": None, "AdditionalInfo": told}}


async def post(port: int, path: str, members: Members) -> tuple[int, Members]:
    """A request as this partner sends it, with numbers as texts, on a connection of its own; status and answer."""
    body = json.dumps(with_numbers_as_texts(members)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json; charset=utf-8\r\n"
            b"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body))
        )
        writer.write(body)
        head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    return int(head.split()[1]), json.loads(content)
