"""Answers: the forms in which others say yes and no, and the forms in which this node does."""

from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge, code_of, read_answer, read_page, refusal
from p2pnode.oicp.authorization import AuthorizationStart, AuthorizeStart
from p2pnode.oicp.codec import decode, encode, read
from p2pnode.oicp.errors import BadStatus, InvalidMessage, PeerError, ProtocolError, Refused, Unreadable
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    OPERATIONS,
    PULL_EVSE_DATA,
    PULL_EVSE_STATUS,
    AnyOperation,
)
from p2pnode.oicp.rules import check, errors_in
from p2pnode.oicp.status import Code

JSON = "application/json"


def answer(operation: AnyOperation, body: bytes, http: int = 200, content_type: str | None = JSON) -> Any:  # noqa: ANN401 - an answer of any operation
    return read_answer(operation, "peer", http, content_type, body)


@pytest.mark.parametrize(
    ("body", "result", "code"),
    [
        (b'{"Result":true,"StatusCode":{"Code":"000"}}', True, "000"),
        (b'{"Result":"true","StatusCode":{"Code":"000"}}', True, "000"),
        (b'{"Result":false,"StatusCode":{"Code":"400"}}', False, "400"),
        (b'{"StatusCode":{"Code":"400"}}', False, "400"),
        (b'{"Result":null,"StatusCode":{"Code":"400"}}', False, "400"),
        (b'{"Result":false,"StatusCode":{"Code":22}}', False, "022"),
        (b'{"Result":true,"StatusCode":{"Code":0}}', True, "000"),
        (b'{"Result":false,"StatusCode":"021"}', False, "021"),
        (b'{"Result":false,"StatusCode":17}', False, "017"),
        (b'{"Result":true}', True, "000"),
        (b'{"Result":true,"StatusCode":{}}', True, "000"),
        (b'{"Result":false,"StatusCode":null}', False, "021"),
    ],
)
def test_an_acknowledgement_is_read_in_all_its_forms(body: bytes, code: str, *, result: bool) -> None:
    acknowledgement = answer(CHARGE_DETAIL_RECORD, body)
    assert (acknowledgement.result, acknowledgement.status_code.code, code_of(acknowledgement)) == (result, code, code)


@pytest.mark.parametrize(
    ("body", "authorized", "code"),
    [
        (b'{"AuthorizationStatus":"Authorized","StatusCode":{"Code":"000"},"ProviderID":"DE-DCB"}', True, "000"),
        (b'{"AuthorizationStatus":"Authorized"}', True, "000"),
        (b'{"AuthorizationStatus":"NotAuthorized","StatusCode":{"Code":"102"}}', False, "102"),
        (b'{"AuthorizationStatus":"NotAuthorized"}', False, "106"),
        (b'{"AuthorizationStatus":"Perhaps","StatusCode":{"Code":"000"}}', False, "000"),
    ],
)
def test_a_refused_authorization_is_an_answer(body: bytes, code: str, *, authorized: bool) -> None:
    authorization = answer(AUTHORIZE_START, body)
    assert (authorization.authorized, authorization.status_code.code) == (authorized, code)


@pytest.mark.parametrize(
    ("operation", "http", "body", "code", "repeatable"),
    [
        (AUTHORIZE_START, 200, b'{"Result":false,"StatusCode":{"Code":"021"}}', "021", False),
        (PULL_EVSE_DATA, 200, b'{"Result":false,"StatusCode":{"Code":"017"}}', "017", False),
        (PULL_EVSE_DATA, 200, b'{"content":[],"StatusCode":{"Code":"017"}}', "017", False),
        (
            PULL_EVSE_STATUS,
            200,
            b'{"EvseStatuses":{"OperatorEvseStatus":[]},"StatusCode":{"Code":"210"}}',
            "210",
            False,
        ),
        (CHARGE_DETAIL_RECORD, 200, b'{"message":"no","validationErrors":[]}', "022", False),
        (CHARGE_DETAIL_RECORD, 400, b'{"message":"no","validationErrors":[{"fieldReference":"/a"}]}', "022", False),
        (CHARGE_DETAIL_RECORD, 400, b'{"message":"no"}', "022", False),
        (CHARGE_DETAIL_RECORD, 401, b'{"StatusCode":{"Code":"017"}}', "017", False),
        (CHARGE_DETAIL_RECORD, 403, b'{"StatusCode":{"Code":210}}', "210", False),
        (CHARGE_DETAIL_RECORD, 404, b'{"Result":false,"StatusCode":"300"}', "300", False),
        (CHARGE_DETAIL_RECORD, 500, b'{"StatusCode":{"Code":"021"}}', "021", True),
        (CHARGE_DETAIL_RECORD, 429, b'{"StatusCode":{"Code":"999"}}', "999", True),
    ],
)
def test_a_reason_in_another_form_is_a_refusal(
    operation: AnyOperation, http: int, body: bytes, code: str, *, repeatable: bool
) -> None:
    with pytest.raises(Refused) as refused:
        answer(operation, body, http)
    assert (refused.value.peer_code, refused.value.repeatable, refused.value.http) == (code, repeatable, http)


