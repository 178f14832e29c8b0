"""HTTP Message Signatures against the published examples of RFC 9421 and RFC 9530, and against what is malformed."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from p2pnode.peering.http_signatures import (
    Message,
    SignatureProblem,
    SigningKey,
    VerifyKey,
    check,
    check_digest,
    content_digest,
    sign,
    signatures_of,
)

P256 = VerifyKey.of(
    b64decode(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf"
        "w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ=="
    )
)
"""RFC 9421, B.1.3."""
ED25519 = VerifyKey.of(b64decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="))
ED25519_PRIVATE = serialization.load_der_private_key(
    b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF"), None
)
"""RFC 9421, B.1.4."""

HELLO = b'{"hello": "world"}'
HELLO_SHA512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
REQUEST_FIELDS = {
    "host": "example.com",
    "date": "Tue, 20 Apr 2021 02:07:55 GMT",
    "content-type": "application/json",
    "content-digest": HELLO_SHA512,
    "content-length": "18",
}
REQUEST = Message(REQUEST_FIELDS, "POST", "/foo?param=Value&Pet=dog")
"""The request of RFC 9421, appendix B.2."""


def signed(message: Message, given_input: str, value: str) -> Message:
    return message._replace(fields={**message.fields, "signature-input": given_input, "signature": value})


B24 = signed(
    Message(
        {
            "content-type": "application/json",
            "content-digest": "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5"
            "oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
            "content-length": "23",
        },
        status=200,
    ),
    'sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"',
    "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:",
)
"""B.2.4: a response signed with ecdsa-p256-sha256."""
B26 = signed(
    REQUEST,
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"',
    "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
)
"""B.2.6: a request signed with ed25519."""
B4 = signed(
    Message({"host": "example.org", "accept": "application/json, */*"}, "GET", "/demo?name1=Value1&Name2=value2"),
    'transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"',
    "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:",
)
"""B.4: a request that proxies have changed, in which two fields of one name became one."""
S24 = signed(
    Message(
        {
            "content-type": "application/json",
            "content-digest": "sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloESHObfwnHJDbkkWWQz6Phh"
            "U9kxsTbARtY2PTBOzq24uJFpHsMuAg==:",
        },
        status=503,
        request=REQUEST,
    ),
    'reqres=("@status" "content-digest" "content-type" "@authority";req "@method";req "@path";req '
    '"content-digest";req);created=1618884479;keyid="test-key-ecc-p256"',
    "reqres=:dMT/A/76ehrdBTD/2Xx8QuKV6FoyzEP/I9hdzKN8LQJLNgzU4W767HK05rx1i8meNQQgQPgQp8wq2ive3tV5Ag==:",
)
"""Section 2.4: a response whose signature covers its request."""

VECTORS = [
    pytest.param(B24, P256, id="B.2.4"),
    pytest.param(B26, ED25519, id="B.2.6"),
    pytest.param(B4, ED25519, id="B.4"),
    pytest.param(S24, P256, id="2.4"),
]


def is_good(message: Message, key: VerifyKey) -> bool:
    try:
        check(signatures_of(message.fields)[0], key, message)
    except SignatureProblem:
        return False
    return True


@pytest.mark.parametrize(("message", "key"), VECTORS)
def test_the_published_signature_holds(message: Message, key: VerifyKey) -> None:
    assert is_good(message, key)
    assert not is_good(message, P256 if key is ED25519 else ED25519)


def altered(message: Message, name: str) -> Message:
    """The message with another value of this component."""
    match name:
        case "@status":
            return message._replace(status=message.status + 1)
        case "@method":
            return message._replace(method="PUT")
        case "@path":
            return message._replace(target=f"/bar{message.target}")
        case _:
            field = "host" if name == "@authority" else name
            return message._replace(fields={**message.fields, field: message.fields[field] + "x"})


@pytest.mark.parametrize(("message", "key"), VECTORS)
def test_it_does_not_hold_for_a_message_that_differs_in_anything_it_covers(message: Message, key: VerifyKey) -> None:
    for part in signatures_of(message.fields)[0].covered:
        if part.of_request and message.request is not None:
            changed = message._replace(request=altered(message.request, part.name))
        else:
            changed = altered(message, part.name)
        assert not is_good(changed, key), part.text


def test_the_signature_base_is_the_published_one() -> None:
    signature = signatures_of(S24.fields)[0]
    assert signature.covered.base(signature.inner, S24).decode().splitlines() == [
        '"@status": 503',
        f'"content-digest": {S24.fields["content-digest"]}',
        '"content-type": application/json',
        '"@authority";req: example.com',
        '"@method";req: POST',
        '"@path";req: /foo',
        f'"content-digest";req: {HELLO_SHA512}',
        f'"@signature-params": {S24.fields["signature-input"].removeprefix("reqres=")}',
    ]


def test_ed25519_makes_the_published_signature_byte_for_byte() -> None:
    signature = signatures_of(B26.fields)[0]
    key = SigningKey(ED25519_PRIVATE)
    made = key.sign(signature.covered.base(signature.inner, B26))
    assert f"sig-b26=:{b64encode(made).decode()}:" == B26.fields["signature"]


def test_what_p256_signs_verifies_and_has_64_bytes() -> None:
    key = SigningKey(ec.generate_private_key(ec.SECP256R1()))
    for created in range(40):  # r or s begins with a zero byte in one of 128
        given_input, value = sign(key, "oicp", '("@method" "@path")', REQUEST, created)
        message = signed(REQUEST, given_input, value)
        assert len(signatures_of(message.fields)[0].value) == 64
        assert is_good(message, key.public)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", HELLO),
        ("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", HELLO + b"\n"),
        (HELLO_SHA512, HELLO),
        (
            "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:",
            HELLO + b"\n",
        ),
        ("md5=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", HELLO),
    ],
)
def test_the_published_digests_are_those_of_their_bodies(field: str, body: bytes) -> None:
    check_digest(field, body)
    with pytest.raises(SignatureProblem, match="not the one"):
        check_digest(field, body + b" ")


def test_of_two_digests_both_have_to_hold() -> None:
    wrong = b64encode(hashlib.sha512(b"other").digest()).decode()
    with pytest.raises(SignatureProblem, match="not the one"):
        check_digest(f"{content_digest(HELLO)}, sha-512=:{wrong}:", HELLO)


@pytest.mark.parametrize("field", ["", "md5=:AAAA:", "sha-256", "sha-256=X48E", "sha-256=:AAAA:,", "sha-256=()"])
def test_a_digest_that_tells_nothing_is_refused(field: str) -> None:
    with pytest.raises(SignatureProblem):
        check_digest(field, HELLO)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"signature": B26.fields["signature"]},
        {"signature-input": B26.fields["signature-input"]},
        {**B26.fields, "signature": "sig-b26=:####:"},
        {**B26.fields, "signature": "other" + B26.fields["signature"]},
        {**B26.fields, "signature": B26.fields["signature"].replace("RCw==", "RCx==")},
        {**B26.fields, "signature-input": B26.fields["signature-input"] + ","},
        {**B26.fields, "signature-input": f"{B26.fields['signature-input']}, {B26.fields['signature-input']}"},
        {**B26.fields, "signature-input": B26.fields["signature-input"].replace('"date"', '"date" "date"')},
        {**B26.fields, "signature-input": B26.fields["signature-input"].replace('"date"', '"date";sf')},
        {**B26.fields, "signature-input": B26.fields["signature-input"].replace('"date"', '"date";req=?0')},
        {**B26.fields, "signature-input": B26.fields["signature-input"].replace('"date"', '"Date"')},
        {**B26.fields, "signature-input": B26.fields["signature-input"].replace('"date"', '"@signature-params"')},
    ],
)
def test_what_is_no_signature_is_refused(fields: Mapping[str, str]) -> None:
    with pytest.raises(SignatureProblem):
        signatures_of(fields)


@pytest.mark.parametrize("covered", ['"x-missing"', '"@query-param";name="Pet"', '"@target-uri"', '"date";key="a"'])
def test_a_component_that_cannot_be_told_is_refused(covered: str) -> None:
    given_input = B26.fields["signature-input"].replace('"date"', covered)
    message = signed(REQUEST, given_input, B26.fields["signature"])
    with pytest.raises(SignatureProblem, match=r"x-missing|cannot be"):
        check(signatures_of(message.fields)[0], ED25519, message)


def test_another_algorithm_than_that_of_the_key_is_refused() -> None:
    message = signed(REQUEST, B26.fields["signature-input"] + ';alg="hmac-sha256"', B26.fields["signature"])
    with pytest.raises(SignatureProblem, match="another algorithm"):
        check(signatures_of(message.fields)[0], ED25519, message)


def test_other_keys_than_p256_and_ed25519_are_refused() -> None:
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(SignatureProblem):
            VerifyKey(key.public_key())
    with pytest.raises(SignatureProblem):
        VerifyKey.of(b"no key")


FIELDS = ("content-digest", "process-id", "host", "x-list")
DERIVED = ("@method", "@path", "@query", "@request-target", "@authority", "@status")
VALUES = st.text(alphabet='abc 019=:;,"()', max_size=12)
HEADERS = st.fixed_dictionaries(dict.fromkeys(FIELDS[:2], VALUES), optional=dict.fromkeys(FIELDS[2:], VALUES))


def request_with(fields: dict[str, str], method: str, target: str) -> Message:
    return Message(fields, method, target)


def answer_with(fields: dict[str, str], status: int, request: Message | None) -> Message:
    return Message(fields, status=status, request=request)


REQUESTS = st.builds(
    request_with, HEADERS, st.sampled_from(["POST", "GET"]), st.sampled_from(["/a", "/a?b=c", "/a?", "/a?b?c"])
)
ANSWERS = st.builds(answer_with, HEADERS, st.sampled_from([200, 401]), REQUESTS | st.none())
OF_A_REQUEST = st.sampled_from([(name, "") for name in FIELDS + DERIVED[:-1]])
OF_AN_ANSWER = st.sampled_from(
    [(name, "") for name in (*FIELDS, "@status")] + [(name, ";req") for name in FIELDS + DERIVED]
)
CASES = st.tuples(st.lists(OF_A_REQUEST, max_size=5, unique=True), REQUESTS) | st.tuples(
    st.lists(OF_AN_ANSWER, max_size=5, unique=True), ANSWERS
)


def plainly(name: str, message: Message | None) -> str | None:
    """The value of a component, by the letter of RFC 9421, 2.1 and 2.2; None where it is not there."""
    if message is None or not name.startswith("@"):
        return None if message is None else message.fields.get(name)
    if name == "@authority":
        host = message.fields.get("host")
        return None if host is None else host.lower()
    if name == "@status":
        return None if message.method else str(message.status)
    if not message.method:
        return None
    path, mark, query = message.target.partition("?")
    return {
        "@method": message.method,
        "@path": path,
        "@query": f"?{query}" if mark else "?",
        "@request-target": message.target,
    }[name]


@given(CASES)
def test_what_is_signed_is_what_the_letter_of_the_rfc_says(case: tuple[list[tuple[str, str]], Message]) -> None:
    components, message = case
    names = [f'"{name}"{of}' for name, of in components]
    inner = f"({' '.join(names)});created=1"
    values = [plainly(name, message.request if of else message) for name, of in components]
    signature = signatures_of({"signature-input": f"a={inner}", "signature": "a=:AAAA:"})[0]
    if None in values:
        with pytest.raises(SignatureProblem):
            signature.covered.base(inner, message)
    else:
        lines = [f"{name}: {value}" for name, value in zip(names, values, strict=True)]
        expected = "\n".join([*lines, f'"@signature-params": {inner}'])
        assert signature.covered.base(inner, message).decode() == expected


def member_of(body: bytes, algorithm: str) -> str:
    return f"{algorithm}=:{b64encode(hashlib.new(algorithm.replace('-', ''), body).digest()).decode()}:"


@given(st.lists(st.tuples(st.sampled_from(["sha-256", "sha-512"]), st.booleans()), unique_by=lambda each: each[0]))
def test_a_digest_holds_where_all_its_members_do_in_whatever_order(members: list[tuple[str, bool]]) -> None:
    """The form that this project writes is compared as a whole, every other member by member."""
    field = ", ".join(member_of(HELLO if good else b"other", algorithm) for algorithm, good in members)
    holds = bool(members) and all(good for _, good in members)
    try:
        check_digest(field, HELLO)
    except SignatureProblem:
        assert not holds
    else:
        assert holds


@given(st.text(), st.text())
def test_no_header_field_raises_anything_else(given_input: str, value: str) -> None:
    with suppress(SignatureProblem):
        signatures_of({"signature-input": given_input, "signature": value})


@given(st.text(alphabet='()";=:, abc@*?.0123456789', max_size=60))
def test_no_field_of_their_characters_does_either(text: str) -> None:
    with suppress(SignatureProblem):
        message = signed(REQUEST, f"a={text}", "a=:AAAA:")
        check(signatures_of(message.fields)[0], ED25519, message)
    with suppress(SignatureProblem):
        check_digest(text, HELLO)
