"""The built-in parties: virtual charge points of an own CPO, and virtual drivers of an own EMP."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from p2pnode.config.settings import SECRET, Settings
from p2pnode.oicp.constraints import Grammar
from p2pnode.oicp.scalars import COUNTRY_CODE, CURRENCY_ID, EVCO_ID, EVSE_ID, UID


def _matches(grammar: Grammar) -> AfterValidator:
    def check(value: str) -> str:
        if not grammar.pattern.fullmatch(value):
            message = f"not of the form of an {grammar.name}"
            raise ValueError(message)
        return value

    return AfterValidator(check)


class VirtualChargePoint(Settings):
    """One virtual charging point: what its EVSE data record says, and the state it begins in."""

    evse_id: Annotated[str, _matches(EVSE_ID)] = Field(description="Its EvseID.")
    station: str | None = Field(
        default=None, description="The ChargingStationID of the station it belongs to; its EvseID where not given."
    )
    name: str = Field(default="Virtual charging point", description="The name drivers see.")
    plugs: tuple[str, ...] = Field(
        default=("Type 2 Outlet",), min_length=1, description="Its plugs, each a PlugType of the specification."
    )
    power: Decimal = Field(default=Decimal(22), gt=0, le=9999, description="Its greatest power, in kW.")
    power_type: Literal["AC_1_PHASE", "AC_3_PHASE", "DC"] = Field(default="AC_3_PHASE", description="Its PowerType.")
    voltage: int = Field(default=400, gt=0, description="Its voltage, in volts.")
    amperage: int = Field(default=32, gt=0, description="Its current, in amperes.")
    latitude: float = Field(default=50.1136, ge=-90, le=90, description="Degrees north, WGS 84.")
    longitude: float = Field(default=8.6797, ge=-180, le=180, description="Degrees east, WGS 84.")
    street: str = Field(default="Lab street", description="The street of its address.")
    house_number: str = Field(default="1", description="The house number of its address.")
    postal_code: str = Field(default="60311", description="The postal code of its address.")
    city: str = Field(default="Frankfurt am Main", description="The city of its address.")
    country: Annotated[str, _matches(COUNTRY_CODE)] = Field(
        default="DEU", description="The country of its address, ISO 3166-1 alpha-3."
    )
    calibration_law: Literal["Local", "External", "Not Available"] = Field(
        default="Not Available",
        description="Its CalibrationLawDataAvailability; `External` puts signed meter values into its CDRs.",
    )
    connected: bool = Field(
        default=True, description="Whether a car is plugged in, so that a remote start can succeed."
    )
    out_of_service: bool = Field(default=False, description="Whether it begins out of service.")


class VirtualCpo(Settings):
    """The virtual CPO: its charging points, and how fast its clock runs."""

    charge_points: tuple[VirtualChargePoint, ...] = Field(default=(), description="Its charging points.")
    publish_at_start: bool = Field(
        default=True,
        description="Whether charging points that have not been published are when the node starts, and the status of "
        "each where it is another one than was told last.",
    )
    time_scale: float = Field(
        default=1.0, gt=0, description="How many seconds of charging pass in one second of real time."
    )
    price_ac: Decimal = Field(default=Decimal("0.49"), ge=0, description="The price of a kWh of alternating current.")
    price_dc: Decimal = Field(default=Decimal("0.69"), ge=0, description="The price of a kWh of direct current.")
    currency: Annotated[str, _matches(CURRENCY_ID)] = Field(
        default="EUR", description="The currency of the prices, ISO 4217."
    )

    @model_validator(mode="after")
    def _each_once(self) -> "VirtualCpo":
        _refuse_twice("EvseID", [point.evse_id.upper() for point in self.charge_points])
        return self


class VirtualDriver(Settings):
    """One virtual driver: the media that identify the driver, and whether the contract is good."""

    name: str = Field(default="", description="The driver's name, for people only.")
    uid: Annotated[str, _matches(UID)] | None = Field(
        default=None, repr=False, description="The UID of the driver's RFID card, upper case."
    )
    evco_id: Annotated[str, _matches(EVCO_ID)] | None = Field(
        default=None, repr=False, description="The EvcoID of the driver's contract."
    )
    pin: str | None = Field(
        default=None,
        repr=False,
        json_schema_extra=SECRET,
        min_length=1,
        max_length=72,
        description="The PIN that goes with the EvcoID.",
    )
    plug_and_charge: bool = Field(default=False, description="Whether the car itself may present the EvcoID.")
    locked: bool = Field(default=False, description="Whether the contract is locked (status code 200).")

    @model_validator(mode="after")
    def _is_identified(self) -> "VirtualDriver":
        if self.uid is None and self.evco_id is None:
            message = "a driver has a uid or an evco_id"
            raise ValueError(message)
        if self.evco_id is None and (self.pin is not None or self.plug_and_charge):
            message = "a pin and plug_and_charge need an evco_id"
            raise ValueError(message)
        return self


class VirtualEmp(Settings):
    """The virtual EMP: its drivers."""

    drivers: tuple[VirtualDriver, ...] = Field(default=(), description="Its drivers.")

    @model_validator(mode="after")
    def _each_once(self) -> "VirtualEmp":
        _refuse_twice("uid", [driver.uid.upper() for driver in self.drivers if driver.uid])
        _refuse_twice("evco_id", [driver.evco_id.upper() for driver in self.drivers if driver.evco_id])
        return self


def _refuse_twice(what: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        message = f"the same {what} stands twice"
        raise ValueError(message)
