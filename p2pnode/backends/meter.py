"""A virtual energy meter that signs its readings, as calibration law demands: OCMF, ECDSA over P-256 with SHA-256."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from p2pnode.oicp.cdr import CalibrationLawVerificationInfo, MeteringStatus, SignedMeteringValue

SIGNS = {MeteringStatus.START: "B", MeteringStatus.PROGRESS: "C", MeteringStatus.END: "E"}


class SigningMeter:
    """Signs readings with a key of its own, made at random when the meter is."""

    def __init__(self, serial: str) -> None:
        self._serial = serial
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._paging = 0

    @property
    def public_key(self) -> str:
        """The public key, DER in hexadecimal, as transparency software takes it."""
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(encoding, form).hex()

    def sign(self, status: MeteringStatus, at: datetime, reading: Decimal) -> SignedMeteringValue:
        """One signed reading (kWh) in OCMF."""
        self._paging += 1
        payload = json.dumps(
            {
                "FV": "1.0",
                "GI": "p2pnode",
                "GS": self._serial,
                "PG": f"T{self._paging}",
                "RD": [
                    {
                        "TM": f"{at.isoformat(timespec='milliseconds').replace('.', ',')} S",
                        "TX": SIGNS[status],
                        "RV": str(reading),
                        "RI": "1-b:1.8.0",
                        "RU": "kWh",
                        "ST": "G",
                    }
                ],
            },
            separators=(",", ":"),
        )
        signature = self._key.sign(payload.encode(), ec.ECDSA(hashes.SHA256())).hex()
        proof = json.dumps({"SA": "ECDSA-secp256r1-SHA256", "SD": signature}, separators=(",", ":"))
        return SignedMeteringValue(signed_metering_value=f"OCMF|{payload}|{proof}", metering_status=status)

    def verification(self) -> CalibrationLawVerificationInfo:
        """What a driver needs to check the signed readings."""
        return CalibrationLawVerificationInfo(
            public_key=self.public_key,
            metering_signature_encoding_format="OCMF 1.0",
            signed_metering_values_verification_instruction="Verify with transparency software that reads OCMF.",
        )


def readings_in_order(
    meter: SigningMeter, start: tuple[datetime, Decimal], end: tuple[datetime, Decimal]
) -> Sequence[SignedMeteringValue]:
    """The signed readings of a session, begin before end, as the specification orders them."""
    return [meter.sign(MeteringStatus.START, *start), meter.sign(MeteringStatus.END, *end)]
