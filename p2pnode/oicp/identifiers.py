"""The identifiers of OICP 2.3: their ISO and DIN grammar, and the keys by which they are compared.

Ids travel as the text their sender wrote. Two texts name the same thing exactly when their keys are equal: a key is
upper case (a session's is lower case), keeps country and party apart with a separator and has none inside the
instance. So `DE*GEF`, `DEGEF` and `de*gef` are one operator, and `+49*810*000*438` is not `+4*981*0000438`. An id
outside the grammar, as real senders have them (`CH*SWISSCHARGE`), keeps all its characters in its key.

Every function takes any text of any length and never raises.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

LONGEST_CACHED = 64
CACHED = 16384


class Standard(StrEnum):
    """The standard whose grammar an identifier follows."""

    ISO = "ISO"
    DIN = "DIN"
    OICP = "OICP"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier taken apart.

    `kind` is the specification's name of the identifier. `standard` is OTHER where the text is outside the grammar;
    `country`, `party` and `instance` are then empty, or what its separators tell. UIDs and SessionIDs have only an
    instance.
    """

    kind: str
    text: str
    standard: Standard
    country: str
    party: str
    instance: str
    key: str


Key = Callable[[str], str]

_PARTY_ISO = re.compile(r"([A-Za-z]{2})\*?([A-Za-z0-9]{3})")
_PARTY_DIN = re.compile(r"\+?([0-9]{1,3})\*([0-9]{3})")
_PROVIDER = re.compile(r"([A-Za-z]{2})([*-]?)([A-Za-z0-9]{3})")
_EVSE_ISO = re.compile(r"([A-Za-z]{2})\*?([A-Za-z0-9]{3})\*?[Ee]([A-Za-z0-9*]{1,30})")
_EVSE_DIN = re.compile(r"\+?([0-9]{1,3})\*([0-9]{3})\*([0-9*]{1,32})")
_OPERATOR_AND_E = re.compile(r"([A-Za-z]{2})\*?([A-Za-z0-9]{3})\*?[Ee]")
_POOL = re.compile(r"([A-Za-z]{2})\*?([A-Za-z0-9]{3})\*?[Pp]([A-Za-z0-9*]{1,30})")
_EVCO_ISO = re.compile(r"([A-Za-z]{2})-?([A-Za-z0-9]{3})-?([Cc][A-Za-z0-9]{8})-?([A-Za-z0-9])")
_EVCO_DIN = re.compile(r"([A-Za-z]{2})[*-]?([A-Za-z0-9]{3})[*-]?([A-Za-z0-9]{6})[*-]?([0-9Xx])")
_EVCO_NEAR = re.compile(r"([A-Za-z]{2})[*-]?([A-Za-z0-9]{3})[*-]?([Cc][A-Za-z0-9]{8})(?:[*-]?([A-Za-z0-9]))?")
_SESSION = re.compile(r"[A-Za-z0-9]{8}(?:-[A-Za-z0-9]{4}){3}-[A-Za-z0-9]{12}")
_UID = re.compile(r"[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20}")
_SEPARATED_EVSE = re.compile(r"([A-Za-z]{2}|\+?[0-9]{1,3})\*([^*]+)\*(.+)", re.DOTALL)
_SEPARATED_EVCO = re.compile(r"([A-Za-z]{2})[*-]([A-Za-z0-9]{3})[*-](.+)", re.DOTALL)


def _upper(text: str) -> str:
    """One form for either case that no other text shares.

    Upper case would turn some other letters into ASCII ones (a dotless i, a long s), and so one party into another.
    """
    return text.upper() if text.isascii() else text.casefold()


def _separated(pattern: re.Pattern[str], text: str) -> tuple[str, str, str]:
    """Country, party and instance by the separators alone, for ids outside the grammar."""
    match = pattern.fullmatch(text.upper()) if text.isascii() else None
    return (match[1], match[2], match[3]) if match else ("", "", "")


