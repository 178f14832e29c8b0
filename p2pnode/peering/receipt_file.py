"""Receipts as a file: everything needed to prove what passed between two parties, readable by whoever it is shown to.

The file is JSON of exactly one form, so that a change of any byte of it is noticed.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from p2pnode.peering.http_signatures import SignatureProblem
from p2pnode.peering.signed_exchange import Proof, prove
from p2pnode.roaming.records import ReceiptRecord

FORMAT = "p2pnode receipts 1"
TEXTS = ("request", "answer")
KEYS = ("request_key", "answer_key")


class Written(NamedTuple):
    """A request and its answer as HTTP has them, and the public keys of both signatures (SubjectPublicKeyInfo, DER)."""

    request: bytes
    answer: bytes
    request_key: bytes
    answer_key: bytes

    @classmethod
    def of(cls, record: ReceiptRecord) -> "Written":
        """What a receipt that was kept proves with."""
        return cls(record.request, record.answer, record.request_key, record.answer_key)

    def prove(self) -> Proof:
        """Check both signatures. Raises SignatureProblem."""
        return prove(*self)


def to_file(receipts: Sequence[Written]) -> bytes:
    """The file of these receipts. Raises SignatureProblem for one whose body is not UTF-8."""
    try:
        listed = [
            {name: getattr(receipt, name).decode() for name in TEXTS}
            | {name: b64encode(getattr(receipt, name)).decode() for name in KEYS}
            for receipt in receipts
        ]
    except UnicodeDecodeError:
        raise SignatureProblem("a receipt that is not UTF-8 cannot be written to a file") from None
    return json.dumps({"format": FORMAT, "receipts": listed}, indent=2, ensure_ascii=False).encode() + b"\n"


def from_file(content: bytes) -> Sequence[Written]:
    """The receipts in a file, not checked yet. Raises SignatureProblem for anything that `to_file` does not write."""
    try:
        document: Any = json.loads(content)
        listed = cast("list[dict[str, str]]", document["receipts"])
        receipts = [
            Written(*(each[name].encode() for name in TEXTS), *(b64decode(each[name]) for name in KEYS))
            for each in listed
        ]
        same = bool(receipts) and to_file(receipts) == content
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        same, receipts = False, []
    if not same:
        raise SignatureProblem("this is not a file of receipts, or it was altered")
    return receipts
