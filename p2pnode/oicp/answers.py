"""Building the answer of each operation, and reading what others answer, in every form they are known to use."""

import re
from codecs import getincrementaldecoder
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.authentication import AuthenticationData
from p2pnode.oicp.authorization import AuthorizationStart, AuthorizationStatus, AuthorizationStop
from p2pnode.oicp.cdr import ChargeDetailRecords
from p2pnode.oicp.codec import decode, read
from p2pnode.oicp.envelopes import Envelope, split_answer
from p2pnode.oicp.errors import BadStatus, InvalidMessage, PeerError, ProtocolError, Refused, Unreadable
from p2pnode.oicp.evse_data import EvseData
from p2pnode.oicp.evse_status import EvseStatus, EvseStatusById, EvseStatusByOperatorId
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation, Operation
from p2pnode.oicp.pricing import EvsePricing, PricingProductData
from p2pnode.oicp.scalars import PARTNER_SESSION_ID, SESSION_ID
from p2pnode.oicp.status import Code, StatusCode

Answer = TypeVar("Answer", bound=OicpModel)

_EMPTY_PAGE: Mapping[str, object] = {
    "content": [],
    "number": 0,
    "size": 0,
    "totalElements": 0,
    "totalPages": 0,
    "first": True,
    "last": True,
    "numberOfElements": 0,
}
_NEGATIVE: Mapping[type[OicpModel], Mapping[str, object]] = {
    Acknowledgement: {"Result": False},
    AuthorizationStart: {"AuthorizationStatus": AuthorizationStatus.NOT_AUTHORIZED.value},
    AuthorizationStop: {"AuthorizationStatus": AuthorizationStatus.NOT_AUTHORIZED.value},
    EvseData: _EMPTY_PAGE,
    ChargeDetailRecords: _EMPTY_PAGE,
    EvseStatus: {"EvseStatuses": {"OperatorEvseStatus": []}},
    EvseStatusByOperatorId: {"EvseStatuses": {"OperatorEvseStatus": []}},
    EvseStatusById: {"EVSEStatusRecords": {"EvseStatusRecord": []}},
    PricingProductData: {"PricingProductData": []},
    EvsePricing: {"OperatorEVSEPricing": []},
    AuthenticationData: {"AuthenticationData": {"ProviderAuthenticationData": []}},
}
_CODES = frozenset(code.value for code in Code)
_WITH_SESSION = frozenset({Acknowledgement, AuthorizationStart, AuthorizationStop})
_SESSION_MEMBERS = {
    "SessionID": "session_id",
    "CPOPartnerSessionID": "cpo_partner_session_id",
    "EMPPartnerSessionID": "emp_partner_session_id",
}


def acknowledge(
    request: OicpModel | None = None,
    code: Code = Code.SUCCESS,
    additional_info: str | None = None,
    *,
    session_id: str | None = None,
) -> Acknowledgement:
    """eRoamingAcknowledgement: positive with code 000, else negative. The session ids of the request are echoed.

    `session_id` takes the place of the request's, where this node has minted one.
    """
    members: dict[str, object] = {**_session_members(request)}
    if session_id is not None:
        members["SessionID"] = session_id
    members |= {"Result": code is Code.SUCCESS, "StatusCode": StatusCode.of(code, additional_info)}
    return Acknowledgement.model_validate(members)


def refusal(
    operation: AnyOperation | None, error: ProtocolError, request: OicpModel | None = None
) -> tuple[HTTPStatus, OicpModel]:
    """The HTTP status and the answer that refuse a request of `operation` with the code and reason of `error`.

    It is the operation's own answer: NotAuthorized, a negative acknowledgement, or empty lists with the StatusCode.
    Where the message itself is not valid, Hubject's `message` and `validationErrors` stand beside it, so that both
    kinds of client find what they look for. Without an operation it is an acknowledgement.
    """
    answer = operation.answer if operation else Acknowledgement
    members: dict[str, object] = {**_NEGATIVE[answer], "StatusCode": StatusCode.of(error.code, error.reason or None)}
    if answer in _WITH_SESSION:
        members |= _session_members(request)
    if isinstance(error, InvalidMessage):
        members |= {
            "Result": False,
            "message": "Error parsing/validating JSON.",
            "validationErrors": [
                {"fieldReference": violation.pointer, "errorMessage": violation.message}
                for violation in error.violations
            ],
        }
    return error.http, answer.model_validate(members)


