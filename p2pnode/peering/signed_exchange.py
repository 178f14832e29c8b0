"""A request and its answer, both signed: what this project signs, what it asks of a signature, and the two as proof.

A request's signature covers method, path and query, the digest of the body and the Process-ID. An answer's covers its
status, the digest of its body, the Process-ID and the signature of the request, and with that all that one covers.

The path, and not the whole URL, is what a proxy leaves as it is that ends TLS or listens at another host and port. One
that also takes a prefix off the path is told to the node behind it (`proxy_prefix`).
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from p2pnode.peering.http_signatures import (
    Covered,
    Message,
    Signature,
    SignatureProblem,
    SigningKey,
    VerifyKey,
    check,
    check_digest,
    sign,
    signatures_of,
)

LABEL = "oicp"
POST = "POST"
REQUEST = '("@method" "@path" "content-digest" "process-id")'
REQUEST_WITH_QUERY = '("@method" "@path" "@query" "content-digest" "process-id")'
ANSWER = '("@status" "content-digest" "process-id" "signature";req;key="{label}")'
SIGNATURE_FIELDS = ("content-digest", "signature-input", "signature")

_FIELD = re.compile(r"([a-z0-9!#$%&'*+.^_`|~-]+): ([^\x00-\x1f\x7f]*)")
_REQUEST_LINE = re.compile(r"([A-Z]+) (/[\x21-\x7e]*) HTTP/1\.1")
_STATUS_LINE = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2})")


class Signed(NamedTuple):
    """A message with a signature that holds; its label, when it was made (seconds since 1970), and its key."""

    message: Message
    label: str
    created: int
    key: VerifyKey

    def header_lines(self) -> str:
        """The digest of its body and its signature, as HTTP has them."""
        fields = self.message.fields
        digest, given, value = fields["content-digest"], fields["signature-input"], fields["signature"]
        return f"content-digest: {digest}\r\nsignature-input: {given}\r\nsignature: {value}\r\n"


def sign_request(key: SigningKey, target: str, process_id: str, digest: str, created: int) -> Signed:
    """A request by POST to `target` (path and query), whose body has this Content-Digest."""
    message = Message({"content-digest": digest, "process-id": process_id}, POST, target)
    return _signed(key, REQUEST_WITH_QUERY if "?" in target else REQUEST, message, created)


def sign_answer(key: SigningKey, request: Signed, status: int, fields: Mapping[str, str], created: int) -> Signed:
    """The answer to a request that was signed itself; `fields` are its Content-Digest and its Process-ID."""
    message = Message(fields, status=status, request=request.message)
    return _signed(key, ANSWER.format(label=request.label), message, created)


def _signed(key: SigningKey, covered: str, message: Message, created: int) -> Signed:
    given, value = sign(key, LABEL, covered, message, created)
    fields = {**message.fields, "signature-input": given, "signature": value}
    whole = Message(fields, message.method, message.target, message.status, message.request)
    return Signed(whole, LABEL, created, key.public)


def check_request(message: Message, signature: Signature, key: VerifyKey) -> Signed:
    """The request, once the signature holds and covers enough. The body is another question: `check_digest`.

    Raises SignatureProblem.
    """
    lack = _lack_of_request(signature.covered, "?" in message.target)
    if lack:
        raise SignatureProblem(lack)
    return _checked(message, signature, key)


@lru_cache(maxsize=256)
def _lack_of_request(covered: Covered, has_query: bool) -> str:  # noqa: FBT001 - a key of the cache
    """What a request's signature over this misses; empty where it covers enough."""
    whole = covered.has("@request-target")
    if not covered.has("@method") or not covered.has("content-digest"):
        return "the signature does not cover method and Content-Digest"
    if not whole and not covered.has("@path"):
        return "the signature does not cover the path"
    if not whole and has_query and not covered.has("@query"):
        return "the signature does not cover the query"
    return ""


def check_answer(message: Message, signature: Signature, key: VerifyKey, asked: Signed) -> Signed:
    """The answer, once the signature holds and binds it to its request `asked`. As `check_request`."""
    lack = _lack_of_answer(signature.covered, asked.label, "?" in asked.message.target)
    if lack:
        raise SignatureProblem(lack)
    return _checked(message._replace(request=asked.message), signature, key)


