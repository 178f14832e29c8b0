"""Identification: five options, of which the first that came counts, and none of which is shown."""

from typing import Any

import pytest

from p2pnode.oicp.authorization import AuthorizeStart
from p2pnode.oicp.codec import read
from p2pnode.oicp.identification import HashedPIN, Identification, Kind, QRCodeIdentification, RemoteIdentification

EVCO_ID = "DE-DCB-C12345678-X"
CARD = {"UID": "7568290FFF765F", "RFID": "mifareCls", "PrintedNumber": "4711"}
ALL: dict[str, Any] = {
    "RemoteIdentification": {"EvcoID": EVCO_ID},
    "PlugAndChargeIdentification": {"EvcoID": EVCO_ID},
    "QRCodeIdentification": {"EvcoID": EVCO_ID, "PIN": "8472", "HashedPIN": "$2b$hash"},
    "RFIDIdentification": CARD,
    "RFIDMifareFamilyIdentification": {"UID": "7568290F"},
}


def test_the_first_option_in_the_order_of_the_text_counts() -> None:
    left = dict(ALL)
    for kind in Kind:
        identification = read(Identification, left)
        assert identification.kind is kind
        assert identification.kinds[0] is kind
        left = {**left, kind.value: None}
    nothing = read(Identification, left)
    assert (nothing.kind, nothing.option, nothing.uid, nothing.evco_id, nothing.kinds) == (None, None, None, None, ())


@pytest.mark.parametrize(
    ("kind", "uid", "evco_id", "masked"),
    [
        ("RFIDMifareFamilyIdentification", "7568290F", None, "RFIDMifareFamilyIdentification …0F"),
        ("RFIDIdentification", "7568290FFF765F", None, "RFIDIdentification …5F"),
        ("QRCodeIdentification", None, EVCO_ID, "QRCodeIdentification …-X"),
        ("PlugAndChargeIdentification", None, EVCO_ID, "PlugAndChargeIdentification …-X"),
        ("RemoteIdentification", None, EVCO_ID, "RemoteIdentification …-X"),
    ],
)
def test_an_option_tells_who_it_names_and_hides_it_in_logs(
    kind: str, uid: str | None, evco_id: str | None, masked: str
) -> None:
    identification = read(Identification, {kind: ALL[kind]})
    assert (identification.uid, identification.evco_id, identification.masked()) == (uid, evco_id, masked)


def test_a_short_id_is_hidden_whole() -> None:
    assert read(Identification, {"RemoteIdentification": {"EvcoID": "DE-1"}}).masked() == "RemoteIdentification …"
    assert read(Identification, {}).masked() == "no identification"


def test_no_representation_shows_what_identifies_a_person() -> None:
    message = read(AuthorizeStart, {"OperatorID": "DE*ABC", "Identification": ALL})
    for secret in (EVCO_ID, "7568290F", "8472", "$2b$hash", "4711"):
        assert secret not in repr(message)
        assert secret not in str(message)


def test_a_hashed_pin_is_an_object_or_a_string() -> None:
    wire = {"EvcoID": EVCO_ID, "HashedPIN": "a5ghdhf73h"}
    qr_code = read(QRCodeIdentification, wire)
    assert qr_code.hashed_pin == HashedPIN(value="a5ghdhf73h", function="Bcrypt")
    assert qr_code.wire()["HashedPIN"] == {"Value": "a5ghdhf73h", "Function": "Bcrypt"}


def test_an_identification_is_built_by_its_attributes() -> None:
    built = Identification(remote_identification=RemoteIdentification(evco_id=EVCO_ID))
    assert built.wire() == {"RemoteIdentification": {"EvcoID": EVCO_ID}}
