"""`peers.toml` and `peers.d/`: read together, written one by one, wrong entries named."""

import stat
import tomllib
from pathlib import Path

import pytest

from p2pnode.config import ConfigError, PeerEntry, load_peers, remove_peer, save_peer
from p2pnode.config.files import changed

PIN = "sha256:" + "0b" * 32
LISTED = """
[[peer]]
name = "first"
operators = ["DE*ABC"]

[[peer]]
name = "second"
providers = ["DE-GDF"]
"""


def _names(directory: Path) -> list[str]:
    return [peer.name for peer in load_peers(directory).peers]


def test_a_directory_without_peer_files_is_an_empty_table(tmp_path: Path) -> None:
    assert _names(tmp_path) == []


def test_a_saved_peer_is_read_back_as_it_was(tmp_path: Path) -> None:
    entry = PeerEntry(
        name="c",
        url="https://c.example/api/oicp",
        operators=("DE*CCC",),
        pins=(PIN,),
        certificate=tmp_path / "peers" / "c.pem",
        send=("AuthorizeStart",),
        visible=("DE*ABC*E1",),
    )
    file = save_peer(tmp_path, entry)
    assert file == tmp_path / "peers.d" / "c.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert 'certificate = "peers/c.pem"' in file.read_text(encoding="utf-8")
    assert load_peers(tmp_path).peers == (entry,)


def test_saved_peers_stand_beside_those_written_by_hand(tmp_path: Path) -> None:
    (tmp_path / "peers.toml").write_text(LISTED, encoding="utf-8")
    save_peer(tmp_path, PeerEntry(name="third", operators=("DE*CCC",)))
    assert _names(tmp_path) == ["first", "second", "third"]


def test_saving_again_replaces_the_peer(tmp_path: Path) -> None:
    save_peer(tmp_path, PeerEntry(name="c", operators=("DE*CCC",)))
    save_peer(tmp_path, PeerEntry(name="c", operators=("DE*DDD",)))
    assert [peer.operators for peer in load_peers(tmp_path).peers] == [("DE*DDD",)]
    assert [file.name for file in (tmp_path / "peers.d").iterdir()] == ["c.toml"]


def test_a_peer_that_would_break_the_table_is_not_saved(tmp_path: Path) -> None:
    (tmp_path / "peers.toml").write_text(LISTED, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"third\.toml.*'first' and 'third' both claim the operator"):
        save_peer(tmp_path, PeerEntry(name="third", operators=("DE*ABC",)))
    with pytest.raises(ConfigError, match="both claim the name"):
        save_peer(tmp_path, PeerEntry(name="first"))
    assert _names(tmp_path) == ["first", "second"]


def test_a_saved_peer_can_be_removed_and_one_written_by_hand_not(tmp_path: Path) -> None:
    (tmp_path / "peers.toml").write_text(LISTED, encoding="utf-8")
    file = save_peer(tmp_path, PeerEntry(name="third"))
    assert remove_peer(tmp_path, "third") == file
    with pytest.raises(ConfigError, match=r"peers\.toml:6: peer: .*by hand"):
        remove_peer(tmp_path, "second")
    with pytest.raises(ConfigError, match="no peer 'fourth'"):
        remove_peer(tmp_path, "fourth")
    assert _names(tmp_path) == ["first", "second"]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        (LISTED + 'operators = ["DE*ABC"]\n', 6, "'first' and 'second' both claim the operator 'DE*ABC'"),
        (LISTED + "prots = 1\n", 9, "no such setting"),
        (LISTED + 'send = ["Nothing"]\n', 6, "no operation is called 'Nothing'"),
        (LISTED + 'pins = ["x"]\n', 9, "64 hexadecimal"),
        (LISTED + "send = 3\n", 9, '"all" or a list'),
        ('name = "a"\n', 1, "only [[peer]] tables"),
        ('[peer]\nname = "a"\n', 1, "double brackets"),
        ("[[peer]]\noperators = []\n", 1, "is missing"),
    ],
)
def test_a_wrong_entry_names_its_line(tmp_path: Path, text: str, line: int, sentence: str) -> None:
    (tmp_path / "peers.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_peers(tmp_path)
    assert caught.value.line == line
    assert sentence in caught.value.sentence


def test_nothing_is_left_behind_where_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "peers.d" / "c.toml").mkdir(parents=True)
    (tmp_path / "peers.d" / "c.toml" / "in-the-way").touch()
    with pytest.raises((ConfigError, OSError)):
        save_peer(tmp_path, PeerEntry(name="c"))
    assert [file.name for file in (tmp_path / "peers.d").iterdir()] == ["c.toml"]


def test_a_setting_is_changed_in_its_line_and_the_rest_keeps_its_form() -> None:
    text = '# by hand\n[admin_face]\nport = 7002   # as ever\ntoken = "a"\n\n[node]\nname = "n"\n'
    assert changed(text, {("admin_face", "token"): None}) == text.replace('token = "a"\n', "\n")
    assert changed(text, {("admin_face", "token"): "b"}) == text.replace('"a"', '"b"')
    assert changed(text, {("node", "token"): "c"}) == text.replace("[node]\n", '[node]\ntoken = "c"\n')


@pytest.mark.parametrize(
    "text", ['a = {token = "x", b = 1}\n', '[a]\nb = 1\ntoken = """x\n"""\n', 'a.token = "x"\na.b = 1\n']
)
def test_what_does_not_stand_on_a_line_of_its_own_is_taken_out_too(text: str) -> None:
    assert tomllib.loads(changed(text, {("a", "token"): None})) == {"a": {"b": 1}}
