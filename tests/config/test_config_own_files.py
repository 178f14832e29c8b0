"""A peer's own file in `peers.d/`: written, renamed, and never at the cost of another peer."""

import errno
from pathlib import Path

import pytest

from p2pnode.config import ConfigError, PeerEntry, load, load_peers, remove_peer, save_peer
from p2pnode.config.load import rename_peer


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


def test_a_peer_whose_renaming_is_interrupted_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_peer(tmp_path, PeerEntry(name="old", operators=("DE*ABC",)), "a certificate")

    def interrupted(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for where, left in ((load, "write_toml"), (Path, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(where, left, interrupted)
            with pytest.raises(OSError, match="No space"):
                rename_peer(tmp_path, "old", "new")
        assert len(names(tmp_path)) == 1
    file = rename_peer(tmp_path, "old", "new")
    (peer,) = load_peers(tmp_path).peers
    assert (peer.name, peer.certificate) == ("new", file.with_suffix(".pem"))
    assert sorted(path.name for path in file.parent.iterdir()) == ["new.pem", "new.toml"]


def test_a_file_with_several_peers_is_left_to_whoever_wrote_it(tmp_path: Path) -> None:
    file = tmp_path / "peers.d" / "alpha.toml"
    file.parent.mkdir()
    file.write_text('[[peer]]\nname = "alpha"\n[[peer]]\nname = "beta"\n')
    with pytest.raises(ConfigError, match="written here by hand"):
        rename_peer(tmp_path, "alpha", "new")
    with pytest.raises(ConfigError, match="written here by hand"):
        remove_peer(tmp_path, "alpha")
    assert names(tmp_path) == ["alpha", "beta"]
