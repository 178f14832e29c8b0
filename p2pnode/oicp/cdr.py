"""eRoamingChargeDetailRecord: what a session is settled by. Energies are in kWh."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, SerializerFunctionWrapHandler, field_serializer

from p2pnode.oicp.constraints import Length, OneOf, Severity
from p2pnode.oicp.errata import E001, E004
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.metering import Energy, MeterValueInBetween
from p2pnode.oicp.model import Many, OicpModel, Text, Timestamp, Whole, names
from p2pnode.oicp.scalars import (
    EvseIDText,
    OperatorIDText,
    PartnerSessionIDText,
    ProductIDText,
    ProviderIDText,
    SessionIDText,
)
from p2pnode.oicp.status import StatusCode


class MeteringStatus(StrEnum):
    """MeteringStatusType: the moment of a session that a signed value belongs to."""

    START = "Start"
    PROGRESS = "Progress"
    END = "End"


class SignedMeteringValue(OicpModel):
    """SignedMeteringValuesType: a signed reading in the format of the transparency software."""

    signed_metering_value: Annotated[Text | None, Length(0, 3000, Severity.WARNING)] = None
    metering_status: Annotated[Text | None, OneOf(MeteringStatus)] = None


class CalibrationLawVerificationInfo(OicpModel):
    """CalibrationLawVerificationType: what a driver needs to verify the signed values."""

    calibration_law_certificate_id: Annotated[Text | None, Length(0, 100)] = None
    public_key: Annotated[Text | None, Length(0, 1000)] = None
    metering_signature_url: Annotated[Text | None, Length(0, 200)] = None
    metering_signature_encoding_format: Annotated[Text | None, Length(0, 50)] = None
    signed_metering_values_verification_instruction: Annotated[Text | None, Length(0, 400)] = None


class ChargeDetailRecord(OicpModel):
    """eRoamingChargeDetailRecord: times, meter readings and consumed energy of one session."""

    model_config = names(hub_provider_id=E001.forms)

    session_id: SessionIDText
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    partner_product_id: ProductIDText | None = None
    evse_id: EvseIDText
    identification: Identification
    charging_start: Timestamp
    charging_end: Timestamp
    session_start: Timestamp
    session_end: Timestamp
    meter_value_start: Energy | None = None
    meter_value_end: Energy | None = None
    meter_value_in_between: MeterValueInBetween = None
    consumed_energy: Energy
    signed_metering_values: Annotated[Many[SignedMeteringValue] | None, Length(0, 10, Severity.WARNING)] = None
    calibration_law_verification_info: CalibrationLawVerificationInfo | None = None
    hub_operator_id: OperatorIDText | None = None
    hub_provider_id: ProviderIDText | None = None


def _value_or_list(schema: dict[str, Any]) -> None:
    """E008 in the JSON schema."""
    operators = schema["properties"]["OperatorID"]
    schema["properties"]["OperatorID"] = {"anyOf": [operators["items"], operators]}


class GetChargeDetailRecords(OicpModel):
    """eRoamingGetChargeDetailRecords: an EMP asks for the records that were received between From and To.

    One operator is written as one value, several as a list (E008).
    """

    model_config = names(from_="From", cdr_forwarded=E004.forms) | ConfigDict(json_schema_extra=_value_or_list)

    provider_id: ProviderIDText
    from_: Timestamp
    to: Timestamp
    session_id: Many[SessionIDText] | None = None
    operator_id: Many[OperatorIDText] | None = None
    cdr_forwarded: bool | None = None

    @field_serializer("operator_id", mode="wrap")
    def _one_value(self, value: list[str] | None, handler: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401 - one value or a list
        return value[0] if value and len(value) == 1 else handler(value)


class ChargeDetailRecords(OicpModel):
    """eRoamingChargeDetailRecords: one page of the answer to GetChargeDetailRecords.

    Foreign senders leave out the members of paging, or send StatusCode as null.
    """

    model_config = names(
        content="content",
        number="number",
        size="size",
        total_elements="totalElements",
        total_pages="totalPages",
        first="first",
        last="last",
        number_of_elements="numberOfElements",
    )

    content: Many[ChargeDetailRecord]
    number: Whole | None = None
    size: Whole | None = None
    total_elements: Whole | None = None
    total_pages: Whole | None = None
    first: bool | None = None
    last: bool | None = None
    number_of_elements: Whole | None = None
    status_code: StatusCode | None = None
