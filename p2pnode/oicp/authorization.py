"""eRoamingAuthorization: may a driver start or stop, asked by the operator, or demanded by the provider from afar."""

from enum import StrEnum
from typing import Annotated

from p2pnode.oicp.constraints import OneOf
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.model import Many, OicpModel, Text
from p2pnode.oicp.scalars import (
    EvseIDText,
    OperatorIDText,
    PartnerSessionIDText,
    ProductIDText,
    ProviderIDText,
    SessionIDText,
)
from p2pnode.oicp.status import StatusCode


class AuthorizationStatus(StrEnum):
    """AuthorizationStatusType."""

    AUTHORIZED = "Authorized"
    NOT_AUTHORIZED = "NotAuthorized"


class AuthorizeStart(OicpModel):
    """eRoamingAuthorizeStart: a CPO asks whether a driver at one of its charging points may start."""

    session_id: SessionIDText | None = None
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    operator_id: OperatorIDText
    evse_id: EvseIDText | None = None
    identification: Identification
    partner_product_id: ProductIDText | None = None


class AuthorizationStart(OicpModel):
    """eRoamingAuthorizationStart: the answer to AuthorizeStart, with the media that may stop the session."""

    session_id: SessionIDText | None = None
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    provider_id: ProviderIDText | None = None
    authorization_status: Annotated[Text, OneOf(AuthorizationStatus)]
    status_code: StatusCode
    authorization_stop_identifications: Many[Identification] | None = None

    @property
    def authorized(self) -> bool:
        """Whether the driver may start."""
        return self.authorization_status == AuthorizationStatus.AUTHORIZED


class AuthorizeStop(OicpModel):
    """eRoamingAuthorizeStop: a CPO asks whether a driver may stop a session."""

    session_id: SessionIDText
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    operator_id: OperatorIDText
    evse_id: EvseIDText | None = None
    identification: Identification


class AuthorizationStop(OicpModel):
    """eRoamingAuthorizationStop: the answer to AuthorizeStop."""

    session_id: SessionIDText | None = None
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    provider_id: ProviderIDText | None = None
    authorization_status: Annotated[Text, OneOf(AuthorizationStatus)]
    status_code: StatusCode

    @property
    def authorized(self) -> bool:
        """Whether the driver may stop the session."""
        return self.authorization_status == AuthorizationStatus.AUTHORIZED


class AuthorizeRemoteStart(OicpModel):
    """eRoamingAuthorizeRemoteStart: an EMP has a charging point start; it may come without SessionID (E007)."""

    session_id: SessionIDText | None = None
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    provider_id: ProviderIDText
    evse_id: EvseIDText
    identification: Identification
    partner_product_id: ProductIDText | None = None


class AuthorizeRemoteStop(OicpModel):
    """eRoamingAuthorizeRemoteStop: an EMP has a charging point end a session."""

    session_id: SessionIDText
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    provider_id: ProviderIDText
    evse_id: EvseIDText
