"""A party of the lab without a node: a plain client and server of OICP, as any system written for a hub is.

It speaks to its hub only. What it sends and receives it tells the wire as nodes do, so that its messages are seen.
"""

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote
from uuid import uuid4

import aiohttp
from aiohttp import web

from p2pnode.config.virtual import VirtualDriver
from p2pnode.lab.messages import push_evse_data, push_evse_status
from p2pnode.lab.parties import Party
from p2pnode.lab.ports import LOOPBACK
from p2pnode.lab.wire import Seen, Wire
from p2pnode.oicp import operations as ops
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.operations import PUSH_LIMIT, AnyOperation
from p2pnode.oicp.paths import select
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.peering.reply import PROCESS_ID_HEADER
from p2pnode.peering.routes import Routes
from p2pnode.pki import Identity
from p2pnode.roaming.background import Background

ENERGY = Decimal("7.25")
"""kWh, what every session at its charge point takes."""
SUCCESS = {"Code": "000"}
ACKNOWLEDGED: Mapping[str, Any] = {"Result": True, "StatusCode": SUCCESS}


@dataclass(frozen=True, slots=True)
class Hub:
    """Where the party reaches everybody: the hub's name and the base of its OICP paths."""

    name: str
    url: str


@dataclass(slots=True)
class _Charge:
    """A session at its charge point."""

    session_id: str
    identification: Mapping[str, Any]
    begun: str


