"""What can go wrong, sorted by whose fault it is and by what the caller does next.

`ProtocolError` is the answer to something that came in. `PeerError` and its kinds say what became of something that
went out. `MessageError` is our own mistake, raised before anything is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.status import Code


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule a message breaks: RFC 6901 JSON pointer, rule code, a sentence, severity."""

    pointer: str
    code: str
    message: str
    severity: Severity = Severity.ERROR


class OicpError(Exception):
    """The base of all errors of this project that concern OICP."""


class MessageError(OicpError):
    """A message that this node was about to send breaks the rules; nothing was sent."""


class ProtocolError(OicpError):
    """A refusal: the OICP status code and reason that answer an incoming request, and the HTTP status beside them."""

    def __init__(
        self,
        code: Code,
        reason: str,
        *,
        http: HTTPStatus = HTTPStatus.OK,
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(f"{code} {code.description} {reason}".rstrip())
        self.code = code
        self.reason = reason
        self.http = http
        self.violations = tuple(violations)


class NotAllowed(ProtocolError):
    """What the caller sends is not for this caller to send. The reason is in this node's own words."""


class InvalidMessage(ProtocolError):
    """The body is not JSON, or is JSON but not the message: HTTP 400, code 022, with all violations."""

    def __init__(self, reason: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(Code.DATA_ERROR, reason, http=HTTPStatus.BAD_REQUEST, violations=violations)


class PeerError(OicpError):
    """A call to a peer failed.

    `code` is the OICP code that tells our own side why, `repeatable` whether trying again can help.
    """

    code = Code.SERVICE_NOT_AVAILABLE
    repeatable = True

    def __init__(self, peer: str, reason: str, *, http: int | None = None) -> None:
        super().__init__(f"{peer}: {reason}")
        self.peer = peer
        self.reason = reason
        self.http = http


class Unreachable(PeerError):
    """No connection: no byte of the request reached the peer (320)."""


class NoAnswer(PeerError):
    """The request may have been processed, but no answer came in time (310)."""

    code = Code.PARTNER_DID_NOT_RESPOND


class Refused(PeerError):
    """The peer understood and said no; `peer_code` is its status code.

    A repeat changes nothing, unless the HTTP status says that the trouble will pass (5xx, 408, 425, 429).
    """

    repeatable = False

    def __init__(self, peer: str, reason: str, peer_code: str, *, http: int | None = None) -> None:
        super().__init__(peer, reason, http=http)
        self.peer_code = peer_code
        self.code = Code(peer_code) if peer_code in Code.__members__.values() else Code.SERVICE_NOT_AVAILABLE


class BadStatus(PeerError):
    """The peer answered with an HTTP error and no readable OICP reason."""


class Unreadable(PeerError):
    """The peer answered with something that is not the answer of the operation."""
