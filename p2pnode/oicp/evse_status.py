"""eRoamingEvseStatus: the dynamic status of charging points, pushed by the CPO and pulled by the EMP.

Both spellings of the status member and of the answers' containers are read (errata E009, E010, E011).
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from p2pnode.oicp.constraints import Length, OneOf
from p2pnode.oicp.errata import E009, E010, E011
from p2pnode.oicp.evse_types import SearchCenter
from p2pnode.oicp.model import Many, OicpModel, Text, names
from p2pnode.oicp.scalars import ActionType, EvseIDText, OperatorIDText, OperatorNameText, ProviderIDText
from p2pnode.oicp.status import StatusCode

STATUS_BY_ID_LIMIT = 100
"""The number of EvseIDs that one PullEvseStatusById may ask for."""


class EvseStatusType(StrEnum):
    """EvseStatusType: whether a charging point can be used."""

    AVAILABLE = "Available"
    RESERVED = "Reserved"
    OCCUPIED = "Occupied"
    OUT_OF_SERVICE = "OutOfService"
    EVSE_NOT_FOUND = "EvseNotFound"
    UNKNOWN = "Unknown"


EvseStatusText = Annotated[Text, OneOf(EvseStatusType)]
"""EvseStatusType as it came."""


def _bare_list(container: str) -> BeforeValidator:
    """Read a list where the container object around it is missing."""

    def wrap(value: object) -> object:
        members: dict[str, object] = {container: value}
        bare = isinstance(value, list)
        return members if bare else value

    return BeforeValidator(wrap)


class EvseStatusRecord(OicpModel):
    """EvseStatusRecordType: the status of one charging point."""

    model_config = names(evse_status=E011.forms)

    evse_id: EvseIDText
    evse_status: EvseStatusText


class OperatorEvseStatus(OicpModel):
    """OperatorEvseStatusType: the status records listed under one operator."""

    model_config = names(evse_status_record=("EvseStatusRecord", "EVSEStatusRecord"))

    operator_id: OperatorIDText
    operator_name: OperatorNameText | None = None
    evse_status_record: list[EvseStatusRecord]


class PushEvseStatus(OicpModel):
    """eRoamingPushEvseStatus: a CPO publishes the status of its charging points."""

    action_type: Annotated[Text, OneOf(ActionType)]
    operator_evse_status: OperatorEvseStatus


class PullEvseStatus(OicpModel):
    """eRoamingPullEvseStatus: an EMP asks for the status of charging points: all, near a place, or in one status."""

    model_config = names(evse_status=E009.forms)

    provider_id: ProviderIDText
    search_center: SearchCenter | None = None
    evse_status: EvseStatusText | None = None


class PullEvseStatusById(OicpModel):
    """eRoamingPullEvseStatusById: an EMP asks for the status of up to 100 given charging points."""

    provider_id: ProviderIDText
    evse_id: Annotated[Many[EvseIDText], Length(0, STATUS_BY_ID_LIMIT)]


class PullEvseStatusByOperatorId(OicpModel):
    """eRoamingPullEvseStatusByOperatorId: an EMP asks for the status of all charging points of given operators."""

    provider_id: ProviderIDText
    operator_id: Many[OperatorIDText]


class EvseStatuses(OicpModel):
    """The container of status blocks by operator in the answer eRoamingEvseStatus."""

    model_config = names(operator_evse_status=("OperatorEvseStatus", "OperatorEVSEStatus"))

    operator_evse_status: list[OperatorEvseStatus]


class EvseStatus(OicpModel):
    """eRoamingEvseStatus: the answer to PullEvseStatus, by operator."""

    model_config = names(evse_statuses=("EvseStatuses", "EVSEStatuses"))

    evse_statuses: Annotated[EvseStatuses, _bare_list("OperatorEvseStatus")]
    status_code: StatusCode | None = None


class EvseStatusByOperatorId(EvseStatus):
    """eRoamingEvseStatusByOperatorId: the answer to PullEvseStatusByOperatorId, by operator."""


class EvseStatusRecords(OicpModel):
    """The container of status records in the answer eRoamingEvseStatusById."""

    model_config = names(evse_status_record=("EvseStatusRecord", "EVSEStatusRecord"))

    evse_status_record: list[EvseStatusRecord]


class EvseStatusById(OicpModel):
    """eRoamingEvseStatusById: the answer to PullEvseStatusById, not grouped by operator."""

    model_config = names(evse_status_records=(*E010.forms, "EvseStatusRecords"))

    evse_status_records: Annotated[EvseStatusRecords, _bare_list("EvseStatusRecord")]
    status_code: StatusCode | None = None
