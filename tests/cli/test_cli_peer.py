"""`p2pnode peer` without a running node: cards exchanged as files, peers renamed and removed."""

import json
from pathlib import Path

import pytest

from p2pnode.cli import run
from p2pnode.config import load_peers
from p2pnode.config.pins import spoken
from p2pnode.pki import inspect


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[Path, Path]:
    made = tmp_path / "alpha", tmp_path / "beta"
    assert run(["init", str(made[0]), "--operator", "DE*ABC"]) == 0
    assert run(["init", str(made[1]), "--provider", "DE-XYZ"]) == 0
    return made


@pytest.fixture
def card(nodes: tuple[Path, Path], tmp_path: Path) -> Path:
    file = tmp_path / "beta.json"
    assert run(["peer", "export", str(file), "--dir", str(nodes[1])]) == 0
    return file


def _pin(node: Path) -> str:
    return inspect(node / "pki" / "node.pem")[0].pin


def test_an_exported_card_becomes_a_peer_once_its_pin_is_the_one_told(
    nodes: tuple[Path, Path], card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = nodes
    to_import = ["peer", "import", str(card), "--dir", str(here)]
    assert run([*to_import, "--pin", spoken(_pin(here))]) == 1
    assert "another than the one told" in capsys.readouterr().err
    assert run(to_import) == 1  # nobody sits at this terminal
    assert "nobody is here to compare" in capsys.readouterr().err
    assert load_peers(here).peers == ()
    assert run([*to_import, "--pin", spoken(_pin(there))]) == 0
    (peer,) = load_peers(here).peers
    assert (peer.name, peer.providers, peer.pins) == ("beta", ("DE-XYZ",), (_pin(there),))
    assert peer.url == "https://127.0.0.1:7000/api/oicp"
    assert peer.certificate == here / "peers.d" / "beta.pem"
    assert (here / "peers.d" / "beta.toml").stat().st_mode & 0o777 == 0o600


def test_a_peer_is_renamed_and_removed_with_its_certificate(nodes: tuple[Path, Path], card: Path) -> None:
    here = nodes[0]
    assert run(["peer", "import", str(card), "--yes", "--dir", str(here)]) == 0
    before = load_peers(here).peers[0]
    assert run(["peer", "rename", "beta", "gamma", "--dir", str(here)]) == 0
    (after,) = load_peers(here).peers
    named = {"name": "gamma", "certificate": here / "peers.d" / "gamma.pem"}
    assert after == before.model_copy(update=named)
    assert sorted(file.name for file in (here / "peers.d").iterdir()) == ["gamma.pem", "gamma.toml"]
    for wrong in ("beta", "../p2pnode"):
        assert run(["peer", "remove", wrong, "--dir", str(here)]) == 1
    assert run(["peer", "rename", "gamma", "../x", "--dir", str(here)]) == 1
    assert run(["peer", "remove", "gamma", "--dir", str(here)]) == 0
    assert list((here / "peers.d").iterdir()) == []


def test_a_card_that_is_none_or_ones_own_is_not_imported(
    nodes: tuple[Path, Path], card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.json"
    assert run(["peer", "export", str(own), "--dir", str(nodes[0])]) == 0
    assert run(["peer", "import", str(own), "--yes", "--dir", str(nodes[0])]) == 1
    assert "which is an id of this node" in capsys.readouterr().err
    altered = json.loads(card.read_text("utf-8")) | {"pin": _pin(nodes[0])}
    card.write_text(json.dumps(altered), "utf-8")
    assert run(["peer", "import", str(card), "--yes", "--dir", str(nodes[0])]) == 1
    assert "not of the key it names" in capsys.readouterr().err
    assert run(["peer", "import", str(tmp_path / "none.json"), "--yes", "--dir", str(nodes[0])]) == 1


def test_whoever_cannot_be_met_is_not_added(nodes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    for url in ("http://127.0.0.1:1", "https://127.0.0.1:1"):
        assert run(["peer", "add", url, "--yes", "--dir", str(nodes[0])]) == 1
        assert capsys.readouterr().err.splitlines()[-2].startswith("error: ")
    assert run(["peer", "pending", "--dir", str(nodes[0])]) == 1
    assert "no node is running" in capsys.readouterr().err
