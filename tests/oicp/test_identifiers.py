"""Identifiers: one party, one key, however it is written; no text breaks anything."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pnode.oicp import identifiers, scalars
from p2pnode.oicp.identifiers import (
    Identifier,
    Standard,
    evco_key,
    evse_key,
    operator_key,
    operator_of_evse,
    parse_charging_pool,
    parse_evco,
    parse_evse,
    parse_operator,
    parse_provider,
    parse_session,
    parse_uid,
    provider_key,
    provider_of_evco,
    readings,
    session_key,
    uid_key,
)


def charging_pool_key(text: str) -> str:
    return parse_charging_pool(text).key


KEYS = (operator_key, provider_key, evse_key, charging_pool_key, evco_key, uid_key, session_key)
PARSERS = (parse_operator, parse_provider, parse_evse, parse_charging_pool, parse_evco, parse_session, parse_uid)
SAME = [
    (operator_key, ["DE*GEF", "DEGEF", "de*gef", " DE*GEF "]),
    (operator_key, ["+49*810", "49*810"]),
    (provider_key, ["DE-GDF", "DE*GDF", "DEGDF", "de-gdf"]),
    (evse_key, ["DE*AB7*E840*6487", "DEAB7E8406487", "de*ab7*e8406487", "DEAB7*E840*6487"]),
    (evse_key, ["+49*810*000*438", "49*810*000438"]),
    (charging_pool_key, ["IT*123*P456*AB789", "IT123P456AB789"]),
    (evco_key, ["DE-8EO-CAet5e4XY-3", "DE8EOCAet5e4XY3", "de*8eo*caet5e4xy*3"]),
    (evco_key, ["DE*8EO*Aet5e4*3", "DE-8EO-Aet5e4-3", "DE8EOAet5e43"]),
    (session_key, ["B2688855-7F00-0002-6D8E-48D883F6ABB6", "b2688855-7f00-0002-6d8e-48d883f6abb6"]),
    (uid_key, ["7568290fff765f", "7568290FFF765F"]),
]
DIFFERENT = [
    (evse_key, ["+49*810*000*438", "+4*981*0000438"]),
    (operator_key, ["+49*810", "+498*10", "+4*981", "DE*810"]),
    (operator_key, ["CH*SWISSCHARGE", "CH*SWI", "CHSWISSCHARGE"]),
    (operator_key, ["DE*GEK", "DE*GE\u212a", "DE*GIF", "DE*G\u0131F"]),
    (provider_key, ["DE-GSS", "DE-G\u00df"]),
    (evse_key, ["DE*AB7*E*", "DE*AB7*E", "DE*AB7*E1"]),
    (evco_key, ["DE-8EO-CAet5e4XY-3", "DE-8EO-CAet5e4XY", "DE-8EO-Aet5e4-3"]),
    (session_key, ["k0000000-0000-0000-0000-000000000000", "\u212a0000000-0000-0000-0000-000000000000"]),
]


@pytest.mark.parametrize(("key", "texts"), SAME)
def test_spellings_of_one_id_have_one_key(key: identifiers.Key, texts: list[str]) -> None:
    assert len({key(text) for text in texts}) == 1


@pytest.mark.parametrize(("key", "texts"), DIFFERENT)
def test_ids_of_different_parties_have_different_keys(key: identifiers.Key, texts: list[str]) -> None:
    assert len({key(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("evse_id", "operator"),
    [
        ("DE*AB7*E840*6487", "DE*AB7"),
        ("deab7e8406487", "DE*AB7"),
        ("+49*810*000*438", "+49*810"),
        ("41*036*0001", "+41*036"),
        ("CH*REPE020*01*1", "CH*REP"),
        ("CH*SWISSCHARGE*E1*2", "CH*SWISSCHARGE"),
        ("DE*GEF*123", "DE*GEF"),
        ("DEGEF123", None),
        ("de*ge\u212a*e1", None),
        ("", None),
        ("DE*AB7*E" + "1" * 100, "DE*AB7"),
    ],
)
def test_an_evse_id_names_its_operator(evse_id: str, operator: str | None) -> None:
    assert operator_of_evse(evse_id) == operator
    assert operator is None or operator_key(operator) == operator


@pytest.mark.parametrize(
    ("evco_id", "provider"),
    [
        ("DE-8EO-CAet5e4XY-3", "DE-8EO"),
        ("DE8EOAet5e43", "DE-8EO"),
        ("de-8eo-caet5e4xy", "DE-8EO"),
        ("DE-8EO-something-else", "DE-8EO"),
        ("DE8EOsomething", None),
        ("DE-8E\u212a-C12345678-3", None),
    ],
)
def test_an_evco_id_names_its_provider(evco_id: str, provider: str | None) -> None:
    assert provider_of_evco(evco_id) == provider
    assert provider is None or provider_key(provider) == provider


def test_a_parsed_id_tells_its_parts() -> None:
    parsed = parse_evse("de*ab7*e840*6487")
    assert (parsed.kind, parsed.standard, parsed.country, parsed.party) == ("EvseID", Standard.ISO, "DE", "AB7")
    assert (parsed.text, parsed.instance, parsed.key) == ("de*ab7*e840*6487", "840*6487", "DE*AB7*E8406487")
    assert parse_operator("+49*810").standard is Standard.DIN
    assert parse_provider("DE*GDF").standard is Standard.DIN
    assert parse_evco("DE-8EO-C12345678").standard is Standard.OTHER
    assert parse_uid("xyz").standard is Standard.OTHER
    assert parse_session("b2688855-7f00-0002-6d8e-48d883f6abb6").standard is Standard.OICP


def test_a_text_may_be_several_kinds_of_id() -> None:
    assert [identifier.kind for identifier in readings("DEGEF")] == ["OperatorID", "ProviderID"]
    assert readings("CH*SWISSCHARGE") == ()


letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
country = st.text(letters, min_size=2, max_size=2)
party = st.text(letters + "0123456789", min_size=3, max_size=3)
instance = st.text(letters + "0123456789", min_size=1, max_size=20)
star = st.sampled_from(["", "*"])
recase = st.sampled_from([str.upper, str.lower, str.title])


@given(st.data())
@settings(max_examples=150)
def test_a_written_evse_id_is_its_parts_whatever_its_separators_and_case(data: st.DataObject) -> None:
    parts = st.tuples(country, party, instance)
    one = data.draw(parts)
    other = data.draw(st.just(one) | parts)
    keys: list[str] = []
    for where, who, which in (one, other):
        cut = data.draw(st.integers(1, len(which)))
        inner = which[:cut] + data.draw(star) + which[cut:]
        written = f"{where}{data.draw(star)}{who}{data.draw(star)}E{inner}"
        keys.append(evse_key(data.draw(recase)(written)))
        assert operator_of_evse(written) == operator_key(f"{where}{data.draw(star)}{who}") == f"{where}*{who}"
    assert (keys[0] == keys[1]) == (one == other)


@given(st.data())
@settings(max_examples=150)
def test_a_din_evse_id_never_passes_for_another(data: st.DataObject) -> None:
    digits = data.draw(st.text("0123456789", min_size=8, max_size=20))
    cuts = st.integers(1, 3).map(lambda cut: (digits[:cut], digits[cut : cut + 3], digits[cut + 3 :]))
    one, other = data.draw(cuts), data.draw(cuts)
    assert (evse_key(f"+{'*'.join(one)}") == evse_key("*".join(other))) == (one == other)
    assert evse_key(f"+{'*'.join(one)}") == evse_key(f"{one[0]}*{one[1]}*{one[2][:1]}*{one[2][1:]}")


@given(st.data())
@settings(max_examples=150)
def test_providers_are_one_exactly_when_country_and_party_are(data: st.DataObject) -> None:
    one = data.draw(st.tuples(country, party))
    other = data.draw(st.just(one) | st.tuples(country, party))
    separator = data.draw(st.sampled_from(["", "-", "*"]))
    assert (provider_key("-".join(one)) == provider_key(separator.join(other).lower())) == (one == other)


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_has_a_key_that_is_the_key_of_itself(text: str) -> None:
    for parse in PARSERS:
        parsed = parse(text)
        assert parsed.text == text
        if parsed.standard is not Standard.OTHER:
            assert parse(parsed.key).key == parsed.key
    for key in KEYS:
        assert key(text) == key(text)
    operator_of_evse(text)
    provider_of_evco(text)


@pytest.mark.parametrize("text", ["", "*" * 100_000, "A" * 100_000, "\ud800", "\x00", "DE*AB7*E" + "*" * 30, "+" * 70])
def test_no_text_is_too_strange(text: str) -> None:
    for key in KEYS:
        assert isinstance(key(text), str)


GRAMMARS: list[tuple[Callable[[str], Identifier], re.Pattern[str]]] = [
    (parse_operator, scalars.OPERATOR_ID.pattern),
    (parse_provider, scalars.PROVIDER_ID.pattern),
    (parse_evse, scalars.EVSE_ID.pattern),
    (parse_charging_pool, scalars.CHARGING_POOL_ID.pattern),
    (parse_evco, scalars.EVCO_ID.pattern),
    (parse_session, scalars.SESSION_ID.pattern),
    (parse_uid, scalars.UID.pattern),
]


@given(st.text("DEABC0189*-+ecpx", max_size=20))
@settings(max_examples=200)
def test_a_standard_is_named_exactly_where_the_grammar_of_the_messages_holds(text: str) -> None:
    for parse, grammar in GRAMMARS:
        follows = grammar.fullmatch(text) is not None
        has_an_instance = bool(parse(text).instance.replace("*", "")) or parse in {parse_operator, parse_provider}
        assert (parse(text).standard is not Standard.OTHER) == (follows and has_an_instance)
