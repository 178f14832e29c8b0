"""The peer table follows its files, whatever goes wrong in between."""

import asyncio
import base64
import errno
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from p2pnode.config import PeerEntry, PeerTable, load_peers, save_peer
from p2pnode.config.node import AdminFaceSection, LimitsSection, NodeConfig, PeerFaceSection
from p2pnode.observe.logs import NodeLog
from p2pnode.peering.parts import NodeParts
from p2pnode.peering.table import PeerTableHolder
from p2pnode.peering.trust import PeerTrust, TrustError, read_chain
from p2pnode.peering.upkeep import Upkeep
from tests.peering.peering_kit import NODE, NOW, Pki

P256, P192 = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030102")


def unknown_curve(pki: Pki, file: Path) -> Path:
    """A certificate whose key is on a curve that is not known."""
    der = read_chain(pki.partner.trust)[0].public_bytes(Encoding.DER).replace(P256, P192)
    text = base64.encodebytes(der).decode()
    file.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
    return file


def test_a_certificate_with_a_key_of_an_unknown_kind_is_named(pki: Pki, tmp_path: Path) -> None:
    file = unknown_curve(pki, tmp_path / "odd.pem")
    with pytest.raises(TrustError, match=r"peer 'a': .*odd.pem .*a key of a kind that is not known"):
        PeerTrust(PeerTable([PeerEntry(name="a", certificate=file)]))
    with pytest.raises(TrustError, match="a key of a kind that is not known"):
        read_chain(file)


async def test_the_files_are_watched_on_after_any_error(pki: Pki, tmp_path: Path) -> None:
    config = NodeConfig(
        node=NODE, peer_face=PeerFaceSection(port=0, tls="off"), limits=LimitsSection(watch_seconds=0.02)
    )
    holder = PeerTableHolder(PeerTable())
    parts = NodeParts(config, tmp_path, holder, NodeLog(config.log, "node").logger, lambda: NOW)
    heard, changed = list[int](), asyncio.Event()

    async def listener() -> None:
        heard.append(len(holder.current().peers))
        changed.set()
        if len(heard) == 1:
            raise OSError(errno.EMFILE, "Too many open files")

    async def written(entry: PeerEntry) -> None:
        changed.clear()
        await asyncio.to_thread(save_peer, tmp_path, entry)

    holder.listen(listener)
    watching = asyncio.create_task(Upkeep(parts, lambda _: None).watch_files())
    try:
        await asyncio.sleep(0.1)
        await written(PeerEntry(name="a", operators=("DE*ABC",)))
        await asyncio.wait_for(changed.wait(), 5)
        changed.clear()
        await asyncio.wait_for(changed.wait(), 5)  # it is read again, though no file has changed
        assert [peer.name for peer in holder.current().peers] == ["a"]
        odd = await asyncio.to_thread(unknown_curve, pki, tmp_path / "odd.pem")
        await written(PeerEntry(name="b", certificate=odd))
        await asyncio.sleep(0.1)
        assert [peer.name for peer in holder.current().peers] == ["a"]
        await written(PeerEntry(name="b", operators=("DE*DEF",)))
        await asyncio.wait_for(changed.wait(), 5)
        assert holder.current().peers == (await asyncio.to_thread(load_peers, tmp_path)).peers
    finally:
        watching.cancel()


async def test_a_ca_of_administrators_that_has_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "administrators.pem"
    admin = AdminFaceSection(tls="on", client_ca=file)
    config = NodeConfig(node=NODE, admin_face=admin, limits=LimitsSection(watch_seconds=0.02))
    holder, heard = PeerTableHolder(PeerTable()), asyncio.Event()
    parts = NodeParts(config, tmp_path, holder, NodeLog(config.log, "node").logger, lambda: NOW)

    async def listener() -> None:
        heard.set()

    holder.listen(listener)
    watching = asyncio.create_task(Upkeep(parts, lambda _: None).watch_files())
    try:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(file.write_text, "another")
        await asyncio.wait_for(heard.wait(), 5)
    finally:
        watching.cancel()
