"""What a node is told: its own configuration and the peer table, from TOML files."""

from p2pnode.config.errors import ConfigError
from p2pnode.config.load import load_node, load_peers, remove_peer, save_peer
from p2pnode.config.node import NodeConfig
from p2pnode.config.peers import PeerEntry, PeerTable

__all__ = ["ConfigError", "NodeConfig", "PeerEntry", "PeerTable", "load_node", "load_peers", "remove_peer", "save_peer"]