def _session_members(request: OicpModel | None) -> dict[str, object]:
    """The session ids of a request; one that breaks its rule is not echoed, or the answer would break it too."""
    found = {member: getattr(request, attribute, None) for member, attribute in _SESSION_MEMBERS.items()}
    return {
        member: value for member, value in found.items() if isinstance(value, str) and _may_be_echoed(member, value)
    }


def _may_be_echoed(member: str, value: str) -> bool:
    if member == "SessionID":
        return SESSION_ID.pattern.fullmatch(value) is not None
    return len(value) <= PARTNER_SESSION_ID.maximum


def code_of(answer: OicpModel) -> str:
    """The status code in an answer, 000 where it has none; what is no code of the specification is cut to one line."""
    status = getattr(answer, "status_code", None)
    if not isinstance(status, StatusCode):
        return Code.SUCCESS.value
    return status.code if status.code in _CODES else _one_line(status.code)


def read_answer(
    operation: Operation[Any, Answer], peer: str, http_status: int, content_type: str | None, body: bytes
) -> Answer:
    """The answer of `peer` to `operation`.

    A negative acknowledgement and NotAuthorized are answers; empty lists with a status code other than 000 are not, or
    a refused pull would pass for an empty network. Raises `Refused` for anything else that carries an OICP status code
    or Hubject's validation errors, `BadStatus` for an HTTP error without them, and `Unreadable` for what is not an
    answer of the operation.
    """
    wire = _json(content_type, body)
    if not _is_success(http_status) or not isinstance(wire, Mapping):
        raise _failure(operation, peer, http_status, _text(content_type, body), wire)
    members = cast("Mapping[str, object]", wire)
    try:
        answer = read(operation.answer, _completed(operation.answer, members))
    except InvalidMessage as invalid:
        raise _failure(operation, peer, http_status, invalid.reason, members) from None
    if _is_refused_pull(answer):
        raise _failure(operation, peer, http_status, "", members)
    return answer


def read_page(
    operation: Operation[Any, Answer], peer: str, http_status: int, content_type: str | None, body: bytes
) -> Envelope[Answer]:
    """The answer of `peer` with its records unread, so that a bad one costs no other. Raises as `read_answer` does."""
    if not _is_success(http_status):
        raise _failure(operation, peer, http_status, _text(content_type, body), _json(content_type, body))
    try:
        envelope = _split_answer(operation, content_type, body)
    except InvalidMessage as invalid:
        raise _failure(operation, peer, http_status, invalid.reason, _json(content_type, body)) from None
    if not envelope.records and _is_refused_pull(envelope.message):
        raise _failure(operation, peer, http_status, "", _json(content_type, body))
    return envelope


def _split_answer(operation: Operation[Any, Answer], content_type: str | None, body: bytes) -> Envelope[Answer]:
    try:
        return split_answer(operation, body)
    except InvalidMessage:
        transcoded = _transcoded(content_type, body)
        if transcoded == body:
            raise
    return split_answer(operation, transcoded)


def _is_refused_pull(answer: OicpModel) -> bool:
    """Whether the answer to a pull carries nothing but a status code other than 000."""
    return type(answer) not in _WITH_SESSION and code_of(answer) != Code.SUCCESS.value and _is_empty(answer)


def _is_empty(model: OicpModel) -> bool:
    members: list[object] = [value for name, value in model if name != "status_code"]
    inner = [member for member in members if isinstance(member, OicpModel)]
    return not any(isinstance(member, list) and member != [] for member in members) and all(map(_is_empty, inner))


def _is_success(http_status: int) -> bool:
    return HTTPStatus.OK <= http_status < HTTPStatus.MULTIPLE_CHOICES