@lru_cache(maxsize=256)
def _lack_of_answer(covered: Covered, label: str, has_query: bool) -> str:  # noqa: FBT001 - a key of the cache
    """What the signature over this of an answer misses, to a request whose signature has this label.

    What binds it is the signature of the request, or all that such a signature has to cover.
    """
    if not covered.has("@status") or not covered.has("content-digest"):
        return "the signature of the answer does not cover status and Content-Digest"
    whole = covered.has("@request-target", of_request=True)
    path = whole or covered.has("@path", of_request=True)
    query = whole or not has_query or covered.has("@query", of_request=True)
    digest = covered.has("content-digest", of_request=True)
    parts = covered.has("@method", of_request=True) and path and query and digest
    if not parts and not covered.has("signature", of_request=True, key=label):
        return "the signature of the answer does not tell which request it answers"
    return ""


def _checked(message: Message, signature: Signature, key: VerifyKey) -> Signed:
    """The message with those fields only that the signature covers, or that are the signature."""
    created = signature.created
    check(signature, key, message)
    names = fields_of(signature.covered)
    kept = {name: value for name, value in message.fields.items() if name in names}
    whole = message if len(kept) == len(message.fields) else message._replace(fields=kept)
    return Signed(whole, signature.label, created, key)


@lru_cache(maxsize=256)
def fields_of(covered: Covered) -> Sequence[str]:
    """The names of the header fields that a signature covers, and of those that it stands in."""
    return tuple(dict.fromkeys((*covered.fields, *SIGNATURE_FIELDS)))


def written(message: Message, body: bytes) -> bytes:
    """A signed message as it is kept and handed out: as HTTP has it, with the fields that matter."""
    head = f"{message.method} {message.target} HTTP/1.1" if message.method else f"HTTP/1.1 {message.status}"
    for name, value in message.fields.items():
        head += f"\r\n{name}: {value}"
    return head.encode("latin-1") + b"\r\n\r\n" + body


def read_written(text: bytes, request: Message | None = None) -> tuple[Message, bytes]:
    """A message that `written` made, and its body; with `request` it is the answer to that.

    Raises SignatureProblem for anything that `written` would not have made.
    """
    head, _, body = text.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    fields = {found[1]: found[2] for line in rest if (found := _FIELD.fullmatch(line))}
    if request is None and (line := _REQUEST_LINE.fullmatch(first)):
        message = Message(fields, line[1], line[2])
    elif request is not None and (line := _STATUS_LINE.fullmatch(first)):
        message = Message(fields, status=int(line[1]), request=request)
    else:
        raise SignatureProblem("this is not a request and its answer")
    if written(message, body) != text:
        raise SignatureProblem("this is not how a signed message is written down")
    return message, body


class Proof(NamedTuple):
    """A request and an answer that hold, with their bodies."""

    request: Signed
    answer: Signed
    request_body: bytes
    answer_body: bytes


def prove(request: bytes, answer: bytes, request_key: bytes, answer_key: bytes) -> Proof:
    """Check a request and its answer as `written`, with the public keys (SubjectPublicKeyInfo, DER) of both signatures.

    Needs nothing else. Whose the keys are, is for the caller to know. Raises SignatureProblem.
    """
    asked, asked_body = read_written(request)
    told, told_body = read_written(answer, asked)
    signed_request = _only_signed(check_request(asked, *_signature_by(request_key, asked, asked_body)), asked)
    checked = check_answer(told, *_signature_by(answer_key, told, told_body), signed_request)
    return Proof(signed_request, _only_signed(checked, told), asked_body, told_body)


def _signature_by(spki: bytes, message: Message, body: bytes) -> tuple[Signature, VerifyKey]:
    """The signature of a message with this body that names this key. Raises SignatureProblem."""
    key = VerifyKey.of(spki)
    if key.spki != spki:
        raise SignatureProblem("a public key cannot be read")
    check_digest(message.fields.get("content-digest", ""), body)
    signature = next((each for each in signatures_of(message.fields) if each.key_id == key.pin), None)
    if signature is None:
        raise SignatureProblem("no signature names this key")
    return signature, key


def _only_signed(checked: Signed, message: Message) -> Signed:
    """The checked message. Raises SignatureProblem where it left out a field that the signature does not cover."""
    if checked.message != message:
        raise SignatureProblem("a header field is not covered by the signature")
    return checked