def test_the_errors_of_hubject_are_told_with_their_places() -> None:
    body = (
        b'{"message":"Error parsing","validationErrors":[{"fieldReference":"EvseID","errorMessage":"may not be null"}]}'
    )
    with pytest.raises(Refused, match="Error parsing EvseID: may not be null"):
        answer(CHARGE_DETAIL_RECORD, body, 400)


@pytest.mark.parametrize(
    ("http", "body", "content_type", "told"),
    [
        (503, b"<html><body><h1>Out</h1>\r\nof service</body></html>", "text/html", "HTTP 503: Out of service"),
        (404, b"nicht gef\xfcnden", "text/plain; charset=ISO-8859-1", "HTTP 404: nicht gefünden"),
        (404, b"nicht gef\xfcnden", None, "HTTP 404: nicht gefünden"),
        (404, "nicht gefünden".encode(), "text/plain; charset=nonsense", "HTTP 404: nicht gefünden"),
        (500, b"", None, "HTTP 500 without a body"),
        (500, b'{"error":"Internal Server Error","status":500}', JSON, "HTTP 500: Internal Server Error"),
        (302, b"", None, "HTTP 302 without a body"),
    ],
)
def test_an_http_error_without_a_reason_is_a_bad_status(
    http: int, body: bytes, content_type: str | None, told: str
) -> None:
    with pytest.raises(BadStatus) as failed:
        answer(CHARGE_DETAIL_RECORD, body, http, content_type)
    assert failed.value.reason == told


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"OK", b'{"Result":[]}', b'{"StatusCode":{}}', b"{" * 10_000])
def test_what_is_not_the_answer_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        answer(AUTHORIZE_START, body)


def test_an_answer_in_iso_8859_1_is_read() -> None:
    body = '{"Result":false,"StatusCode":{"Code":"400","Description":"ungültig"}}'.encode("iso-8859-1")
    for content_type in ("application/json; charset=iso-8859-1", JSON, None):
        assert answer(CHARGE_DETAIL_RECORD, body, content_type=content_type).status_code.description == "ungültig"


def test_a_page_is_read_without_its_records() -> None:
    page = read_page(PULL_EVSE_DATA, "peer", 200, JSON, b'{"content":[{"EvseID":1},5],"last":true,"StatusCode":null}')
    assert (list(page.records), page.message.last) == ([b'{"EvseID":1}', b"5"], True)
    accented = '{"content":[{"EvseID":"ü"}],"Name":"ü"}'.encode("iso-8859-1")
    assert decode(read_page(PULL_EVSE_DATA, "peer", 200, JSON, accented).records[0]) == {"EvseID": "ü"}


@pytest.mark.parametrize(
    ("http", "body", "error"),
    [
        (200, b'{"content":[],"StatusCode":{"Code":"017"}}', Refused),
        (200, b'{"Result":false,"StatusCode":{"Code":"017"}}', Refused),
        (500, b"oh", BadStatus),
        (200, b"oh", Unreadable),
        (200, b"", Unreadable),
    ],
)
def test_a_page_that_was_refused_does_not_pass_for_an_empty_one(http: int, body: bytes, error: type[PeerError]) -> None:
    with pytest.raises(error):
        read_page(PULL_EVSE_DATA, "peer", http, JSON, body)


