"""A peer table is replaced as one, or not at all."""

import pytest

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.peering.table import PeerTableHolder

FORMER = PeerTable([PeerEntry(name="former", url="http://127.0.0.1:1/api/oicp", tls="off", operators=("DE*ABC",))])
NEW = PeerTable([PeerEntry(name="new", url="http://127.0.0.1:1/api/oicp", tls="off", operators=("DE*ABC",))])


async def test_a_table_that_somebody_cannot_use_leaves_the_former_one_in_force_for_all() -> None:
    holder = PeerTableHolder(FORMER)
    heard: list[str] = []

    async def hear() -> None:
        heard.append(holder.current().peers[0].name)

    async def refuse_new() -> None:
        if holder.current() is NEW:
            raise OSError("a certificate file cannot be read")

    holder.listen(hear)
    holder.listen(refuse_new)
    with pytest.raises(OSError, match="certificate"):
        await holder.replace(NEW)
    assert holder.current() is FORMER
    assert heard == ["new", "former"]
