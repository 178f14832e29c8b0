"""The network of the lab: nodes on loopback, each in a process of its own, peers of those the topology says."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from p2pnode.config import PeerEntry, save_peer
from p2pnode.lab.directory import make_directory
from p2pnode.lab.parties import TIME_SCALE, Party
from p2pnode.lab.ports import LOOPBACK, ReservedPorts
from p2pnode.lab.process import NodeProcess
from p2pnode.lab.topology import PAIR, Topology
from p2pnode.oicp.dialects import Dialect
from p2pnode.oicp.operations import BASE_PATH
from p2pnode.pki import Authority, create_ca

CA_NAME = "p2pnode lab CA"


class Network:
    """The running nodes of a topology below `root`; the context's end ends them, unless they are to be kept.

    `sub_operators` are the OperatorIDs a party bundles besides its own, by the party's name; `relays` the ports at
    which other nodes call a party, where they are not its own; `dialect` is what all write to each other.
    """

    def __init__(  # noqa: PLR0913 - what a network may be told
        self,
        root: Path,
        *,
        plain: bool = False,
        keep: bool = False,
        sub_operators: Mapping[str, Sequence[str]] | None = None,
        dialect: Dialect = "oicp",
        topology: Topology = PAIR,
    ) -> None:
        self.authority: Authority | None = None
        self._topology = topology
        self.relays: Mapping[str, int] = {}
        self._dialect: Dialect = dialect
        self.root = root
        self.kept = False
        self.nodes: dict[str, NodeProcess] = {}
        self._plain = plain
        self._keep = keep
        self._sub_operators = sub_operators or {}

    def make(self, now: datetime, ports: Sequence[int]) -> None:
        """Make the directories of all nodes; every party's peers reach it at its port of these."""
        self.authority = None if self._plain else create_ca(self.root / "ca", CA_NAME, now)
        at = {party.name: port for party, port in zip(self._topology.parties, ports, strict=True)}
        pins: dict[str, str] = {}
        for party in self._topology.nodes:
            directory = self.root / party.name
            made = make_directory(directory, self._settings(party, at[party.name]), now, authority=self.authority)
            pins[party.name] = made.identity.pin
            self.nodes[party.name] = NodeProcess(directory, keep=self._keep)
        for party in self._topology.parties:
            for name in self.nodes:
                is_hub = self._topology.known[name].get(party.name)
                if is_hub is not None:
                    called_at = self.relays.get(party.name, at[party.name])
                    save_peer(self.root / name, self._entry(party, called_at, pins.get(party.name), is_hub=is_hub))

    async def start(self) -> None:
        """Start all nodes and wait until they serve. Raises Problem."""
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
            "node": {
                "name": party.name,
                "operators": _listed(party.operator_id),
                "providers": _listed(party.provider_id),
                "relay": party.name in self._topology.relays,
            },
            "peer_face": {"host": LOOPBACK, "port": port, "tls": "off" if self._plain else "on"},
            "backend_face": {"port": 0},
            "admin_face": {"port": 0},
            "cpo": {"virtual": {"time_scale": TIME_SCALE, "charge_points": points, "publish_at_start": False}},
            "emp": {"virtual": {"drivers": drivers}},
        }

    def _entry(self, party: Party, port: int, pin: str | None, *, is_hub: bool) -> PeerEntry:
        """How another node knows this party: by its ids in a certificate of the CA, a mere relay by its key."""
        has_id = bool(party.operator_id or party.provider_id)
        return PeerEntry(
            name=party.name,
            url=f"{'http' if self._plain else 'https'}://{LOOPBACK}:{port}{BASE_PATH}",
            operators=tuple(_listed(party.operator_id)),
            providers=tuple(_listed(party.provider_id)),
            sub_operators=tuple(self._sub_operators.get(party.name, ())),
            ca=self.authority.certificate_file if self.authority else None,
            tls="off" if self._plain else "on",
            pins=(pin,) if pin is not None and self.authority and not has_id else (),
            pull_authentication_data=True,
            dialect=self._dialect,
            hub=is_hub,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.kept:
            await self.stop()

    async def stop(self) -> None:
        """End all nodes, whatever happens meanwhile."""
        ending = asyncio.gather(*(node.stop() for node in self.nodes.values()))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise


def reserve_ports(topology: Topology = PAIR) -> ReservedPorts:
    """One port for each party, where its peers reach it."""
    return ReservedPorts(len(topology.parties))


def _listed(identifier: str) -> list[str]:
    return [identifier] if identifier else []