@dataclass(slots=True)
class PlainParty:
    """The party while its context lasts. `identity` is its certificate; None for plain HTTP."""

    party: Party
    port: int
    hub: Hub
    wire: Wire
    identity: Identity | None = None
    accounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """The energy of each of its drivers' sessions, kWh, once its CDR has come."""
    _evse_ids: set[str] = field(default_factory=set[str])
    _charges: dict[str, _Charge] = field(default_factory=dict[str, _Charge])
    _background: Background = field(default_factory=Background)
    _routes: Routes = field(default_factory=lambda: Routes(PUSH_LIMIT))
    _client: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None

    @property
    def name(self) -> str:
        """The party's name."""
        return self.party.name

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._tls(server=False) or True))
        app = web.Application(client_max_size=PUSH_LIMIT)
        app.router.add_post("/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, self.port, ssl_context=self._tls(server=True), reuse_address=True)
        await site.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._background.aclose()
        if self._client is not None:
            await self._client.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _tls(self, *, server: bool) -> ssl.SSLContext | None:
        if self.identity is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(self.identity.certificate_file, self.identity.key_file)
        context.load_verify_locations(self.identity.trust)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    # What the hub brings.

    async def _receive(self, request: web.Request) -> web.Response:
        begun = time.perf_counter()
        message: dict[str, Any] = json.loads(await request.read(), parse_float=Decimal)
        operation = self._operation(request.path, message)
        if operation is None:
            return web.json_response({"Result": False, "StatusCode": {"Code": "022"}}, status=404)
        answer = self._answer(operation, message)
        process_id = request.headers.get(PROCESS_ID_HEADER, "")
        self._note("receive", operation, answer["StatusCode"]["Code"], begun, process_id)
        return web.json_response(answer, headers={PROCESS_ID_HEADER: process_id})

    def _operation(self, path: str, message: Mapping[str, Any]) -> AnyOperation | None:
        found = self._routes.find(path)
        return select(found[0].rows, message) if found is not None else None

    def _answer(self, operation: AnyOperation, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation in {ops.AUTHORIZE_START, ops.AUTHORIZE_STOP}:
            return self._authorize(message)
        if operation is ops.CHARGE_DETAIL_RECORD:
            self.accounts[message["SessionID"]] = Decimal(str(message["ConsumedEnergy"]))
        elif operation is ops.AUTHORIZE_REMOTE_START:
            charge = _Charge(message["SessionID"], message["Identification"], _now())
            self._charges[charge.session_id] = charge
            self._later(charge, begins=True)
        elif operation is ops.AUTHORIZE_REMOTE_STOP:
            if message["SessionID"] not in self._charges:
                return {"Result": False, "StatusCode": {"Code": Code.SESSION_INVALID.value}}
            self._later(self._charges.pop(message["SessionID"]), begins=False)
        elif operation is ops.PUSH_EVSE_DATA:
            records = message["OperatorEvseData"]["EvseDataRecord"]
            self._evse_ids |= {record["EvseID"] for record in records}
        return ACKNOWLEDGED

    def _authorize(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        code = self.party.drivers.code
        shown: Mapping[str, Any] = message["Identification"].get("QRCodeIdentification") or {}
        known = shown.get("EvcoID") == code.evco_id and shown.get("PIN") == code.pin
        answer = {"AuthorizationStatus": "Authorized" if known else "NotAuthorized", "SessionID": message["SessionID"]}
        refusal = {"Code": Code.QR_CODE_INVALID_CREDENTIALS.value}
        return {**answer, "ProviderID": self.party.provider_id, "StatusCode": SUCCESS if known else refusal}

    def _later(self, charge: _Charge, *, begins: bool) -> None:
        self._background.start(self._begin(charge) if begins else self._end(charge), f"{self.name} charging")

    # What it sends.

    async def _send(self, operation: AnyOperation, body: Mapping[str, Any], caller_id: str) -> Mapping[str, Any]:
        """The hub's answer. Raises aiohttp.ClientError."""
        if self._client is None:
            raise RuntimeError("the party is used as a context manager")
        begun, process_id = time.perf_counter(), str(uuid4())
        url = f"{self.hub.url}{operation.url_path(quote(caller_id, safe='*'))}"
        async with self._client.post(url, json=body, headers={PROCESS_ID_HEADER: process_id}) as response:
            answer = cast("dict[str, Any]", await response.json())
        self._note("send", operation, answer["StatusCode"]["Code"], begun, process_id)
        return answer

    def _note(self, verb: str, operation: AnyOperation, code: str, begun: float, process_id: str) -> None:
        ms = (time.perf_counter() - begun) * 1000
        self.wire.note(Seen(self.name, verb, self.hub.name, operation.name, 200, code, ms, process_id))

    async def _begin(self, charge: _Charge) -> None:
        own = self.party.operator_id
        told = {"Type": "Start", "OperatorID": own, "EvseID": self.evse_id, "SessionID": charge.session_id}
        await self._send(ops.CHARGING_NOTIFICATION_START, {**told, "ChargingStart": charge.begun}, own)

    async def _end(self, charge: _Charge) -> None:
        own, now = self.party.operator_id, _now()
        told = {"EvseID": self.evse_id, "SessionID": charge.session_id, "ConsumedEnergy": float(ENERGY)}
        times = {"ChargingStart": charge.begun, "ChargingEnd": now, "SessionStart": charge.begun, "SessionEnd": now}
        await self._send(ops.CHARGING_NOTIFICATION_END, {"Type": "End", "OperatorID": own, **told, **times}, own)
        meter = {"MeterValueStart": 100.0, "MeterValueEnd": 100.0 + float(ENERGY)}
        record = {**told, **times, **meter, "Identification": _without_pin(charge.identification)}
        await self._send(ops.CHARGE_DETAIL_RECORD, record, own)

    # What people do.

    @property
    def evse_id(self) -> str:
        """The EvseID of its charge point."""
        return self.party.points[0].evse_id

    async def publish(self) -> None:
        """Publish the charge point, and its status."""
        own, points = self.party.operator_id, self.party.points
        data = push_evse_data(self.party, ActionType.FULL_LOAD, points)
        await self._send(ops.PUSH_EVSE_DATA, json.loads(encode(data)), own)
        statuses = {point.evse_id: EvseStatusType.AVAILABLE for point in points}
        await self._send(ops.PUSH_EVSE_STATUS, push_evse_status(self.party, ActionType.FULL_LOAD, statuses), own)

    async def has(self, evse_id: str, sender: str) -> bool:
        """Whether the hub, which the sender has to be, has pushed this charge point."""
        return sender == self.hub.name and evse_id in self._evse_ids

    async def plug_in(self) -> None:
        """Nothing is told of it."""

    async def unplug(self) -> None:
        """Nothing is told of it."""

    async def show_code(self, driver: VirtualDriver) -> Mapping[str, Any]:
        """A driver identifies with contract and PIN: starts, or stops what charges here."""
        own = self.party.operator_id
        identification = {"QRCodeIdentification": {"EvcoID": driver.evco_id, "PIN": driver.pin}}
        asked: dict[str, Any] = {"OperatorID": own, "EvseID": self.evse_id, "Identification": identification}
        if self._charges:
            session_id, charge = self._charges.popitem()
            answer = await self._send(ops.AUTHORIZE_STOP, {**asked, "SessionID": session_id}, own)
            self._later(charge, begins=False)
            return _outcome(answer, session_id)
        answer = await self._send(ops.AUTHORIZE_START, asked, own)
        if answer["AuthorizationStatus"] == "Authorized":
            charge = _Charge(answer["SessionID"], identification, _now())
            self._charges[charge.session_id] = charge
            self._later(charge, begins=True)
        return _outcome(answer, answer.get("SessionID"))

    async def remote_start(self, evse_id: str) -> Mapping[str, Any]:
        """A driver starts with the app."""
        own = self.party.provider_id
        identification = {"RemoteIdentification": {"EvcoID": self.party.drivers.app.evco_id}}
        asked = {"ProviderID": own, "EvseID": evse_id, "Identification": identification}
        answer = await self._send(ops.AUTHORIZE_REMOTE_START, asked, own)
        return _outcome(answer, answer.get("SessionID"))

    async def remote_stop(self, session_id: str, evse_id: str) -> Mapping[str, Any]:
        """A driver stops with the app."""
        own = self.party.provider_id
        asked = {"SessionID": session_id, "ProviderID": own, "EvseID": evse_id}
        return _outcome(await self._send(ops.AUTHORIZE_REMOTE_STOP, asked, own), session_id)

    async def energy_of(self, session_id: str) -> Decimal | None:
        """What the driver's account says of a session, kWh; None where no CDR has come."""
        return self.accounts.get(session_id)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _outcome(answer: Mapping[str, Any], session_id: str | None) -> Mapping[str, Any]:
    return {"code": answer["StatusCode"]["Code"], "session_id": session_id}


def _without_pin(identification: Mapping[str, Any]) -> Mapping[str, Any]:
    """The identification as a record may hold it."""
    return {
        kind: {name: value for name, value in members.items() if name != "PIN"}
        for kind, members in identification.items()
    }
