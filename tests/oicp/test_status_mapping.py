"""Each status of OCPP and OCPI has the EvseStatusType a driver would expect."""

import pytest

from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.status_mapping import OCPI, OCPP, from_ocpi, from_ocpp


@pytest.mark.parametrize("status", ["Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Occupied"])
def test_a_connector_with_a_car_is_occupied(status: str) -> None:
    assert from_ocpp(status) is EvseStatusType.OCCUPIED


@pytest.mark.parametrize("status", ["Unavailable", "Faulted", "Offline"])
def test_a_connector_nobody_can_use_is_out_of_service(status: str) -> None:
    assert from_ocpp(status) is EvseStatusType.OUT_OF_SERVICE


@pytest.mark.parametrize("status", ["BLOCKED", "CHARGING"])
def test_an_ocpi_evse_that_is_in_use_is_occupied(status: str) -> None:
    assert from_ocpi(status) is EvseStatusType.OCCUPIED


@pytest.mark.parametrize("status", ["INOPERATIVE", "OUTOFORDER"])
def test_an_ocpi_evse_that_is_broken_is_out_of_service(status: str) -> None:
    assert from_ocpi(status) is EvseStatusType.OUT_OF_SERVICE


def test_a_removed_evse_is_not_found() -> None:
    assert from_ocpi("REMOVED") is EvseStatusType.EVSE_NOT_FOUND


def test_what_nobody_knows_is_unknown() -> None:
    assert from_ocpp(None) is from_ocpi(None) is from_ocpi("PLANNED") is from_ocpi("UNKNOWN") is EvseStatusType.UNKNOWN


def test_case_and_blanks_do_not_matter() -> None:
    assert all(from_ocpp(f" {name.upper()} ") is mapped for name, mapped in OCPP.items())
    assert all(from_ocpi(name.lower()) is mapped for name, mapped in OCPI.items())


def test_a_word_of_neither_protocol_is_refused_with_the_words_there_are() -> None:
    with pytest.raises(ValueError, match="there are Available, Reserved"):
        from_ocpp("Sleeping")
    with pytest.raises(ValueError, match="there are AVAILABLE"):
        from_ocpi("Sleeping")
