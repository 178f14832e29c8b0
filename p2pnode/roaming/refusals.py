"""What the codes of refusals tell: whether a message is worth sending again, and whether it may have been done."""

from http import HTTPStatus

from p2pnode.oicp.status import Code

PASSING = frozenset({Code.SYSTEM_ERROR, Code.PARTNER_DID_NOT_RESPOND})
"""The peer, or who is behind it, has failed: it may take the same push later, with nothing changed in between."""
TELLING_NOTHING = PASSING
"""What was asked for may yet have been done: by one who had no answer itself, or failed."""
ASK_AGAIN = PASSING | {Code.SERVICE_NOT_AVAILABLE}
"""After which refusals of a pull it is worth asking again, some times: what is asked may not be up yet."""

AWAY = frozenset(
    {Code.PARTNER_NOT_FOUND, Code.NO_VALID_CONTRACT, Code.PARTNER_DID_NOT_RESPOND, Code.SERVICE_NOT_AVAILABLE}
)
"""Why nothing of the outbox can be delivered to a peer: reasons that may pass, by themselves or in the peer table."""
FAILED = frozenset({Code.SYSTEM_ERROR, Code.UNAUTHORIZED_ACCESS})
"""Why a peer has not taken one message of the outbox, after which sending it again may help."""
OVERLOADED = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""What a system answers that is there but cannot work now, whatever it is sent."""
