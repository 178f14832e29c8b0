"""What a signature has to cover, so that nothing of a request, of an answer, or between them can be exchanged."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from p2pnode.peering.http_signatures import Message, SignatureProblem, SigningKey, content_digest, sign
from p2pnode.peering.signed_exchange import LABEL, prove, sign_request, written

KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
SPKI = KEY.public.spki
PATH = "/api/oicp/charging/v21/operators/DE*ABC/authorize/start"
DIGEST = '"content-digest";key="sha-256"'
OTHER_MEMBER = '"content-digest";key="x"'
WHOLE_REQUEST = '"@method";req "@path";req "content-digest";req'


def request_of(
    covered: str = '"@method" "@path" "content-digest"', target: str = PATH, body: bytes = b"asked"
) -> Message:
    return _signed(f"({covered})", Message({"content-digest": digests(body)}, "POST", target))


def answer_to(request: Message, covered: str) -> Message:
    return _signed(f"({covered})", Message({"content-digest": digests(b"told")}, status=200, request=request))


def _signed(covered: str, message: Message) -> Message:
    given, value = sign(KEY, LABEL, covered, message, 1000)
    return message._replace(fields={**message.fields, "signature-input": given, "signature": value})


def digests(body: bytes) -> str:
    """The digest of a body, beside one of a kind that nobody checks."""
    return f"{content_digest(body)}, x=:AA==:"


def holds(request: Message, answer: Message, asked: bytes = b"asked", told: bytes = b"told") -> bool:
    try:
        prove(written(request, asked), written(answer, told), SPKI, SPKI)
    except SignatureProblem:
        return False
    return True


BOUND = '"@status" "content-digest" "signature";req'


@pytest.mark.parametrize(
    ("of_request", "of_answer"),
    [('"content-digest"', '"content-digest"'), (DIGEST, DIGEST)],
)
def test_a_digest_that_is_checked_may_be_covered_alone(of_request: str, of_answer: str) -> None:
    request = request_of(f'"@method" "@path" {of_request}')
    assert holds(request, answer_to(request, f'"@status" {of_answer} "signature";req'))


def test_a_signature_over_a_digest_that_nobody_checks_is_refused() -> None:
    request = request_of(f'"@method" "@path" {OTHER_MEMBER}')
    assert not holds(request, answer_to(request, BOUND))
    request = request_of()
    assert not holds(request, answer_to(request, f'"@status" {OTHER_MEMBER} "signature";req'))


@pytest.mark.parametrize(
    "binding",
    ['"signature";req', f'"signature";req;key="{LABEL}"', WHOLE_REQUEST, '"@request-target";req ' + WHOLE_REQUEST],
)
def test_an_answer_that_covers_its_request_proves_for_no_other(binding: str) -> None:
    request, other = request_of(), request_of(target=PATH.replace("ABC", "XYZ"))
    answer = answer_to(request, f'"@status" "content-digest" {binding}')
    assert holds(request, answer)
    assert not holds(other, answer)


@pytest.mark.parametrize(
    "binding",
    [
        '"content-digest";req',
        '"@method";req "content-digest";req',
        '"@path";req "content-digest";req',
        '"@method";req "@path";req',
        f'"@method";req "@path";req {OTHER_MEMBER};req',
    ],
)
def test_an_answer_that_covers_less_of_its_request_is_refused(binding: str) -> None:
    request = request_of()
    assert not holds(request, answer_to(request, f'"@status" "content-digest" {binding}'))


def test_an_answer_that_covers_its_request_by_parts_covers_the_query_too() -> None:
    request = request_of('"@method" "@path" "@query" "content-digest"', f"{PATH}?page=1")
    assert not holds(request, answer_to(request, f'"@status" "content-digest" {WHOLE_REQUEST}'))
    assert holds(request, answer_to(request, f'"@status" "content-digest" "@query";req {WHOLE_REQUEST}'))


def test_an_answer_that_covers_another_signature_than_the_one_that_holds_is_refused() -> None:
    asked = sign_request(KEY, PATH, "process-1", content_digest(b"asked"), 1000).message
    fields = dict(asked.fields) | {
        "signature-input": f'{asked.fields["signature-input"]}, b=("@method");created=1;keyid="another"',
        "signature": f"{asked.fields['signature']}, b=:AA==:",
    }
    request = asked._replace(fields=fields)
    for label, is_good in ((LABEL, True), ("b", False)):
        answer = answer_to(request, f'"@status" "content-digest" "signature";req;key="{label}"')
        assert holds(request, answer) is is_good
