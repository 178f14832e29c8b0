"""The meter readings that charge detail records and charging notifications share. Energies are in kWh."""

from collections.abc import Mapping
from typing import Annotated, cast

from pydantic import BeforeValidator

from p2pnode.oicp.constraints import Places
from p2pnode.oicp.model import Many, Number, OicpModel, names

Energy = Annotated[Number, Places(3)]
"""Decimal (,3): a meter reading or an amount of energy in kWh."""


class MeterValuesInBetween(OicpModel):
    """The readings taken between start and end, in kWh."""

    model_config = names(meter_values="meterValues")

    meter_values: Many[Energy] | None = None


def _meter_values(value: object) -> object:
    """The texts write a list where the schemas have an object with the list in it (E023)."""
    if value is None or isinstance(value, MeterValuesInBetween | Mapping):
        return cast("object", value)
    return {"meterValues": value}


MeterValueInBetween = Annotated[MeterValuesInBetween | None, BeforeValidator(_meter_values)]
"""MeterValueInBetween in either of its forms."""