def _completed(answer: type[OicpModel], wire: Mapping[str, object]) -> Mapping[str, object]:
    """The answer with the StatusCode its other members imply, where a sender left it out."""
    status = wire.get("StatusCode")
    if answer not in _WITH_SESSION:
        return wire
    if status is not None and not (isinstance(status, Mapping) and "Code" not in status):
        return wire
    if answer is Acknowledgement:
        result = wire.get("Result")
        if result is None:
            return wire
        code = Code.SUCCESS if result is True or result == "true" else Code.SYSTEM_ERROR
    else:
        authorized = wire.get("AuthorizationStatus") == AuthorizationStatus.AUTHORIZED
        code = Code.SUCCESS if authorized else Code.NO_POSITIVE_AUTHENTICATION
    return {**wire, "StatusCode": {"Code": code.value, "AdditionalInfo": "The answer came without a StatusCode."}}


_REPEATABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def _failure(operation: AnyOperation, peer: str, http: int, text: str, wire: object) -> PeerError:
    """The error that fits an answer which is not the operation's."""
    code, reason = _reason_in(wire)
    if code is None and http == HTTPStatus.BAD_REQUEST and reason:
        code = Code.DATA_ERROR.value
    if code is not None and code != Code.SUCCESS.value:
        refused = Refused(peer, _one_line(f"{code} {reason}"), _one_line(code), http=http)
        refused.repeatable = http >= HTTPStatus.INTERNAL_SERVER_ERROR or http in _REPEATABLE
        return refused
    told = text if code else reason or text
    if not _is_success(http):
        return BadStatus(peer, f"HTTP {http}: {told}" if told else f"HTTP {http} without a body", http=http)
    if not told:
        return Unreadable(peer, f"the answer to {operation.name} is empty", http=http)
    return Unreadable(peer, f"this is not an answer to {operation.name}: {told}", http=http)


def _reason_in(wire: object) -> tuple[str | None, str]:
    """The status code and the reason that a JSON answer of whatever form carries."""
    if not isinstance(wire, Mapping):
        return None, ""
    members = cast("Mapping[str, object]", wire)
    try:
        status = StatusCode.model_validate(members.get("StatusCode"))
    except ValidationError:
        status = None
    if status is not None:
        known = Code(status.code).description if status.code in Code.__members__.values() else ""
        told = (status.description or known, status.additional_info)
        return status.code, _one_line(" ".join(part for part in told if part))
    message = members.get("message") or members.get("error")
    reason = _one_line(message) if isinstance(message, str) else ""
    errors = members.get("validationErrors")
    if not isinstance(errors, list):
        return None, reason
    details = [_validation_error(error) for error in cast("list[object]", errors)[:20]]
    return Code.DATA_ERROR.value, _one_line(" ".join([reason, *details]))


def _validation_error(error: object) -> str:
    if not isinstance(error, Mapping):
        return ""
    members = cast("Mapping[str, object]", error)
    return f"{members.get('fieldReference', '')}: {members.get('errorMessage', '')}"


_TAG = re.compile(r"<[^<>]*>")
_CHARSET = re.compile(
    r"charset\s*=\s*\"?(utf-?(?:8|16|32)|iso-8859-[0-9]{1,2}|windows-125[0-9]|us-ascii)\b", re.IGNORECASE
)
TEXT_LIMIT = 300
TEXT_READ = 4000


def _json(content_type: str | None, body: bytes) -> object:
    """The decoded body, also where it is not in UTF-8; None where it is not JSON."""
    try:
        return decode(body)
    except InvalidMessage:
        pass
    try:
        return decode(_transcoded(content_type, body))
    except InvalidMessage:
        return None


def _transcoded(content_type: str | None, body: bytes) -> bytes:
    """The body in UTF-8, from the charset its sender names, else from ISO-8859-1."""
    named = _CHARSET.search(content_type or "")
    try:
        return body.decode(named[1] if named else "iso-8859-1").encode()
    except (LookupError, UnicodeError):
        return body.decode("iso-8859-1").encode()


def _text(content_type: str | None, body: bytes) -> str:
    """The readable beginning of a body that is not JSON, on one line and without markup."""
    beginning = body[:TEXT_READ]
    try:
        text = getincrementaldecoder("utf-8")().decode(beginning)  # a character cut in two at the end is no error
    except UnicodeDecodeError:
        text = _transcoded(content_type, beginning).decode()
    return _one_line(_TAG.sub(" ", text))


def _one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text[:TEXT_READ])
    line = " ".join(printable.split())
    return line if len(line) <= TEXT_LIMIT else line[: TEXT_LIMIT - 1] + "…"
