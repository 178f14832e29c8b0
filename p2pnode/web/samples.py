"""A sample message of every operation, in the names of two given parties."""

import re
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from typing import Final
from uuid import uuid4

from p2pnode.oicp.codec import encode, members_in, replace_members
from p2pnode.oicp.identifiers import Standard, parse_operator, parse_provider
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_START,
    GET_CHARGE_DETAIL_RECORDS,
    PULL_EVSE_DATA,
    PULL_EVSE_PRICING,
    PULL_EVSE_STATUS,
    PULL_PRICING_PRODUCT_DATA,
    AnyOperation,
)

OPERATOR = "DE*ABC"
PROVIDER = "DE-DCB"
"""The parties the samples are written for."""

UNFILTERED: Final = {
    PULL_EVSE_DATA: ("ProviderID", "GeoCoordinatesResponseFormat"),
    PULL_EVSE_STATUS: ("ProviderID",),
    PULL_PRICING_PRODUCT_DATA: ("OperatorIDs",),
    PULL_EVSE_PRICING: ("ProviderID", "OperatorIDs"),
    GET_CHARGE_DETAIL_RECORDS: ("ProviderID", "From", "To"),
}
"""What is left of the sample of a pull that asks for everything."""
STARTS: Final = (AUTHORIZE_START, AUTHORIZE_REMOTE_START, AUTHORIZE_REMOTE_RESERVATION_START)
"""What a session begins with."""
_PARTNER_ID: Final = 12
"""How much of the end of a SessionID the partners' own ids of the session are made of."""


def first_request(
    operation: AnyOperation, operator_id: str, provider_id: str, now: datetime, new_id: Callable[[], object] = uuid4
) -> bytes:
    """The sample request, of a new session where it starts one: the sample's own would be started once only.

    For a pull it is one that asks for everything until now, because the sample's filters fit no party.
    """
    sample = sample_request(operation, operator_id, provider_id)
    kept = UNFILTERED.get(operation)
    if kept is None:
        started = of_session(sample, str(new_id())) if operation in STARTS else None
        return started or sample
    members = members_in(sample)
    return encode({name: f"{now:%Y-%m-%dT%H:%M:%SZ}" if name == "To" else members[name] for name in kept})


def of_session(sample: bytes, session_id: str) -> bytes | None:
    """The sample as a message of this session, with what both parties call it; None where it names no session."""
    members = members_in(sample)
    if not isinstance(members.get("SessionID"), str):
        return None
    theirs = {"CPOPartnerSessionID": "cpo", "EMPPartnerSessionID": "emp"}
    partner_ids = {name: f"{side}-{session_id[-_PARTNER_ID:]}" for name, side in theirs.items() if name in members}
    return replace_members(sample, {"SessionID": session_id, **partner_ids})


def sample_request(operation: AnyOperation, operator_id: str, provider_id: str) -> bytes:
    """The operation's sample request, between this operator and this provider; EvseIDs and EvcoIDs follow them.

    A party with an id in DIN notation gets EvseIDs or EvcoIDs in that notation; a ChargingPoolID has none.
    """
    text = (files("p2pnode.oicp") / "samples" / f"{operation.name}.request.json").read_text(encoding="utf-8")
    if parse_operator(operator_id).standard is Standard.DIN:
        text = re.sub(r'\s*"ChargingPoolID": "[^"]*",', "", text).replace(f'"{OPERATOR}*E', f'"{operator_id}*')
    if parse_provider(provider_id).standard is Standard.DIN:
        text = re.sub(rf'"{PROVIDER}-C\d\d(\d{{6}})-\w"', rf'"{provider_id}*\1*X"', text)
    return text.replace(f'"{OPERATOR}', f'"{operator_id}').replace(f'"{PROVIDER}', f'"{provider_id}').encode()
