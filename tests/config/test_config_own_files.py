"""A peer's own file in `peers.d/`: written, renamed, and never at the cost of another peer."""

from pathlib import Path

import pytest

from p2pnode.config import ConfigError, PeerEntry, load_peers, save_peer


def names(directory: Path) -> list[str]:
    return [peer.name for peer in load_peers(directory).peers]


def test_a_peer_does_not_overwrite_a_file_with_other_peers_in_it(tmp_path: Path) -> None:
    file = tmp_path / "peers.d" / "partners.toml"
    file.parent.mkdir()
    written = '[[peer]]\nname = "partners"\n[[peer]]\nname = "beta"\nproviders = ["DE-BET"]\n'
    file.write_text(written)
    with pytest.raises(ConfigError, match="'beta' stands in this file"):
        save_peer(tmp_path, PeerEntry(name="partners", operators=("DE*NEW",)))
    assert file.read_text() == written


def test_a_peer_does_not_overwrite_a_certificate_that_another_is_known_by(tmp_path: Path) -> None:
    file = tmp_path / "peers.d" / "shared.pem"
    file.parent.mkdir()
    file.write_text("the CA of another")
    (tmp_path / "peers.toml").write_text(
        '[[peer]]\nname = "other"\nproviders = ["DE-BET"]\nca = "peers.d/shared.pem"\n'
    )
    with pytest.raises(ConfigError, match=r"'other' uses shared\.pem"):
        save_peer(tmp_path, PeerEntry(name="shared", operators=("DE*NEW",)), "a certificate")
    assert (file.read_text(), names(tmp_path)) == ("the CA of another", ["other"])