def parse_operator(text: str) -> Identifier:
    """OperatorIDType, `DE*GEF` or `+49*810`."""
    stripped = text.strip()
    if match := _PARTY_ISO.fullmatch(stripped):
        country, party = match.groups()
        key = f"{country}*{party}".upper()
        return Identifier("OperatorID", text, Standard.ISO, country.upper(), party.upper(), "", key)
    if match := _PARTY_DIN.fullmatch(stripped):
        country, party = match.groups()
        return Identifier("OperatorID", text, Standard.DIN, f"+{country}", party, "", f"+{country}*{party}")
    country, separator, party = _upper(stripped).partition("*")
    if not separator:
        country, party = "", ""
    return Identifier("OperatorID", text, Standard.OTHER, country, party, "", _upper(stripped))


def parse_provider(text: str) -> Identifier:
    """ProviderIDType, `DE-GDF` (ISO) or `DE*GDF` (DIN)."""
    stripped = text.strip()
    match = _PROVIDER.fullmatch(stripped)
    if match is None:
        return Identifier("ProviderID", text, Standard.OTHER, "", "", "", _upper(stripped))
    country, separator, party = match.groups()
    standard = Standard.DIN if separator == "*" else Standard.ISO
    return Identifier("ProviderID", text, standard, country.upper(), party.upper(), "", f"{country}-{party}".upper())


def parse_evse(text: str) -> Identifier:
    """EvseIDType, `DE*AB7*E840*6487` or `+49*810*000*438`."""
    return _of_an_operator("EvseID", "E", _EVSE_ISO, text)


def parse_charging_pool(text: str) -> Identifier:
    """ChargingPoolIDType, `IT*123*P456*AB789`."""
    return _of_an_operator("ChargingPoolID", "P", _POOL, text)


def _of_an_operator(kind: str, letter: str, grammar: re.Pattern[str], text: str) -> Identifier:
    stripped = text.strip()
    if match := grammar.fullmatch(stripped):
        country, party, instance = match.group(1).upper(), match.group(2).upper(), match.group(3).upper()
        bare = instance.replace("*", "")
        if bare:
            return Identifier(kind, text, Standard.ISO, country, party, instance, f"{country}*{party}*{letter}{bare}")
    elif letter == "E" and (match := _EVSE_DIN.fullmatch(stripped)):
        country, party, instance = match.groups()
        bare = instance.replace("*", "")
        if bare:
            return Identifier(kind, text, Standard.DIN, f"+{country}", party, instance, f"+{country}*{party}*{bare}")
    key = _upper(stripped)
    country, party, instance = _separated(_SEPARATED_EVSE, stripped)
    return Identifier(kind, text, Standard.OTHER, country, party, instance, key)


def parse_evco(text: str) -> Identifier:
    """EvcoIDType, `DE-8EO-CAet5e4XY-3` (ISO) or `DE*8EO*Aet5e4*3` (DIN).

    An ISO id without its check digit, or with `*` between its parts, is outside the grammar and still taken apart.
    """
    stripped = text.strip()
    standard = Standard.ISO
    match = _EVCO_ISO.fullmatch(stripped)
    if match is None:
        standard = Standard.DIN
        match = _EVCO_DIN.fullmatch(stripped)
    if match is None:
        standard = Standard.OTHER
        match = _EVCO_NEAR.fullmatch(stripped)
    if match is not None:
        parts = [part.upper() for part in match.groups() if part]
        return Identifier("EvcoID", text, standard, parts[0], parts[1], parts[2], "-".join(parts))
    key = _upper(stripped)
    country, party, instance = _separated(_SEPARATED_EVCO, stripped)
    return Identifier("EvcoID", text, Standard.OTHER, country, party, instance, key)


def parse_session(text: str) -> Identifier:
    """SessionIDType: groups of 8, 4, 4, 4 and 12 letters and digits, compared without case."""
    stripped = text.strip()
    standard = Standard.OICP if _SESSION.fullmatch(stripped) else Standard.OTHER
    return Identifier("SessionID", text, standard, "", "", stripped, session_key(text))


