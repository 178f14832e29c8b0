"""Full loads beside the changes, daily of EVSE status and weekly of EVSE data: a copy is mended whatever went wrong.

When each peer had its last one is stored, so that a node that is restarted every day does not forget the week.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import SystemRandom

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.operations import PUSH_EVSE_DATA, PUSH_EVSE_STATUS, AnyOperation, Role
from p2pnode.oicp.scalars import ActionType
from p2pnode.roaming.outbox_records import DeliveryRecord
from p2pnode.roaming.party import Party
from p2pnode.roaming.publishing import Publisher

BETWEEN_LOOKS = 900.0
"""How many seconds pass until it is looked again whose full load is due."""


class FullLoads:
    """Sends each peer its full loads when they are due."""

    def __init__(self, party: Party, publishers: Callable[[], Sequence[tuple[Publisher, Role]]]) -> None:
        settings = party.limits.outbox
        self._party = party
        self._publishers = publishers
        self._every: Mapping[AnyOperation, timedelta] = {
            PUSH_EVSE_STATUS: timedelta(hours=settings.status_full_load_hours),
            PUSH_EVSE_DATA: timedelta(days=settings.data_full_load_days),
        }
        self._random = SystemRandom().random
        self._spread: dict[tuple[str, str], float] = {}
        self._resting = False
        self._timer: asyncio.TimerHandle | None = None

    def schedule(self) -> None:
        """Look now and then, from some time after the start on."""
        if any(self._every.values()):
            self._timer = asyncio.get_running_loop().call_later(BETWEEN_LOOKS, self._look)

    def rest(self) -> None:
        """Look no more."""
        self._resting = True
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._party.background.start(self._run_and_go_on(), "full loads that are due")

    async def _run_and_go_on(self) -> None:
        try:
            await self.run()
        finally:
            if not self._resting:
                self.schedule()

    async def run(self) -> None:
        """Send all full loads that are due, one after the other; those of peers that are away have to wait."""
        sent = {(record.peer, record.operation): record.known_at for record in await self._party.store.deliveries()}
        for publisher, role in self._publishers():
            operation = publisher.operation
            every = self._every.get(operation)
            name = f"{operation.name} {ActionType.FULL_LOAD}"
            for peer in self._party.peers().with_role(role) if every else ():
                if every and peer.url is not None and peer.may_send(operation):
                    await self._load(publisher, peer, name, sent.get((peer.name, name)), every)

    async def _load(
        self, publisher: Publisher, peer: PeerEntry, name: str, sent_at: datetime | None, every: timedelta
    ) -> None:
        """Send one full load if it is due: up to `outbox.jitter` before its time, so that not all come at once.

        One that fails is not tried again here: the lane brings a peer up to date that has missed something.
        """
        now = self._party.now()
        spread = self._spread.setdefault((peer.name, name), self._random())
        if sent_at is not None:
            is_due = now - sent_at >= every * (1 - self._party.limits.outbox.jitter * spread)
            if not is_due or self._party.breakers.open_until(peer.name) is not None:
                return
            await publisher.publish_all(peer)
        # A peer that is new has been sent everything already: its time begins somewhere in the interval.
        record = DeliveryRecord(peer.name, name, now if sent_at is not None else now - every * spread)
        await self._party.store.write(lambda transaction: transaction.put_delivery(record))
