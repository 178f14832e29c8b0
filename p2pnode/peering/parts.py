"""What everything shares that looks after the peers of one node."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from p2pnode.config.node import NodeConfig
from p2pnode.peering.table import PeerTableHolder


@dataclass(frozen=True, slots=True)
class NodeParts:
    """A node's configuration, the directory it runs from (None: no files), its peers, log and clock (UTC)."""

    config: NodeConfig
    directory: Path | None
    peers: PeerTableHolder
    log: FilteringBoundLogger
    now: Callable[[], datetime]