def parse_uid(text: str) -> Identifier:
    """UIDType: 8, 14 or 20 hexadecimal digits."""
    stripped = text.strip()
    standard = Standard.OICP if _UID.fullmatch(stripped) else Standard.OTHER
    return Identifier("UID", text, standard, "", "", stripped, uid_key(text))


_PARSERS = (
    parse_operator,
    parse_provider,
    parse_evse,
    parse_charging_pool,
    parse_evco,
    parse_session,
    parse_uid,
)


def readings(text: str) -> tuple[Identifier, ...]:
    """Every kind of identifier whose grammar the text follows; `DEGEF` is an operator's id and a provider's."""
    parsed = (parse(text) for parse in _PARSERS)
    return tuple(identifier for identifier in parsed if identifier.standard is not Standard.OTHER)


def operator_key(text: str) -> str:
    """The key of an OperatorID: `DE*GEF`, `+49*810`."""
    return _operator_key(text) if len(text) <= LONGEST_CACHED else parse_operator(text).key


def provider_key(text: str) -> str:
    """The key of a ProviderID: `DE-GDF`."""
    return _provider_key(text) if len(text) <= LONGEST_CACHED else parse_provider(text).key


def evse_key(text: str) -> str:
    """The key of an EvseID: `DE*AB7*E8406487`, `+49*810*000438`."""
    return _evse(text)[0] if len(text) <= LONGEST_CACHED else parse_evse(text).key


@lru_cache(CACHED)
def evse_prefix_key(text: str) -> str:
    """The beginning of the keys of all EvseIDs that begin with `text`; `DEGEF` and `DE*GEF*` are one."""
    bare = text.strip().rstrip("*")
    operator = parse_operator(bare)
    if operator.standard is not Standard.OTHER:
        return f"{operator.key}*"
    if match := _OPERATOR_AND_E.fullmatch(bare):
        return f"{match[1]}*{match[2]}*E".upper()
    return evse_key(bare)


def evco_key(text: str) -> str:
    """The key of an EvcoID: `DE-8EO-CAET5E4XY-3`."""
    return _evco(text)[0] if len(text) <= LONGEST_CACHED else parse_evco(text).key


def uid_key(text: str) -> str:
    """The key of a UID: upper case."""
    return _upper(text.strip())


def session_key(text: str) -> str:
    """The key of a SessionID: lower case."""
    stripped = text.strip()
    return stripped.lower() if stripped.isascii() else stripped.upper()


def operator_of_evse(text: str) -> str | None:
    """The key of the operator an EvseID names inside itself; None where it names none.

    Who owns the charging point is another question: in real data a third of them is listed under another operator.
    """
    return _evse(text)[1] if len(text) <= LONGEST_CACHED else _operator_inside(parse_evse(text))


def provider_of_evco(text: str) -> str | None:
    """The key of the provider an EvcoID names inside itself; None where it names none."""
    return _evco(text)[1] if len(text) <= LONGEST_CACHED else _provider_inside(parse_evco(text))


def _operator_inside(evse: Identifier) -> str | None:
    return operator_key(f"{evse.country}*{evse.party}") if evse.party else None


def _provider_inside(evco: Identifier) -> str | None:
    return f"{evco.country}-{evco.party}" if evco.party else None


@lru_cache(CACHED)
def _operator_key(text: str) -> str:
    return parse_operator(text).key


@lru_cache(CACHED)
def _provider_key(text: str) -> str:
    return parse_provider(text).key


@lru_cache(CACHED)
def _evse(text: str) -> tuple[str, str | None]:
    if match := _EVSE_ISO.fullmatch(text):  # by far the most frequent, so without building an Identifier
        operator = f"{match[1]}*{match[2]}".upper()
        if bare := match[3].replace("*", "").upper():
            return f"{operator}*E{bare}", operator
    parsed = parse_evse(text)
    return parsed.key, _operator_inside(parsed)


@lru_cache(CACHED)
def _evco(text: str) -> tuple[str, str | None]:
    parsed = parse_evco(text)
    return parsed.key, _provider_inside(parsed)
