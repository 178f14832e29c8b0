"""eRoamingAcknowledgement: the answer to most requests."""

from typing import Annotated

from pydantic import BeforeValidator

from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.scalars import PartnerSessionIDText, SessionIDText
from p2pnode.oicp.status import StatusCode


def _null_is_false(value: object) -> object:
    return False if value is None else value


class Acknowledgement(OicpModel):
    """eRoamingAcknowledgement: whether the operation was performed, and why not.

    `result` is false where a sender leaves it out, as failures of some implementations do.
    """

    result: Annotated[bool, BeforeValidator(_null_is_false)] = False
    status_code: StatusCode
    session_id: SessionIDText | None = None
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
