"""What a node knows in memory of what it has published to one peer."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Delivery:
    """How far a peer has what one operation publishes, and the pushes to it. Of this, `DeliveryRecord` is stored.

    `refused` says that the peer did not take a full load either, `unsure` that the delivery is behind only because the
    peer is new since the start of the node. Pushes are counted as they are `issued`; those up to
    `covered` are in a full load, or left to one, and not sent any more. `dropped` is the last that was never queued.
    `known` is the moment up to which the peer is known to have everything. `told` are the ids of direct peers that it
    was told of with the last push, being a hub.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    behind: bool = False
    refused: bool = False
    unsure: bool = False
    issued: int = 0
    covered: int = 0
    dropped: int = 0
    known: datetime | None = None
    failures: int = 0
    told: frozenset[str] = frozenset()
    timer: asyncio.TimerHandle | None = None

    def owe_everything(self) -> None:
        """Send everything next."""
        self.behind, self.refused, self.unsure, self.known = True, False, False, None

    def stop_timer(self) -> None:
        """Do not try again by itself."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
