"""What other protocols say of a charging point, as an EvseStatusType."""

from collections.abc import Mapping

from p2pnode.oicp.evse_status import EvseStatusType

OCPP: Mapping[str, EvseStatusType] = {
    "Available": EvseStatusType.AVAILABLE,
    "Reserved": EvseStatusType.RESERVED,
    "Preparing": EvseStatusType.OCCUPIED,
    "Charging": EvseStatusType.OCCUPIED,
    "SuspendedEV": EvseStatusType.OCCUPIED,
    "SuspendedEVSE": EvseStatusType.OCCUPIED,
    "Finishing": EvseStatusType.OCCUPIED,
    "Occupied": EvseStatusType.OCCUPIED,
    "Unavailable": EvseStatusType.OUT_OF_SERVICE,
    "Faulted": EvseStatusType.OUT_OF_SERVICE,
    "Offline": EvseStatusType.OUT_OF_SERVICE,
}
"""Connector status of OCPP 1.6 and 2.0.1; `Offline` stands for a station that is not connected."""

OCPI: Mapping[str, EvseStatusType] = {
    "AVAILABLE": EvseStatusType.AVAILABLE,
    "RESERVED": EvseStatusType.RESERVED,
    "BLOCKED": EvseStatusType.OCCUPIED,
    "CHARGING": EvseStatusType.OCCUPIED,
    "INOPERATIVE": EvseStatusType.OUT_OF_SERVICE,
    "OUTOFORDER": EvseStatusType.OUT_OF_SERVICE,
    "REMOVED": EvseStatusType.EVSE_NOT_FOUND,
    "UNKNOWN": EvseStatusType.UNKNOWN,
    "PLANNED": EvseStatusType.UNKNOWN,
}
"""EVSE status of OCPI 2.1.1 and 2.2.1."""


def from_ocpp(status: str | None) -> EvseStatusType:
    """The EvseStatusType of an OCPP connector status; None, where nothing is known. Raises ValueError."""
    return EvseStatusType.UNKNOWN if status is None else _mapped(OCPP, status, "OCPP connector status")


def from_ocpi(status: str | None) -> EvseStatusType:
    """The EvseStatusType of an OCPI EVSE status; None, where nothing is known. Raises ValueError."""
    return EvseStatusType.UNKNOWN if status is None else _mapped(OCPI, status, "OCPI EVSE status")


def _mapped(table: Mapping[str, EvseStatusType], status: str, kind: str) -> EvseStatusType:
    found = next((mapped for name, mapped in table.items() if name.lower() == status.strip().lower()), None)
    if found is None:
        raise ValueError(f"{status!r:.50} is no {kind}; there are {', '.join(table)}")
    return found
