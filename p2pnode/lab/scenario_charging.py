"""Drivers of an EMP charge at a CPO: with a card, a code, a car that names itself, an app; and are refused."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from p2pnode.config.virtual import VirtualChargePoint
from p2pnode.lab.stage import CAPACITY, Actor, Checks, Crossing, Stage
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_RESERVATION_STOP,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    AUTHORIZE_START,
    AUTHORIZE_STOP,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_ERROR,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    PUSH_EVSE_STATUS,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import SessionState

RESERVED_MINUTES = 60
ERROR_INFO = "The latch of the plug does not close."


async def charge_with_card(stage: Stage, cpo: Actor, emp: Actor) -> None:
    """AuthorizeStart with a card, notifications, AuthorizeStop with the same card, CDR."""
    driver, point = emp.party.drivers.card, cpo.party.points[0]
    stage.begin(f"{driver.name} ({emp.name}) charges with a card at {point.name} ({cpo.name})")
    await _plug_in(stage, cpo, emp, point)
    begin = Crossing(AUTHORIZE_START, cpo, emp), *_beginning(cpo, emp)
    async with stage.step("holds the card to the reader", *begin) as checks:
        started = await cpo.at_point("swipe", point, uid=driver.uid)
        await _require_started(checks, started, emp)
    async with stage.step("the meter runs", Crossing(CHARGING_NOTIFICATION_PROGRESS, cpo, emp)) as checks:
        await checks.crossed()
        checks.that("energy has been told", holds=(await emp.session(started["session_id"]))["energy"] > 0)
    async with stage.step(
        "holds the card to the reader again", Crossing(AUTHORIZE_STOP, cpo, emp), *_ending(cpo, emp)
    ) as checks:
        stopped = await cpo.at_point("swipe", point, uid=driver.uid)
        checks.equal("code", Code.SUCCESS, stopped["code"])
        checks.equal("session", started["session_id"], stopped["session_id"])
        await _require_settled(checks, cpo, emp, started["session_id"])
    await _unplug(stage, cpo, emp, point)


async def refuse_strangers(stage: Stage, cpo: Actor, emp: Actor) -> None:
    """AuthorizeStart with a card nobody knows, a wrong PIN, a locked contract."""
    drivers, point = emp.party.drivers, cpo.party.points[1]
    stage.begin(f"Three drivers who may not charge at {point.name} ({cpo.name})")
    await _plug_in(stage, cpo, emp, point)
    attempts: tuple[tuple[str, Code, str, dict[str, object]], ...] = (
        ("a card that nobody has issued", Code.RFID_INVALID_UID, "swipe", {"uid": emp.party.stranger}),
        (
            f"{drivers.code.name} mistypes the PIN",
            Code.QR_CODE_INVALID_CREDENTIALS,
            "show_qr_code",
            {"evco_id": drivers.code.evco_id, "pin": "000000"},
        ),
        (
            f"{drivers.locked.name}'s contract is locked",
            Code.EVCO_ID_LOCKED,
            "show_qr_code",
            {"evco_id": drivers.locked.evco_id, "pin": drivers.locked.pin},
        ),
    )
    for title, code, command, arguments in attempts:
        async with stage.step(title, Crossing(AUTHORIZE_START, cpo, emp, code)) as checks:
            refused = await cpo.at_point(command, point, **arguments)
            checks.equal("authorized", expected=False, came=refused["authorized"])
            checks.equal("code", code, refused["code"])
    await _unplug(stage, cpo, emp, point)


async def charge_with_code(stage: Stage, cpo: Actor, emp: Actor) -> None:
    """AuthorizeStart and AuthorizeStop with a QR code and its PIN."""
    driver, point = emp.party.drivers.code, cpo.party.points[1]
    stage.begin(f"{driver.name} ({emp.name}) charges with a QR code and PIN at {point.name} ({cpo.name})")
    await _plug_in(stage, cpo, emp, point)
    begin = Crossing(AUTHORIZE_START, cpo, emp), *_beginning(cpo, emp)
    async with stage.step("types the PIN", *begin) as checks:
        started = await cpo.at_point("show_qr_code", point, evco_id=driver.evco_id, pin=driver.pin)
        await _require_started(checks, started, emp)
    async with stage.step("types it again", Crossing(AUTHORIZE_STOP, cpo, emp), *_ending(cpo, emp)) as checks:
        stopped = await cpo.at_point("show_qr_code", point, evco_id=driver.evco_id, pin=driver.pin)
        checks.equal("code", Code.SUCCESS, stopped["code"])
        await _require_settled(checks, cpo, emp, started["session_id"])
    await _unplug(stage, cpo, emp, point)


async def charge_by_car(stage: Stage, cpo: Actor, emp: Actor) -> None:
    """Plug&Charge by pushed authentication data: nobody is asked, so no authorization crosses the wire."""
    driver, point = emp.party.drivers.car, cpo.party.points[2]
    stage.begin(f"{driver.name}'s car ({emp.name}) charges by itself at {point.name} ({cpo.name})")
    await _plug_in(stage, cpo, emp, point)
    asked = await _asked(cpo)
    async with stage.step("the car names its contract", *_beginning(cpo, emp)) as checks:
        started = await cpo.at_point("plug_and_charge", point, evco_id=driver.evco_id)
        await checks.crossed()
        await _require_started(checks, started, emp)
    async with stage.step("the car ends the session", *_ending(cpo, emp)) as checks:
        stopped = await cpo.at_point("plug_and_charge", point, evco_id=driver.evco_id)
        checks.equal("code", Code.SUCCESS, stopped["code"])
        checks.equal("authorizations that crossed the wire", asked, await _asked(cpo))
        await _require_settled(checks, cpo, emp, started["session_id"])
    await _unplug(stage, cpo, emp, point)


async def charge_by_app(stage: Stage, emp: Actor, cpo: Actor) -> None:
    """AuthorizeRemoteStart, an error at the charge point, AuthorizeRemoteStop."""
    driver, point = emp.party.drivers.app, cpo.party.points[3]
    stage.begin(f"{driver.name} ({emp.name}) charges with the app at {point.name} ({cpo.name})")
    async with stage.step(
        "starts before the car is plugged in", Crossing(AUTHORIZE_REMOTE_START, emp, cpo, Code.NO_EV_CONNECTED)
    ) as checks:
        refused = await emp.in_app("remote_start", evse_id=point.evse_id, evco_id=driver.evco_id)
        checks.equal("code", Code.NO_EV_CONNECTED, refused["code"])
    await _plug_in(stage, cpo, emp, point)
    begin = Crossing(AUTHORIZE_REMOTE_START, emp, cpo), *_beginning(cpo, emp)
    async with stage.step("starts", *begin) as checks:
        started = await emp.in_app("remote_start", evse_id=point.evse_id, evco_id=driver.evco_id)
        checks.equal("code", Code.SUCCESS, started["code"])
        await checks.crossed()
        session = await emp.session(started["session_id"], SessionState.CHARGING)
        checks.equal(f"state at {emp.name}", SessionState.CHARGING, session["state"])
    async with stage.step("the latch is stuck", Crossing(CHARGING_NOTIFICATION_ERROR, cpo, emp)) as checks:
        await cpo.at_point("fail", point, info=ERROR_INFO)
        told = (await emp.session(started["session_id"]))["history"][-1]
        checks.equal("last in the history", CHARGING_NOTIFICATION_ERROR.name, told["operation"])
        checks.equal("what it says", ERROR_INFO, told["body"]["ErrorAdditionalInfo"])
    async with stage.step("stops", Crossing(AUTHORIZE_REMOTE_STOP, emp, cpo), *_ending(cpo, emp)) as checks:
        stopped = await emp.in_app("remote_stop", session_id=started["session_id"], evse_id=point.evse_id)
        checks.equal("code", Code.SUCCESS, stopped["code"])
        await checks.crossed()
        await _require_settled(checks, cpo, emp, started["session_id"])
    await _unplug(stage, cpo, emp, point)


async def reserve(stage: Stage, emp: Actor, cpo: Actor) -> None:
    """AuthorizeRemoteReservationStart and -Stop; a second reservation meanwhile is refused."""
    driver, point = emp.party.drivers.app, cpo.party.points[4]
    stage.begin(f"{driver.name} ({emp.name}) reserves {point.name} ({cpo.name})")
    wanted = {"evse_id": point.evse_id, "evco_id": driver.evco_id, "duration": RESERVED_MINUTES}
    begin = Crossing(AUTHORIZE_REMOTE_RESERVATION_START, emp, cpo), Crossing(PUSH_EVSE_STATUS, cpo, emp)
    async with stage.step(f"for {RESERVED_MINUTES} minutes", *begin) as checks:
        reserved = await emp.in_app("reserve", **wanted)
        checks.equal("code", Code.SUCCESS, reserved["code"])
        await checks.crossed()
        session = await cpo.session(reserved["session_id"], SessionState.RESERVED)
        checks.equal(f"state at {cpo.name}", SessionState.RESERVED, session["state"])
        checks.equal(f"status at {emp.name}", "Reserved", (await emp.published_by(cpo))[point.evse_id]["status"])
    taken = Code.EVSE_ALREADY_RESERVED
    async with stage.step(
        "somebody else comes too late", Crossing(AUTHORIZE_REMOTE_RESERVATION_START, emp, cpo, taken)
    ) as checks:
        refused = await emp.in_app("reserve", **{**wanted, "evco_id": emp.party.drivers.code.evco_id})
        checks.equal("code", taken, refused["code"])
    end = Crossing(AUTHORIZE_REMOTE_RESERVATION_STOP, emp, cpo), Crossing(PUSH_EVSE_STATUS, cpo, emp)
    async with stage.step("gives it back", *end) as checks:
        given_back = await emp.in_app("cancel_reservation", session_id=reserved["session_id"], evse_id=point.evse_id)
        checks.equal("code", Code.SUCCESS, given_back["code"])
        await checks.crossed()
        session = await cpo.session(reserved["session_id"], SessionState.ENDED)
        checks.equal(f"state at {cpo.name}", SessionState.ENDED, session["state"])
        checks.equal(f"status at {emp.name}", "Available", (await emp.published_by(cpo))[point.evse_id]["status"])


async def _plug_in(stage: Stage, cpo: Actor, emp: Actor, point: VirtualChargePoint) -> None:
    async with stage.step("plugs the car in", Crossing(PUSH_EVSE_STATUS, cpo, emp)) as checks:
        await cpo.at_point("plug_in", point, capacity=CAPACITY)
        await checks.crossed()
        checks.equal(f"status at {emp.name}", "Occupied", (await emp.published_by(cpo))[point.evse_id]["status"])


async def _unplug(stage: Stage, cpo: Actor, emp: Actor, point: VirtualChargePoint) -> None:
    async with stage.step("unplugs it", Crossing(PUSH_EVSE_STATUS, cpo, emp)) as checks:
        await cpo.at_point("unplug", point)
        await checks.crossed()
        checks.equal(f"status at {emp.name}", "Available", (await emp.published_by(cpo))[point.evse_id]["status"])


def _beginning(cpo: Actor, emp: Actor) -> tuple[Crossing, ...]:
    """What energy that begins to flow sends."""
    return Crossing(CHARGING_NOTIFICATION_START, cpo, emp), Crossing(PUSH_EVSE_STATUS, cpo, emp)


def _ending(cpo: Actor, emp: Actor) -> tuple[Crossing, ...]:
    """What a session's end sends."""
    operations = CHARGING_NOTIFICATION_END, CHARGE_DETAIL_RECORD, PUSH_EVSE_STATUS
    return tuple(Crossing(operation, cpo, emp) for operation in operations)


