"""What our own party sends without OICP."""

from pathlib import Path

import pytest

from p2pnode.lab.directory import make_directory
from p2pnode.node import Node
from p2pnode.oicp.errors import ProtocolError
from tests.peering.peering_kit import NOW
from tests.whole_nodes import node_settings


async def test_a_node_that_is_no_cpo_imports_no_evses_and_says_so(tmp_path: Path) -> None:
    made = make_directory(tmp_path / "emp", node_settings("emp", providers=["DE-EMP"]), NOW)
    async with Node.from_directory(made.directory) as node:
        for import_file in (node.own.import_evse_data, node.own.import_evse_status):
            with pytest.raises(ProtocolError, match="only a CPO publishes EVSEs"):
                await import_file(b"{}")
