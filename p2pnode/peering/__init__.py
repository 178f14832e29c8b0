"""Peers on the wire: server, client, TLS, identity."""

from p2pnode.peering.client import PeerClient
from p2pnode.peering.face import FaceParts, OicpFace
from p2pnode.peering.identity import OwnParty
from p2pnode.peering.server import PeerFace
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.trust import TrustError

__all__ = ["FaceParts", "OicpFace", "OwnParty", "PeerClient", "PeerFace", "PeerTableHolder", "TrustError"]
