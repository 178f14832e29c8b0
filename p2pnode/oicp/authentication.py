"""eRoamingAuthenticationData: who may charge, published by a provider so that an operator can decide by itself."""

from typing import Annotated

from p2pnode.oicp.constraints import OneOf
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.model import Many, OicpModel, Text
from p2pnode.oicp.scalars import ActionType, OperatorIDText, ProviderIDText
from p2pnode.oicp.status import StatusCode


class AuthenticationDataRecord(OicpModel):
    """AuthenticationDataRecordType: one medium that may charge."""

    identification: Identification


class ProviderAuthenticationData(OicpModel):
    """ProviderAuthenticationDataType: the media of one provider."""

    provider_id: ProviderIDText
    authentication_data_record: Many[AuthenticationDataRecord]


class PushAuthenticationData(OicpModel):
    """eRoamingPushAuthenticationData: an EMP publishes its authentication data."""

    action_type: Annotated[Text, OneOf(ActionType)]
    provider_authentication_data: ProviderAuthenticationData


class PullAuthenticationData(OicpModel):
    """eRoamingPullAuthenticationData (OICP 2.1, obsolete): a CPO asks for the authentication data published to it."""

    operator_id: OperatorIDText


class AllAuthenticationData(OicpModel):
    """The container of authentication data by provider in the answer eRoamingAuthenticationData."""

    provider_authentication_data: Many[ProviderAuthenticationData]


class AuthenticationData(OicpModel):
    """eRoamingAuthenticationData (OICP 2.1, obsolete): the answer to PullAuthenticationData."""

    authentication_data: AllAuthenticationData
    status_code: StatusCode | None = None
