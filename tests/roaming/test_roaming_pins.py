"""PINs: hashed at rest, compared in every way the two versions of the specification know."""

import base64
import hashlib

import bcrypt
import pytest

from p2pnode.oicp.identification import HashedPIN, LegacyHashData
from p2pnode.roaming.pins import COSTLIEST, hash_pin, is_checkable, pin_matches, stored_pin

PIN = "1234"
SALT = "a1b2"


def bcrypt_hash(text: str) -> str:
    return bcrypt.hashpw(text.encode(), bcrypt.gensalt(4)).decode()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def sha1(text: str) -> bytes:
    return hashlib.sha1(text.encode(), usedforsecurity=False).digest()


def legacy(value: str, function: str, salt: str | None = SALT, legacy_value: str | None = None) -> HashedPIN:
    data = LegacyHashData(function=function, salt=salt, value=legacy_value)
    return HashedPIN(value=value, function="Bcrypt", legacy_hash_data=data)


@pytest.mark.parametrize(
    "hashed",
    [
        HashedPIN(value=bcrypt_hash(PIN), function="Bcrypt"),
        HashedPIN(value=bcrypt_hash(PIN).replace("$2b$", "$2y$"), function="Bcrypt"),
        HashedPIN(value=md5(PIN), function="MD5"),
        HashedPIN(value=sha1(PIN).hex().upper(), function="SHA-1"),
        legacy(bcrypt_hash(md5(PIN + SALT)), "MD5"),
        legacy(bcrypt_hash(sha1(SALT + PIN).hex()), "SHA-1"),
        legacy(md5(SALT + PIN), "MD5"),
        legacy("x" * 60, "SHA-1", legacy_value=base64.b64encode(sha1(PIN + SALT)).decode()),
        legacy("x" * 60, "MD5", salt=None, legacy_value=md5(PIN)),
    ],
    ids=[
        "bcrypt",
        "bcrypt of PHP",
        "MD5",
        "SHA-1 in upper case",
        "bcrypt of salted MD5",
        "bcrypt of salted SHA-1",
        "salted MD5 in place of the value",
        "salted SHA-1 in Base64",
        "MD5 without salt",
    ],
)
async def test_the_right_pin_matches_and_no_other(hashed: HashedPIN) -> None:
    assert is_checkable(hashed)
    assert await pin_matches(PIN, stored_pin(hashed))
    assert not await pin_matches("1235", stored_pin(hashed))
    assert not await pin_matches("", stored_pin(hashed))


async def test_a_pin_in_clear_becomes_a_bcrypt_hash() -> None:
    hashed = await hash_pin(PIN, 4)
    assert hashed.value.startswith("$2b$04$")
    assert await pin_matches(PIN, stored_pin(hashed))


@pytest.mark.parametrize("pin", ["ü" * 50, "1" * 200, "\x00", "\ud800"])
async def test_no_pin_is_too_strange_to_hash(pin: str) -> None:
    assert await pin_matches(pin, stored_pin(await hash_pin(pin, 4)))


@pytest.mark.parametrize(
    "hashed",
    [
        HashedPIN(value="$2b$31$" + "a" * 53, function="Bcrypt"),
        HashedPIN(value=f"$2b${COSTLIEST + 1}$" + "a" * 53, function="Bcrypt"),
        HashedPIN(value="$2b$04$short", function="Bcrypt"),
        HashedPIN(value="whatever it is", function="Argon2"),
    ],
    ids=["for ever", "for minutes", "no hash", "unknown function"],
)
async def test_a_hash_that_cannot_be_checked_in_bearable_time_never_matches(hashed: HashedPIN) -> None:
    assert not is_checkable(hashed)
    assert not await pin_matches(PIN, stored_pin(hashed))


async def test_a_damaged_stored_hash_never_matches() -> None:
    assert not await pin_matches(PIN, "not JSON")
