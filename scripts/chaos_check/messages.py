"""The messages of both backends. Numbers keep a spelling no encoder would choose, so that a rewritten body shows."""

import json
import re
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from p2pnode.oicp import operations as ops

OPERATOR = "DE*CHA"
PROVIDER = "DE-EMC"
UNKNOWN_CARD = "0BADBADB"
KNOWN_CARD = "04A1B2C3"
CONTRACT = "DE-EMC-C00000001-X"
STATIONS = 40
"""How many EVSEs are always published; sessions run at these only."""
MORE_STATIONS = 20
"""How many others come and go."""
STATUSES = ("Available", "Occupied", "Reserved", "OutOfService")
EXACT = re.compile(r'"@([0-9.]+)@"')
UNKNOWN_SHARE = 0.05
ERROR_SHARE = 0.1
MOST_PROGRESS = 3
VERSION = "SubOperatorName"
"""The member of an EVSE data record that tells which version it is."""

Steps = list[tuple[str, str]]
"""What follows a start: the operation's name and the body of each message."""


def evse_id(number: int) -> str:
    """The EvseID of a station."""
    return f"{OPERATOR}*E{number:04}"


def evse_ids(count: int) -> list[str]:
    """The EvseIDs of the first stations."""
    return [evse_id(number) for number in range(count)]


def authorize_start(partner_session_id: str, random: Random) -> bytes:
    """eRoamingAuthorizeStart without a SessionID: the node makes one. A few cards are unknown."""
    card = UNKNOWN_CARD if random.random() < UNKNOWN_SHARE else KNOWN_CARD
    return _text(
        {
            "OperatorID": OPERATOR,
            "EvseID": evse_id(random.randrange(STATIONS)),
            "CPOPartnerSessionID": partner_session_id,
            "Identification": {"RFIDMifareFamilyIdentification": {"UID": card}},
        }
    )


def remote_start(partner_session_id: str, random: Random) -> bytes:
    """eRoamingAuthorizeRemoteStart without a SessionID."""
    return _text(
        {
            "ProviderID": PROVIDER,
            "EvseID": evse_id(random.randrange(STATIONS)),
            "EMPPartnerSessionID": partner_session_id,
            "Identification": {"RemoteIdentification": {"EvcoID": CONTRACT}},
        }
    )


def pull_evse_data() -> bytes:
    """eRoamingPullEvseData of everything."""
    return _text({"ProviderID": PROVIDER, "GeoCoordinatesResponseFormat": "Google"})


def pull_evse_status() -> bytes:
    """eRoamingPullEvseStatus of everything."""
    return _text({"ProviderID": PROVIDER})


def steps(session_id: str, start: dict[str, Any], random: Random, now: datetime) -> Steps:
    """What the CPO tells of a session: Start, some Progress, perhaps an Error, End, and the CDR."""
    begun = now - timedelta(hours=2)
    common: dict[str, Any] = {
        "SessionID": session_id,
        **{name: start[name] for name in ("CPOPartnerSessionID", "EMPPartnerSessionID") if name in start},
        "Identification": start["Identification"],
        "EvseID": start["EvseID"],
    }
    told = {**common, "OperatorID": OPERATOR}
    charging = {"ChargingStart": _time(begun + timedelta(minutes=1)), "SessionStart": _time(begun)}
    found: Steps = [(ops.CHARGING_NOTIFICATION_START.name, _string({"Type": "Start", **told, **charging}))]
    minutes, energy = 1, 0
    for _ in range(random.randrange(MOST_PROGRESS + 1)):
        minutes, energy = minutes + 15, energy + random.randrange(5000)
        progress = {
            "EventOccurred": _time(begun + timedelta(minutes=minutes)),
            "ChargingDuration": (minutes - 1) * 60_000,
            "ConsumedEnergyProgress": _exact(energy),
        }
        found.append(
            (
                ops.CHARGING_NOTIFICATION_PROGRESS.name,
                _string({"Type": "Progress", **told, **charging, **progress}),
            )
        )
    if random.random() < ERROR_SHARE:
        problem = {"ErrorType": "ConnectorError", "ErrorAdditionalInfo": "The plug is not locked."}
        found.append((ops.CHARGING_NOTIFICATION_ERROR.name, _string({"Type": "Error", **told, **problem})))
    energy += random.randrange(5000) + 1
    ended = {
        **charging,
        "ChargingEnd": _time(begun + timedelta(minutes=70)),
        "SessionEnd": _time(begun + timedelta(minutes=75)),
        "ConsumedEnergy": _exact(energy),
        "MeterValueStart": _exact(1_000_000),
        "MeterValueEnd": _exact(1_000_000 + energy),
    }
    found.append((ops.CHARGING_NOTIFICATION_END.name, _string({"Type": "End", **told, **ended})))
    found.append((ops.CHARGE_DETAIL_RECORD.name, _string({**common, **ended})))
    return found


def push_evse_data(action: str, versions: dict[str, str]) -> bytes:
    """eRoamingPushEvseData of these EVSEs, each in the version told."""
    records = [_evse(key, version) for key, version in versions.items()]
    block = {"OperatorID": OPERATOR, "OperatorName": "Chaos", "EvseDataRecord": records}
    return _text({"ActionType": action, "OperatorEvseData": block})


def push_evse_status(action: str, statuses: dict[str, str]) -> bytes:
    """eRoamingPushEvseStatus of these EVSEs."""
    records = [{"EvseID": key, "EvseStatus": status} for key, status in statuses.items()]
    block = {"OperatorID": OPERATOR, "OperatorName": "Chaos", "EvseStatusRecord": records}
    return _text({"ActionType": action, "OperatorEvseStatus": block})


def _evse(key: str, version: str) -> dict[str, Any]:
    text = [{"lang": "en", "value": f"Station {key}"}]
    return {
        "EvseID": key,
        "ChargingStationId": f"Station {key}",
        "ChargingStationNames": text,
        VERSION: version,
        "Address": {
            "Country": "DEU",
            "City": "Berlin",
            "Street": "EUREF-Campus",
            "PostalCode": "10829",
            "HouseNum": "22",
        },
        "GeoCoordinates": {"Google": {"Coordinates": "52.480495 13.356465"}},
        "Plugs": ["Type 2 Outlet"],
        "DynamicPowerLevel": False,
        "ChargingFacilities": [{"PowerType": "AC_3_PHASE", "Voltage": 400, "Amperage": 32, "Power": 22}],
        "RenewableEnergy": True,
        "CalibrationLawDataAvailability": "Not Available",
        "AuthenticationModes": ["NFC RFID Classic", "REMOTE"],
        "PaymentOptions": ["Contract"],
        "ValueAddedServices": ["None"],
        "Accessibility": "Free publicly accessible",
        "HotlinePhoneNumber": "+493012345678",
        "IsOpen24Hours": True,
        "IsHubjectCompatible": True,
        "DynamicInfoAvailable": "true",
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _exact(thousandths: int) -> str:
    """A number with three decimals, also where they are zeros."""
    return f"@{thousandths // 1000}.{thousandths % 1000:03}@"


def _string(members: dict[str, Any]) -> str:
    return EXACT.sub(r"\1", json.dumps(members))


def _text(members: dict[str, Any]) -> bytes:
    return _string(members).encode()
