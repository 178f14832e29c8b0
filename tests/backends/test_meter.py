"""The virtual meter's readings can be verified with its public key, and with nothing else."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from p2pnode.backends.meter import SigningMeter
from p2pnode.oicp.cdr import MeteringStatus

AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def verify(meter: SigningMeter, value: str) -> dict[str, Any]:
    _, payload, proof = value.split("|")
    key = load_der_public_key(bytes.fromhex(meter.public_key))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(bytes.fromhex(json.loads(proof)["SD"]), payload.encode(), ec.ECDSA(hashes.SHA256()))
    return dict(json.loads(payload))


def test_a_reading_verifies_and_says_what_was_read() -> None:
    meter = SigningMeter("DE*ABC*S1")
    signed = meter.sign(MeteringStatus.START, AT, Decimal("1000.250"))
    assert signed.metering_status == "Start"
    payload = verify(meter, signed.signed_metering_value or "")
    assert payload["RD"] == [
        {
            "TM": "2026-05-04T12:00:00,000+00:00 S",
            "TX": "B",
            "RV": "1000.250",
            "RI": "1-b:1.8.0",
            "RU": "kWh",
            "ST": "G",
        }
    ]


def test_a_changed_reading_does_not_verify() -> None:
    meter = SigningMeter("DE*ABC*S1")
    value = meter.sign(MeteringStatus.END, AT, Decimal("1010.000")).signed_metering_value or ""
    with pytest.raises(InvalidSignature):
        verify(meter, value.replace("1010.000", "1009.000"))


def test_each_reading_has_a_number_of_its_own() -> None:
    meter = SigningMeter("DE*ABC*S1")
    values = [meter.sign(MeteringStatus.PROGRESS, AT, Decimal(1)).signed_metering_value or "" for _ in range(2)]
    assert [verify(meter, value)["PG"] for value in values] == ["T1", "T2"]
