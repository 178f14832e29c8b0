"""Synthetic charging points, each different, with all members and of the size of real ones: about 2 kB."""

import json
from collections.abc import Iterable
from importlib import resources
from typing import Any

from p2pnode.oicp.operations import PUSH_EVSE_DATA

NUMBER = "0123456789"
PLACE = "47.123456 8.123456"


def evse_records(operator_id: str, numbers: Iterable[int]) -> list[bytes]:
    """One EVSE data record of the operator for each of the numbers."""
    record = sample()
    record |= {
        "EvseID": f"{operator_id}*E{NUMBER}",
        "ChargingStationId": f"Station {NUMBER}",
        "ChargingPoolID": f"{operator_id}*P{NUMBER}",
        "HubOperatorID": operator_id,
        "GeoCoordinates": {"Google": {"Coordinates": PLACE}},
    }
    record["AdditionalInfo"] = [{"lang": "en", "value": "A charging point of a benchmark. " * 6}]
    template = json.dumps(record, separators=(",", ":")).encode()
    return [
        template.replace(NUMBER.encode(), b"%010d" % number).replace(
            PLACE.encode(), b"47.%06d 8.%06d" % (number * 7 % 1_000_000, number * 13 % 1_000_000)
        )
        for number in numbers
    ]


def sample() -> dict[str, Any]:
    """The first record of the sample of PushEvseData, which has all members."""
    file = resources.files("p2pnode.oicp") / "samples" / f"{PUSH_EVSE_DATA.name}.request.json"
    push: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    record: dict[str, Any] = push["OperatorEvseData"]["EvseDataRecord"][0]
    return record


def push_evse_data(action: str, operator_id: str, records: Iterable[bytes]) -> bytes:
    """The body of an eRoamingPushEvseData."""
    head = {"ActionType": action, "OperatorEvseData": {"OperatorID": operator_id, "OperatorName": "Bench"}}
    text = json.dumps(head, separators=(",", ":")).encode()
    return text[:-2] + b',"EvseDataRecord":[' + b",".join(records) + b"]}}"