async def _asked(cpo: Actor) -> int:
    """How many authorizations the CPO has asked the other node for."""
    cells = (await cpo.client.get("/api/operations"))["cells"]
    asked: int = cells[AUTHORIZE_START.name]["sent"] + cells[AUTHORIZE_STOP.name]["sent"]
    return asked


async def _require_started(checks: Checks, started: Mapping[str, Any], emp: Actor) -> None:
    """The driver may charge, in the EMP's name, and the EMP knows the session."""
    checks.equal("code", Code.SUCCESS, started["code"])
    checks.equal("provider", emp.party.provider_id, started["provider_id"])
    await checks.crossed()
    session = await emp.session(started["session_id"], SessionState.CHARGING)
    checks.equal(f"state at {emp.name}", SessionState.CHARGING, session["state"])


async def _require_settled(checks: Checks, cpo: Actor, emp: Actor, session_id: str) -> None:
    """Both nodes have settled the session by the same CDR, and every account of its energy is exactly the same."""
    record = await emp.cdr(session_id)
    energy: Decimal = record["ConsumedEnergy"]
    checks.equal(f"CDR at {cpo.name}", record, await cpo.cdr(session_id))
    checks.that("energy was delivered", holds=energy > 0)
    checks.equal("energy by the meter", energy, record["MeterValueEnd"] - record["MeterValueStart"])
    for actor in (cpo, emp):
        session = await actor.session(session_id, SessionState.SETTLED)
        checks.equal(f"state at {actor.name}", SessionState.SETTLED, session["state"])
        checks.equal(f"energy at {actor.name}", energy, session["energy"])
        ends = [event for event in session["history"] if event["operation"] == CHARGING_NOTIFICATION_END.name]
        checks.equal(f"energies told at the end at {actor.name}", [energy], [_energy(event) for event in ends])
    account = await emp.account(session_id)
    checks.equal("energy in the driver's account", energy, Decimal(account["energy"]))
    checks.that("the driver's account is settled", holds=account["settled"])
    checks.note(f"{energy} kWh, the same on both sides")


def _energy(event: Mapping[str, Any]) -> Decimal:
    """The energy a notification told, which some partners write as text."""
    return Decimal(str(event["body"]["ConsumedEnergy"]))
