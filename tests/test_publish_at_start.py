"""A node with virtual charge points tells its peers of them by itself, and of each only once."""

import asyncio
from pathlib import Path

from p2pnode.config import NodeConfig, PeerEntry, PeerTable
from p2pnode.node import Node
from p2pnode.roaming.records import OWN
from tests.peering.peering_kit import OPERATOR, PROVIDER

POINTS = [f"{OPERATOR}*E{number}" for number in range(1, 4)]


def _node(root: Path, name: str, peer: PeerEntry, **sections: object) -> Node:
    settings = {
        "node": {"name": name, "operators": [OPERATOR] if name == "cpo" else [], "providers": []},
        "peer_face": {"port": 0, "tls": "off"},
        "backend_face": {"enabled": False},
        "store": {"path": str(root / f"{name}.db")},
        "log": {"level": "error"},
        **sections,
    }
    return Node(NodeConfig.model_validate(settings), PeerTable([peer]))


def _cpo(root: Path, url: str, points: list[str], *, publishes: bool = True) -> Node:
    virtual = {"charge_points": [{"evse_id": evse_id} for evse_id in points], "publish_at_start": publishes}
    emp = PeerEntry(name="emp", url=url, providers=(PROVIDER,), tls="off", send=("PushEvseData", "PushEvseStatus"))
    return _node(root, "cpo", emp, cpo={"virtual": virtual})


async def _delivered() -> None:
    """What nodes do at their start is done."""
    running = [task for task in asyncio.all_tasks() if task.get_name() == "delivery of what peers have missed"]
    await asyncio.gather(*running)


async def test_peers_learn_of_new_charge_points_at_the_start_and_of_nothing_twice(tmp_path: Path) -> None:
    cpo_entry = PeerEntry(name="cpo", operators=(OPERATOR,), tls="off")
    emp_ids = {"node": {"name": "emp", "providers": [PROVIDER]}}

    async with _node(tmp_path, "emp", cpo_entry, **emp_ids) as emp:

        async def known() -> list[str]:
            statuses = {found.evse_id for found in await emp.store.statuses(("cpo",))}
            assert statuses == {evse_id for evse_id in POINTS if await emp.store.evse(evse_id, "cpo") is not None}
            return sorted(statuses)

        for points, publishes, expected, pushes in (
            (POINTS[:1], False, [], 0),
            (POINTS[:2], True, POINTS[:2], 2),
            (POINTS[:2], True, POINTS[:2], 0),
            (POINTS, True, POINTS, 2),
        ):
            before = emp.observer.health("cpo").received
            async with _cpo(tmp_path, emp.peer_url, points, publishes=publishes) as cpo:
                await _delivered()
                assert await known() == expected
                assert emp.observer.health("cpo").received - before == pushes
                assert len(await cpo.store.statuses((OWN,))) == len(expected)