@given(
    st.sampled_from([AUTHORIZE_START, CHARGE_DETAIL_RECORD, PULL_EVSE_STATUS]),
    st.sampled_from([200, 204, 302, 400, 401, 404, 500]),
    st.sampled_from([None, JSON, "text/html; charset=utf-16", "text/plain; charset=hex", ";charset="]),
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(
            ["Result", "StatusCode", "message", "error", "validationErrors", "AuthorizationStatus", "Code"]
        ),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.none()) | st.just({"Code": 1}),
    ).map(encode),
)
@settings(max_examples=200)
def test_whatever_a_peer_answers_is_an_answer_or_a_peer_error(
    operation: AnyOperation, http: int, content_type: str | None, body: bytes
) -> None:
    try:
        read_back = read_answer(operation, "peer", http, content_type, body)
    except PeerError as failed:
        assert failed.reason.isprintable()  # noqa: PT017 - both outcomes are allowed
    else:
        assert isinstance(read_back, operation.answer)


def test_a_code_of_no_specification_is_told_on_one_line() -> None:
    forged = Acknowledgement.model_validate({"Result": True, "StatusCode": {"Code": "000\n" + "x" * 1000}})
    told = code_of(forged)
    assert told.startswith("000 x")
    assert len(told) == 300


def test_an_acknowledgement_echoes_the_session() -> None:
    request = read(AuthorizeStart, {"OperatorID": "DE*ABC", "Identification": {}, "CPOPartnerSessionID": "c-1"})
    positive = acknowledge(request, session_id="b2688855-7f00-0002-6d8e-48d883f6abb6")
    assert positive.wire() == {
        "Result": True,
        "StatusCode": {"Code": "000", "Description": "Success."},
        "SessionID": "b2688855-7f00-0002-6d8e-48d883f6abb6",
        "CPOPartnerSessionID": "c-1",
    }
    negative = acknowledge(None, Code.SESSION_INVALID, "x" * 2000)
    assert (negative.result, len(negative.status_code.additional_info or "")) == (False, 1000)
    assert (check(positive), check(negative)) == ((), ())


def test_a_session_id_that_breaks_its_rule_is_not_echoed_or_the_answer_would_break_it() -> None:
    wire: dict[str, object] = {
        "OperatorID": "DE*ABC",
        "Identification": {},
        "SessionID": "nonsense",
        "EMPPartnerSessionID": "e" * 251,
    }
    request = read(AuthorizeStart, {**wire, "CPOPartnerSessionID": "c" * 250})
    _, refused = refusal(AUTHORIZE_START, ProtocolError(Code.UNAUTHORIZED_ACCESS, "not yours"), request)
    for model in (acknowledge(request), refused):
        assert model.wire().keys() & {"SessionID", "EMPPartnerSessionID"} == set()
        assert model.wire()["CPOPartnerSessionID"] == "c" * 250
        assert check(model) == ()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_is_refused_in_its_own_answer(operation: AnyOperation) -> None:
    http, model = refusal(operation, ProtocolError(Code.PARTNER_NOT_FOUND, "no route"))
    assert http is HTTPStatus.OK
    assert isinstance(model, operation.answer)
    assert (code_of(model), errors_in(check(model))) == ("300", ())
    assert read(operation.answer, encode(model)).wire() == model.wire()
    if isinstance(model, Acknowledgement | AuthorizationStart) or operation.name == "AuthorizeStop":
        assert code_of(read_answer(operation, "peer", http, JSON, encode(model))) == "300"
    else:
        with pytest.raises(Refused):
            read_answer(operation, "peer", http, JSON, encode(model))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_invalid_message_is_refused_for_both_kinds_of_client(operation: AnyOperation) -> None:
    with pytest.raises(InvalidMessage) as invalid:
        read(operation.request, b'{"Type": 5}')
    http, model = refusal(operation, invalid.value)
    wire = model.wire()
    assert http is HTTPStatus.BAD_REQUEST
    assert (wire["Result"], wire["StatusCode"]["Code"]) == (False, "022")
    assert wire["validationErrors"][0].keys() == {"fieldReference", "errorMessage"}
    assert wire["message"]
    with pytest.raises(Refused):
        read_answer(operation, "peer", http, JSON, encode(model))


def test_what_is_no_operation_is_refused_by_an_acknowledgement() -> None:
    http, model = refusal(None, ProtocolError(Code.DATA_ERROR, "unknown path", http=HTTPStatus.NOT_FOUND))
    assert (http, model.wire()) == (
        404,
        {
            "Result": False,
            "StatusCode": {"Code": "022", "Description": "Data error.", "AdditionalInfo": "unknown path"},
        },
    )
