"""A peer cannot claim what this node is itself."""

from pathlib import Path

import pytest

from p2pnode.config import ConfigError, load_peers
from p2pnode.config.node import NodeSection

OWN = NodeSection(name="alpine", operators=("CH*ALP",), providers=("CH-ALP",))


@pytest.mark.parametrize("claim", ["operators = ['chalp']", "providers = ['CH*ALP']"])
def test_an_id_of_our_own_in_a_peers_entry_is_refused_with_both_names(tmp_path: Path, claim: str) -> None:
    (tmp_path / "peers.toml").write_text(f"[[peer]]\nname = 'other'\n\n[[peer]]\nname = 'rhine'\n{claim}\n")
    with pytest.raises(ConfigError, match=r"'rhine' claims .* 'alpine'") as caught:
        load_peers(tmp_path, OWN)
    assert caught.value.line == 4
    assert load_peers(tmp_path).get("rhine") is not None


def test_a_peer_may_bundle_us(tmp_path: Path) -> None:
    (tmp_path / "peers.toml").write_text("[[peer]]\nname = 'rhine'\nsub_operators = ['CH*ALP']\n")
    assert load_peers(tmp_path, OWN).get("rhine") is not None
