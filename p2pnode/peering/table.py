"""The peer table that is in force, with the certificates that go with it."""

import asyncio
from collections.abc import Awaitable, Callable

from p2pnode.config.peers import PeerTable
from p2pnode.peering.trust import PeerTrust

Listener = Callable[[], Awaitable[None]]


class PeerTableHolder:
    """The current table and its trust, replaced as one.

    Building trust reads certificate files: raises TrustError where they cannot be used.
    """

    def __init__(self, table: PeerTable) -> None:
        self.trust = PeerTrust(table)
        self._listeners: list[Listener] = []
        self._replacing = asyncio.Lock()

    def current(self) -> PeerTable:
        """The table in force."""
        return self.trust.table

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every replacement; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def replace(self, table: PeerTable) -> None:
        """Put another table in force, and wait until all listeners know.

        Raises TrustError where its certificate files or ours cannot be used; the former table then stays in force.
        """
        async with self._replacing:
            former = self.trust
            self.trust = await asyncio.to_thread(PeerTrust, table)
            try:
                await self._tell()
            except BaseException:
                self.trust = former
                await self._tell()
                raise

    async def _tell(self) -> None:
        for listener in tuple(self._listeners):
            await listener()
