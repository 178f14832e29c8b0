"""The virtual EMP lets its own drivers charge, and refuses everybody else for the reason the status codes name."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bcrypt
import pytest

from p2pnode.backends.commands import CommandError
from p2pnode.backends.virtual_emp import VirtualEmpBackend
from p2pnode.config.virtual import VirtualDriver, VirtualEmp
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeStart, AuthorizeStop
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.notifications import ChargingNotificationProgress
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.scalars import ActionType

SESSION = "b2688855-7f00-0002-6d8e-48d883f6abb6"
BODY = b"{}"
DRIVERS = (
    VirtualDriver(name="card", uid="04A1B2C3D4E580"),
    VirtualDriver(name="code", evco_id="DE-ABC-C00000001-1", pin="4711"),
    VirtualDriver(name="car", evco_id="DE-ABC-C00000002-2", plug_and_charge=True),
    VirtualDriver(name="locked", uid="04A1B2C3D4E581", evco_id="DE-ABC-C00000003-3", pin="1", locked=True),
)
Sent = list[tuple[str, OicpModel]]


def emp(sent: Sent | None = None) -> VirtualEmpBackend:
    async def send(operation: AnyOperation, message: OicpModel, *, to: str | None = None) -> Any:  # noqa: ANN401 - any answer
        assert to is None
        assert sent is not None
        sent.append((operation.name, message))
        return acknowledge(message, session_id=SESSION)

    return VirtualEmpBackend(VirtualEmp(drivers=DRIVERS), ["DE-ABC"], send)


def start(option: str, **members: object) -> AuthorizeStart:
    identification = Identification.model_validate({option: members})
    return AuthorizeStart(operator_id="DE*XYZ", evse_id="DE*XYZ*E1", identification=identification)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (start("RFIDMifareFamilyIdentification", UID="04A1B2C3D4E580"), "000"),
        (start("RFIDMifareFamilyIdentification", UID="04a1b2c3d4e580"), "000"),
        (start("RFIDMifareFamilyIdentification", UID="04FFFFFFFFFF80"), "102"),
        (start("RFIDMifareFamilyIdentification", UID="04A1B2C3D4E581"), "200"),
        (start("QRCodeIdentification", EvcoID="DE*ABC*C00000001*1", PIN="4711"), "000"),
        (start("QRCodeIdentification", EvcoID="DE-ABC-C00000001-1", PIN="4712"), "101"),
        (start("QRCodeIdentification", EvcoID="DE-ABC-C00000001-1"), "101"),
        (start("QRCodeIdentification", EvcoID="DE-ABC-C00000009-9", PIN="4711"), "101"),
        (start("PlugAndChargeIdentification", EvcoID="DE-ABC-C00000002-2"), "000"),
        (start("PlugAndChargeIdentification", EvcoID="DE-ABC-C00000001-1"), "105"),
        (start("PlugAndChargeIdentification", EvcoID="DE-ABC-C00000009-9"), "105"),
        (start("RemoteIdentification", EvcoID="DE-ABC-C00000002-2"), "000"),
    ],
)
async def test_each_driver_gets_the_answer_of_the_contract(request_: AuthorizeStart, code: str) -> None:
    answer = await emp().authorize_start(request_, BODY)
    assert (answer.authorized, answer.status_code.code) == (code == "000", code)
    stop = AuthorizeStop(session_id=SESSION, operator_id="DE*XYZ", identification=request_.identification)
    assert (await emp().authorize_stop(stop, BODY)).status_code.code == code


async def test_an_account_follows_the_session_to_its_settlement() -> None:
    backend = emp()
    at = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    who = Identification.model_validate({"RemoteIdentification": {"EvcoID": "DE-ABC-C00000002-2"}})
    progress = ChargingNotificationProgress(
        type="Progress",
        session_id=SESSION,
        evse_id="DE*XYZ*E1",
        operator_id="DE*XYZ",
        charging_start=at,
        event_occurred=at,
        consumed_energy_progress=Decimal("1.250"),
    )
    await backend.charging_notification(progress, BODY)
    (account,) = (await backend.commands.run("sessions", {}))["sessions"]
    assert (account["energy"], account["settled"], account["notifications"]) == ("1.250", False, ["Progress"])
    record = ChargeDetailRecord(
        session_id=SESSION.upper(),
        evse_id="DE*XYZ*E1",
        identification=who,
        charging_start=at,
        charging_end=at,
        session_start=at,
        session_end=at,
        consumed_energy=Decimal("2.500"),
    )
    assert (await backend.charge_detail_record(record, BODY, "DE*XYZ")).result
    (account,) = (await backend.commands.run("sessions", {}))["sessions"]
    assert (account["energy"], account["settled"]) == ("2.500", True)


async def test_what_is_published_holds_no_pin_in_clear_and_no_locked_contract() -> None:
    message = await emp().authentication_data(ActionType.FULL_LOAD)
    data = message.provider_authentication_data
    assert data.provider_id == "DE-ABC"
    assert "4711" not in str(message.wire())
    contracts = [record.identification for record in data.authentication_data_record]
    assert len(contracts) == 3
    code = next(found.qr_code_identification for found in contracts if found.qr_code_identification)
    assert code.hashed_pin is not None
    assert bcrypt.checkpw(b"4711", code.hashed_pin.value.encode())


async def test_the_app_asks_for_its_own_drivers_only() -> None:
    sent: Sent = []
    backend = emp(sent)
    arguments = {"evse_id": "DE*XYZ*E1", "evco_id": "DE*ABC*C00000002*2"}
    told = await backend.commands.run("remote_start", arguments)
    assert (told["result"], told["session_id"]) == (True, SESSION)
    ((name, message),) = sent
    assert name == "AuthorizeRemoteStart"
    assert isinstance(message, AuthorizeRemoteStart)
    assert message.provider_id == "DE-ABC"
    with pytest.raises(CommandError, match="no driver"):
        await backend.commands.run("remote_start", {"evse_id": "DE*XYZ*E1", "evco_id": "DE-ABC-C00000009-9"})


async def test_a_command_that_does_not_exist_or_lacks_an_argument_is_refused_in_words() -> None:
    with pytest.raises(CommandError, match="no command 'fly'"):
        await emp().commands.run("fly", {})
    with pytest.raises(CommandError, match="remote_start: missing, unknown or unusable: evco_id, wings"):
        await emp().commands.run("remote_start", {"evse_id": "DE*XYZ*E1", "wings": 2})
