"""A node that starts asks its peers, over mutual TLS, for what was said while nobody told it."""

import json
from pathlib import Path

import pytest

from p2pnode.config import save_peer
from p2pnode.lab.ports import ReservedPorts
from p2pnode.node import Node
from p2pnode.oicp.operations import PUSH_EVSE_STATUS
from p2pnode.roaming.records import OWN
from tests.peering.peering_kit import until
from tests.samples import sample_members
from tests.whole_nodes import make_pair, peer


async def test_a_node_that_starts_pulls_what_its_peers_have_told_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pnode.roaming.catch_up.AFTER_START", 0.01)
    with ReservedPorts(2) as reserved:
        pair = make_pair(tmp_path, (reserved.ports[0], reserved.ports[1]))
        save_peer(pair.cpo.directory, peer(pair.emp, pair.authority, send=()))
        async with Node.from_directory(pair.cpo.directory) as cpo:
            body = json.dumps(sample_members(PUSH_EVSE_STATUS) | {"ActionType": "fullLoad"}).encode()
            assert (await cpo.own.call(PUSH_EVSE_STATUS, body)).code == "000"
            async with Node.from_directory(pair.emp.directory) as emp:
                await until(lambda: emp.observer.health("abc").sent >= 3)
                await emp.roaming.settle()
                pulled = await emp.store.statuses(("abc",))
                assert pulled
                published = await cpo.store.statuses((OWN,))
                assert [(found.evse_key, found.status) for found in pulled] == [
                    (found.evse_key, found.status) for found in published
                ]
