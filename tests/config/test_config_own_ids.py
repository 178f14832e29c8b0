"""A peer cannot claim what this node is itself."""

from pathlib import Path

import pytest

from p2pnode.config import ConfigError, load_peers
from p2pnode.config.node import NodeSection

OWN = NodeSection(name="alpine", operators=("CH*ALP",), providers=("CH-ALP",))


@pytest.mark.parametrize(
    "claim",
    ["operators = ['chalp']", "sub_operators = ['CH*ALP']", "providers = ['CH*ALP']", "sub_providers = ['CHALP']"],
)
def test_an_id_of_our_own_in_a_peers_entry_is_refused_with_both_names(tmp_path: Path, claim: str) -> None:
    (tmp_path / "peers.toml").write_text(f"[[peer]]\nname = 'other'\n\n[[peer]]\nname = 'rhine'\n{claim}\n")
    with pytest.raises(ConfigError, match=r"'rhine' claims .* 'alpine'") as caught:
        load_peers(tmp_path, OWN)
    assert caught.value.line == 4
    assert load_peers(tmp_path).get("rhine") is not None
