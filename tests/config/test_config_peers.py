"""The peer table: what an entry may say, what two entries may not both claim."""

from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from p2pnode.config import PeerEntry, PeerTable, load_peers
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import AUTHORIZE_START, OPERATIONS, PULL_AUTHENTICATION_DATA, PULL_EVSE_DATA, Role

EXAMPLE = Path(__file__).parents[2] / "peers.example.toml"
PIN = "sha256:" + "0a" * 32


def test_the_example_is_a_peer_table_and_shows_every_setting(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / "peers.toml").write_text(text, encoding="utf-8")
    table = load_peers(tmp_path)
    assert [peer.name for peer in table.peers] == ["north-grid", "blue-driver", "wwcp-lab", "hubject"]
    for name in PeerEntry.model_fields:
        assert f"\n{name} = " in text, f"{name} is not in the example"


def test_every_setting_in_the_example_has_a_comment_before_its_first_use() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    explained = {"name"}
    for before, line in pairwise(lines):
        name = line.partition(" = ")[0]
        if name in PeerEntry.model_fields and name not in explained:
            assert before.startswith("#") or name in {"url", "operators", "ca", "tls_name", "receive", "insecure"}, name
            explained.add(name)
    assert explained == set(PeerEntry.model_fields)


def test_every_field_of_an_entry_is_described() -> None:
    assert [name for name, field in PeerEntry.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": "https://a.example/api/oicp"}, "needs pins, a certificate or a ca"),
        ({"url": "http://a.example/api/oicp", "pins": [PIN]}, "https url goes with"),
        ({"url": "https://a.example/api/oicp", "tls": "off"}, "https url goes with"),
        ({"url": "http://a.example/api/oicp", "tls": "off"}, "loopback"),
        ({"url": "ftp://a.example/"}, "http or https"),
        ({"url": "https://"}, "http or https"),
        ({"url": "https://[::1/"}, "http or https"),
        ({"url": "https://a.example:99999/"}, "http or https"),
        ({"url": "https://user@a.example/"}, "no user"),
        ({"pins": ["sha1:00"]}, "64 hexadecimal"),
        ({"operators": [" "]}, "not empty"),
        ({"send": "none"}, '"all" or a list'),
        ({"visible": 1}, '"all" or a list'),
        ({"receive": ["PullEverything"]}, "no operation is called 'PullEverything'"),
        ({"name": "A B"}, "lower-case letters"),
        ({"colour": "red"}, "not permitted"),
    ],
)
def test_an_entry_that_cannot_work_is_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        PeerEntry.model_validate({"name": "a", **settings})


@pytest.mark.parametrize("url", ["http://127.0.0.1:7000/api/oicp/", "http://localhost/api/oicp", "http://[::1]:1/x"])
def test_plain_http_to_this_machine_is_a_lab(url: str) -> None:
    assert PeerEntry(name="a", url=url, tls="off").url == url.rstrip("/")


def test_plain_http_to_another_machine_has_to_be_asked_for() -> None:
    assert PeerEntry(name="a", url="http://a.example", tls="off", insecure=True).insecure


@pytest.mark.parametrize(
    ("first", "second", "claim"),
    [
        ({"name": "b"}, {}, "the name 'b'"),
        ({"operators": ["DE*ABC"]}, {"operators": ["deabc"]}, "the operator 'deabc'"),
        ({"operators": ["DE*ABC"]}, {"sub_operators": ["DE*ABC"]}, "the operator"),
        ({"providers": ["DE-ABC"]}, {"providers": ["DE*ABC"]}, "the provider"),
        ({"pins": [PIN]}, {"pins": [PIN.upper().replace("SHA", "sha")]}, "the pin"),
        ({"evse_prefixes": ["DE*ABC*E1"]}, {"evse_prefixes": ["de*abc*e1"]}, "the EVSE prefix"),
        ({"operators": ["DE*ABC"], "enabled": False}, {"operators": ["DE*ABC"]}, "the operator"),
    ],
)
def test_two_peers_with_one_claim_are_refused_with_both_names(
    first: dict[str, object], second: dict[str, object], claim: str
) -> None:
    a = PeerEntry.model_validate({"name": "a", **first})
    b = PeerEntry.model_validate({"name": "b", **second})
    with pytest.raises(ValueError, match="both claim") as caught:
        PeerTable([a, b])
    assert repr(a.name) in str(caught.value)
    assert repr(b.name) in str(caught.value)
    assert claim in str(caught.value)


def test_one_peer_may_write_an_id_in_two_spellings() -> None:
    peer = PeerEntry(name="a", operators=("DE*ABC", "DEABC"), providers=("DE-ABC",))
    assert PeerTable([peer]).by_operator(operator_key("de*abc")) is peer


def test_a_disabled_peer_is_found_by_name_only() -> None:
    peer = PeerEntry(name="a", operators=("DE*ABC",), providers=("DE-ABC",), pins=(PIN,), enabled=False)
    table = PeerTable([peer])
    assert table.get("a") is peer
    assert table.by_operator(operator_key("DE*ABC")) is None
    assert table.by_provider(provider_key("DE-ABC")) is None
    assert table.with_role(Role.CPO) == ()


def test_a_peer_speaks_for_its_own_ids_in_any_spelling_but_not_for_those_it_bundles() -> None:
    peer = PeerEntry(name="a", operators=("DE*ABC",), sub_operators=("DE*SUB",))
    assert peer.speaks_for(Role.CPO, "DE*ABC")
    assert peer.speaks_for(Role.CPO, "deabc")
    assert not peer.speaks_for(Role.CPO, "DE*SUB")
    assert not peer.speaks_for(Role.EMP, "DE-ABC")
    assert PeerTable([peer]).by_operator(operator_key("DE*SUB")) is peer


def test_a_hub_speaks_for_everybody_and_plays_both_roles() -> None:
    hub = PeerEntry(name="hub", hub=True)
    assert hub.speaks_for(Role.CPO, "DE*XYZ")
    assert PeerTable([hub]).with_role(Role.EMP) == (hub,)


def test_the_obsolete_pull_needs_its_own_permission() -> None:
    closed, opened = PeerEntry(name="a"), PeerEntry(name="b", pull_authentication_data=True)
    assert [closed.may_receive(operation) for operation in OPERATIONS].count(False) == 1
    assert not closed.may_receive(PULL_AUTHENTICATION_DATA)
    assert opened.may_send(PULL_AUTHENTICATION_DATA)


def test_only_the_listed_operations_pass() -> None:
    peer = PeerEntry(name="a", send=("PullEvseData",), receive=("AuthorizeStart",))
    assert [operation for operation in OPERATIONS if peer.may_send(operation)] == [PULL_EVSE_DATA]
    assert [operation for operation in OPERATIONS if peer.may_receive(operation)] == [AUTHORIZE_START]
