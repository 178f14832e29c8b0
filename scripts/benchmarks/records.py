"""Synthetic charging points and CDRs, each different, with all members and of the size of real ones: about 2 kB."""

import json
from collections.abc import Iterable
from importlib import resources
from typing import Any

from p2pnode.oicp.operations import CHARGE_DETAIL_RECORD, PUSH_EVSE_DATA, AnyOperation

NUMBER = "0123456789"
PLACE = "47.123456 8.123456"
SESSION = f"01900000-0000-7000-8000-00{NUMBER}"


def evse_records(operator_id: str, numbers: Iterable[int]) -> list[bytes]:
    """One EVSE data record of the operator for each of the numbers."""
    record: dict[str, Any] = sample(PUSH_EVSE_DATA)["OperatorEvseData"]["EvseDataRecord"][0]
    record |= {
        "EvseID": f"{operator_id}*E{NUMBER}",
        "ChargingStationId": f"Station {NUMBER}",
        "ChargingPoolID": f"{operator_id}*P{NUMBER}",
        "HubOperatorID": operator_id,
        "GeoCoordinates": {"Google": {"Coordinates": PLACE}},
        "AdditionalInfo": [{"lang": "en", "value": "A charging point of a benchmark. " * 4}],
    }
    template = compact(record)
    return [
        template.replace(NUMBER.encode(), b"%010d" % number).replace(
            PLACE.encode(), b"47.%06d 8.%06d" % (number * 7 % 1_000_000, number * 13 % 1_000_000)
        )
        for number in numbers
    ]


def charge_detail_records(operator_id: str, numbers: Iterable[int]) -> list[bytes]:
    """The CDR of one session for each of the numbers."""
    record = sample(CHARGE_DETAIL_RECORD)
    record |= {"SessionID": SESSION, "CPOPartnerSessionID": NUMBER, "EvseID": f"{operator_id}*E{NUMBER}"}
    template = compact(record)
    return [template.replace(NUMBER.encode(), b"%010d" % number) for number in numbers]


def push_evse_data(action: str, operator_id: str, records: Iterable[bytes]) -> bytes:
    """The body of an eRoamingPushEvseData."""
    envelope = {"ActionType": action, "OperatorEvseData": {"OperatorID": operator_id, "OperatorName": "Bench"}}
    return compact(envelope)[:-2] + b',"EvseDataRecord":[' + b",".join(records) + b"]}}"


def sample(operation: AnyOperation) -> dict[str, Any]:
    """The sample of a request of the operation, which has all members."""
    file = resources.files("p2pnode.oicp") / "samples" / f"{operation.name}.request.json"
    message: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return message


def compact(message: dict[str, Any]) -> bytes:
    """The message in JSON without blanks."""
    return json.dumps(message, separators=(",", ":")).encode()
