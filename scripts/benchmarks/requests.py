"""The requests a load is made of: prebuilt but for the identifiers that are fresh in each."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType

SESSION_SLOT = "00000000-0000-7000-8000-000000000000"
PARTNER_SLOT = "ffffffff-ffff-4fff-bfff-ffffffffffff"


def http_post(host: str, path: str, body: bytes, fields: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """The bytes of an HTTP request; `fields` are further header fields."""
    more = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True, slots=True)
class Template:
    """Bytes with a place for a SessionID and one for a CPOPartnerSessionID after it."""

    head: bytes
    middle: bytes
    tail: bytes

    @classmethod
    def of(cls, text: bytes) -> "Template":
        """The bytes that hold `SESSION_SLOT` and `PARTNER_SLOT` where an identifier goes."""
        head, _, rest = text.partition(SESSION_SLOT.encode())
        middle, _, tail = rest.partition(PARTNER_SLOT.encode())
        return cls(head, middle, tail)

    def filled(self, session_id: bytes, partner_session_id: bytes) -> bytes:
        """The bytes with these two identifiers."""
        return b"".join((self.head, session_id, self.middle, partner_session_id, self.tail))


class SessionIds:
    """Identifiers in the form of UUIDv7: they grow with time, and within a millisecond with a counter."""

    def __init__(self) -> None:
        self._counter = count(1)
        self._tail = secrets.token_hex(4)

    def next(self) -> bytes:
        """The next identifier."""
        stamp = f"{time.time_ns() // 1_000_000:012x}"
        number = f"{next(self._counter) & 0xFFFFFFF:07x}"
        return f"{stamp[:8]}-{stamp[8:]}-7{number[:3]}-8{number[3:6]}-{self._tail}000{number[6]}".encode()


def authorize_start(operator_id: str, uid: str) -> bytes:
    """The body of an eRoamingAuthorizeStart with places for its two session ids."""
    message = {
        "SessionID": SESSION_SLOT,
        "CPOPartnerSessionID": PARTNER_SLOT,
        "OperatorID": operator_id,
        "EvseID": f"{operator_id}*E0000001",
        "Identification": {"RFIDMifareFamilyIdentification": {"UID": uid}},
        "PartnerProductID": "AC 1",
    }
    return json.dumps(message, separators=(",", ":")).encode()
