"""The network of the lab: two nodes on loopback, each in a process of its own, peers of each other."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from p2pnode.config import PeerEntry, save_peer
from p2pnode.lab.directory import make_directory
from p2pnode.lab.parties import PARTIES, TIME_SCALE, Party
from p2pnode.lab.ports import LOOPBACK, ReservedPorts
from p2pnode.lab.process import NodeProcess
from p2pnode.oicp.dialects import Dialect
from p2pnode.oicp.operations import BASE_PATH
from p2pnode.pki import Authority, create_ca

CA_NAME = "p2pnode lab CA"


class Network:
    """Two running nodes below `root`; the context's end ends them, unless they are to be kept.

    `sub_operators` are the OperatorIDs a party bundles besides its own, by the party's name; `relays` the ports at
    which the other node calls a party, where they are not its own; `dialect` is what both write to each other.
    """

    def __init__(
        self,
        root: Path,
        *,
        plain: bool = False,
        keep: bool = False,
        sub_operators: Mapping[str, Sequence[str]] | None = None,
        dialect: Dialect = "oicp",
    ) -> None:
        self.relays: Mapping[str, int] = {}
        self._dialect: Dialect = dialect
        self.root = root
        self.kept = False
        self.nodes: dict[str, NodeProcess] = {}
        self._plain = plain
        self._keep = keep
        self._sub_operators = sub_operators or {}

    def make(self, now: datetime, ports: Sequence[int]) -> None:
        """Make the directories of both nodes, whose peer faces listen at these ports."""
        authority = None if self._plain else create_ca(self.root / "ca", CA_NAME, now)
        for party, port in zip(PARTIES, ports, strict=True):
            directory = self.root / party.name
            make_directory(directory, self._settings(party, port), now, authority=authority)
            self.nodes[party.name] = NodeProcess(directory, keep=self._keep)
        for party, port in zip(PARTIES, ports, strict=True):
            for other in PARTIES:
                if other is not party:
                    called_at = self.relays.get(party.name, port)
                    save_peer(self.root / other.name, self._entry(party, called_at, authority))

    async def start(self) -> None:
        """Start both nodes and wait until they serve. Raises Problem."""
        async with asyncio.TaskGroup() as group:
            for node in self.nodes.values():
                group.create_task(node.start())

    def keep(self) -> None:
        """Leave the nodes running when the context ends."""
        self.kept = self._keep

    def _settings(self, party: Party, port: int) -> dict[str, Any]:
        points = [point.model_dump(mode="json", exclude_defaults=True) for point in party.points]
        drivers = [driver.model_dump(mode="json", exclude_defaults=True) for driver in party.drivers.all()]
        return {
            "node": {"name": party.name, "operators": [party.operator_id], "providers": [party.provider_id]},
            "peer_face": {"host": LOOPBACK, "port": port, "tls": "off" if self._plain else "on"},
            "backend_face": {"port": 0},
            "admin_face": {"port": 0},
            "cpo": {"virtual": {"time_scale": TIME_SCALE, "charge_points": points}},
            "emp": {"virtual": {"drivers": drivers}},
        }

    def _entry(self, party: Party, port: int, authority: Authority | None) -> PeerEntry:
        """How the other node knows this party."""
        return PeerEntry(
            name=party.name,
            url=f"{'http' if authority is None else 'https'}://{LOOPBACK}:{port}{BASE_PATH}",
            operators=(party.operator_id,),
            providers=(party.provider_id,),
            sub_operators=tuple(self._sub_operators.get(party.name, ())),
            ca=authority.certificate_file if authority else None,
            tls="on" if authority else "off",
            pull_authentication_data=True,
            dialect=self._dialect,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.kept:
            await self.stop()

    async def stop(self) -> None:
        """End both nodes, whatever happens meanwhile."""
        ending = asyncio.gather(*(node.stop() for node in self.nodes.values()))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise


def reserve_ports() -> ReservedPorts:
    """One port for each node's peer face."""
    return ReservedPorts(len(PARTIES))
