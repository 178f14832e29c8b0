"""PINs: hashed before they are kept, compared with the hash function their provider named.

bcrypt is slow on purpose, so it runs in a thread. MD5 and SHA-1 are read because OICP 2.1 has them; never written.
"""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator

import bcrypt

from p2pnode.oicp.codec import decode, encode, read
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.identification import HashedPIN, HashFunction, LegacyHashFunction

BCRYPT_LIMIT = 72
"""bcrypt reads no further than 72 bytes."""
COSTLIEST = 14
"""A hash with a greater cost would hold a thread for minutes; it is not checked."""
_BCRYPT = re.compile(r"\$2[abxy]?\$([0-9]{2})\$[./A-Za-z0-9]{53}")

_LEGACY: dict[str, Callable[[bytes], bytes]] = {
    LegacyHashFunction.MD5: lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    LegacyHashFunction.SHA_1: lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
}


def is_checkable(hashed: HashedPIN) -> bool:
    """Whether a PIN can be compared with the hash: a known function, and bcrypt at a bearable cost."""
    if hashed.legacy_hash_data is not None and hashed.legacy_hash_data.function in _LEGACY:
        return True
    if hashed.function in _LEGACY:
        return True
    match = _BCRYPT.fullmatch(hashed.value)
    return hashed.function == HashFunction.BCRYPT and match is not None and int(match[1]) <= COSTLIEST


async def hash_pin(pin: str, rounds: int) -> HashedPIN:
    """The bcrypt hash of a PIN in clear."""
    value = await asyncio.to_thread(bcrypt.hashpw, _bytes(pin), bcrypt.gensalt(rounds))
    return HashedPIN(value=value.decode("ascii"), function=HashFunction.BCRYPT.value)


async def pin_matches(pin: str, stored: str) -> bool:
    """Whether a PIN in clear is the one whose hash is stored (the JSON of a HashedPINType)."""
    try:
        hashed = read(HashedPIN, stored.encode())
    except InvalidMessage:
        return False
    return await asyncio.to_thread(_matches, pin, hashed)


def stored_pin(hashed: HashedPIN) -> str:
    """The JSON of a HashedPINType, as `AuthenticationRecord.pin_hash` keeps it."""
    return encode(hashed).decode()


def published_pin(stored: str) -> object:
    """The HashedPIN member that publishes a stored hash."""
    return decode(stored.encode())


def _matches(pin: str, hashed: HashedPIN) -> bool:
    """Compare in every way the specification's two versions allow."""
    if _bcrypt_matches(_bytes(pin), hashed.value):
        return True
    if hashed.function in _LEGACY and _equals_any(_forms(pin, hashed.function, ""), hashed.value):
        return True
    legacy = hashed.legacy_hash_data
    if legacy is None or legacy.function not in _LEGACY:
        return False
    forms = list(_forms(pin, legacy.function, legacy.salt or ""))
    if _equals_any(forms, hashed.value) or (legacy.value and _equals_any(forms, legacy.value)):
        return True
    return any(_bcrypt_matches(form.encode(), hashed.value) for form in forms)


def _forms(pin: str, function: str, salt: str) -> Iterator[str]:
    """The texts a legacy hash may have: neither the place of the salt nor the notation is specified."""
    digest = _LEGACY[function]
    for data in {salt + pin, pin + salt}:
        hashed = digest(data.encode(errors="replace"))
        yield hashed.hex()
        yield hashed.hex().upper()
        yield base64.b64encode(hashed).decode()


def _equals_any(forms: "Iterator[str] | list[str]", value: str) -> bool:
    return any(hmac.compare_digest(form.encode(), value.encode(errors="replace")) for form in forms)


def _bcrypt_matches(secret: bytes, value: str) -> bool:
    match = _BCRYPT.fullmatch(value)
    if match is None or int(match[1]) > COSTLIEST:
        return False
    try:
        return bcrypt.checkpw(secret[:BCRYPT_LIMIT], value.encode("ascii"))
    except ValueError:
        return False


def _bytes(pin: str) -> bytes:
    return pin.encode(errors="replace")[:BCRYPT_LIMIT]
