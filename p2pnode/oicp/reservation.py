"""eRoamingReservation: a provider reserves a charging point, and gives it back."""

from typing import Annotated

from p2pnode.oicp.constraints import Range
from p2pnode.oicp.errata import E005
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.model import OicpModel, Whole, names
from p2pnode.oicp.scalars import EvseIDText, PartnerSessionIDText, ProductIDText, ProviderIDText, SessionIDText

LONGEST_RESERVATION = 99


class AuthorizeRemoteReservationStart(OicpModel):
    """eRoamingAuthorizeRemoteReservationStart: an EMP reserves a charging point; `duration` is in minutes."""

    model_config = names(emp_partner_session_id=E005.forms)

    session_id: SessionIDText | None = None
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    provider_id: ProviderIDText
    evse_id: EvseIDText
    identification: Identification
    partner_product_id: ProductIDText | None = None
    duration: Annotated[Whole | None, Range(1, LONGEST_RESERVATION)] = None


class AuthorizeRemoteReservationStop(OicpModel):
    """eRoamingAuthorizeRemoteReservationStop: an EMP gives a reservation back."""

    model_config = names(emp_partner_session_id=E005.forms)

    session_id: SessionIDText
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    provider_id: ProviderIDText
    evse_id: EvseIDText
