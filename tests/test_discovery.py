"""Nodes on one network find each other, strangers' announcements do no harm, and who is gone is gone.

Between two network namespaces where this user may make them, over loopback multicast otherwise.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from p2pnode.lab.directory import Made, make_directory
from p2pnode.node import Node
from p2pnode.peering.discovery import MOST_WAITING, SERVICE
from p2pnode.peering.pending import MOST, Pending, Source
from p2pnode.pki import Authority, create_ca
from tests.whole_nodes import node_settings

LOOPBACK = "127.0.0.1"
LIFETIME = 4


def discovering(*addresses: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - settings of the section
    return {"enabled": True, "addresses": list(addresses), "lifetime_seconds": LIFETIME, **settings}


def made(root: Path, name: str, ids: Mapping[str, Any], *, ca: Authority | None = None) -> Made:
    section = discovering(LOOPBACK)
    if ca is not None:
        section |= {"auto_accept": "lab-ca", "lab_ca": str(ca.certificate_file)}
    settings = node_settings(name, **ids, discovery=section)
    return make_directory(root / name, settings, datetime.now(UTC), authority=ca)


async def until_so(condition: "Any", seconds: float = 10.0) -> float:  # noqa: ANN401 - anything that is called
    """Wait until the condition holds; how many seconds that took. TimeoutError where it does not."""
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it comes about over the network
            await asyncio.sleep(0.02)
    return time.monotonic() - begun


def pending(node: Node) -> list[str]:
    return [one.name for one in node.admission.pending.all()]


@pytest.fixture
def multicast() -> None:
    """Skips where loopback carries no multicast."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
            group = socket.inet_aton("224.0.0.251") + socket.inet_aton(LOOPBACK)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        except OSError as error:
            pytest.skip(f"no multicast on loopback: {error}")


@pytest.mark.usefixtures("multicast")
async def test_two_nodes_find_each_other_and_a_node_that_ends_is_gone_at_once(tmp_path: Path) -> None:
    cpo, emp = made(tmp_path, "cpo", {"operators": ["DE*ABC"]}), made(tmp_path, "emp", {"providers": ["DE-DCB"]})
    async with Node.from_directory(cpo.directory) as here:
        async with Node.from_directory(emp.directory) as there:
            assert await until_so(lambda: pending(here) == ["emp"] and pending(there) == ["cpo"]) < 3
            (found,) = here.admission.pending.all()
            assert (found.providers, found.url) == (("DE-DCB",), there.peer_url)
            assert there.face.pin.startswith(found.pin)
            assert here.peers.current().peers == ()
        await until_so(lambda: pending(here) == [])


@pytest.mark.usefixtures("multicast")
async def test_a_node_that_others_crowd_out_is_found_once_they_are_gone(tmp_path: Path) -> None:
    cpo, emp = made(tmp_path, "cpo", {"operators": ["DE*ABC"]}), made(tmp_path, "emp", {"providers": ["DE-DCB"]})
    async with Node.from_directory(cpo.directory) as here:
        waiting, now = here.admission.pending, datetime.now(UTC)
        crowd = [Pending(key=f"crowd {number}", source=Source.DISCOVERY, name="x", at=now) for number in range(MOST)]
        assert all(waiting.found(one) for one in crowd)
        async with Node.from_directory(emp.directory) as there:
            await until_so(lambda: pending(there) == ["cpo"])
            await asyncio.sleep(0.5)
            assert "emp" not in pending(here)
            waiting.discard([one.key for one in crowd])
            await until_so(lambda: pending(here) == ["emp"])


@pytest.mark.usefixtures("multicast")
async def test_nodes_of_one_lab_accept_each_other_if_their_ca_vouches_for_their_ids(tmp_path: Path) -> None:
    ca, other = create_ca(tmp_path / "ca", "lab", datetime.now(UTC)), create_ca(tmp_path / "b", "b", datetime.now(UTC))
    cpo = made(tmp_path, "cpo", {"operators": ["DE*ABC"]}, ca=ca)
    emp = made(tmp_path, "emp", {"providers": ["DE-DCB"]}, ca=ca)
    alien = made(tmp_path, "alien", {"providers": ["DE-ALI"]}, ca=other)
    async with (
        Node.from_directory(alien.directory) as stranger,
        Node.from_directory(cpo.directory) as here,
        Node.from_directory(emp.directory) as there,
    ):
        await until_so(lambda: here.peers.current().get("emp") and there.peers.current().get("cpo"))
        await until_so(lambda: pending(here) == ["alien"])
        assert [peer.name for peer in here.peers.current().peers] == ["emp"]
        assert stranger.peers.current().peers == ()


def announcement(label: str, port: int = 7000, **properties: str) -> ServiceInfo:
    return ServiceInfo(
        SERVICE,
        f"{label}.{SERVICE}",
        port=port,
        addresses=[socket.inet_aton("127.0.0.9")],
        server=f"{label}.local.",
        properties={"v": "1", "name": "x", "operators": "DE*XXX", "pin": "0" * 16, "path": "/api/oicp", **properties},
        host_ttl=120,
        other_ttl=120,
    )


@pytest.mark.usefixtures("multicast")
async def test_thousands_of_strangers_and_malformed_announcements_do_no_harm(tmp_path: Path) -> None:
    cpo = made(tmp_path, "cpo", {"operators": ["DE*ABC"]})
    emp = made(tmp_path, "emp", {"providers": ["DE-DCB"]})
    bad = [
        announcement("bad-pin", pin="zz"),
        announcement("bad-name", name="\x1b[2J"),
        announcement("bad-ids", operators="DE*\n\x07"),
        announcement("bad-path", path="/%0d%0a"),
        announcement("bad-port", port=0),
        announcement("no-name", name=""),
    ]
    async with Node.from_directory(cpo.directory) as here, Node.from_directory(emp.directory) as there:
        await until_so(lambda: pending(here) == ["emp"])
        loud = AsyncZeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only)
        try:
            zeroconf = loud.zeroconf
            for info in bad:
                zeroconf.async_send(zeroconf.generate_service_broadcast(info, None))
            await asyncio.sleep(0.2)
            assert pending(here) == ["emp"]
            for number in range(3000):
                info = announcement(f"s{number}", pin=f"{number:016x}", name=f"s{number}")
                zeroconf.async_send(zeroconf.generate_service_broadcast(info, None))
                if not number % 50:
                    await asyncio.sleep(0)
            noise = os.urandom(500)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
                raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
                for length in range(0, 500, 5):
                    raw.sendto(noise[:length], ("224.0.0.251", 5353))
            await until_so(lambda: len(pending(here)) > MOST // 2)
            await asyncio.sleep(0.3)
            discovery = here.admission.pending.all()
            assert len(discovery) <= MOST
            assert len(asyncio.all_tasks()) < MOST_WAITING
            assert here.peers.current().peers == ()
            assert there.peers.current().peers == ()
        finally:
            await loud.async_close()
        assert pending(here)[0] == "emp"


@dataclass(frozen=True)
class Lan:
    """Two network namespaces with a cable between them."""

    names: tuple[str, str]
    addresses: tuple[str, str]

    def command(self, at: int, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.names[at], *words]

    def p2pnode(self, at: int, *words: str) -> "subprocess.CompletedProcess[str]":
        command = self.command(at, sys.executable, "-m", "p2pnode", *words)
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture
def lan() -> Iterator[Lan]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip; loopback multicast is tested above")
    tag = f"p2p{os.getpid() % 100000}"
    made = Lan((f"{tag}a", f"{tag}b"), ("10.99.7.1", "10.99.7.2"))
    steps = [f"ip netns add {name}" for name in made.names]
    steps.append(f"ip link add {tag}0 netns {made.names[0]} type veth peer name {tag}1 netns {made.names[1]}")
    for number, (name, address) in enumerate(zip(made.names, made.addresses, strict=True)):
        device = f"{tag}{number}"
        steps += [
            f"ip -n {name} addr add {address}/24 dev {device}",
            f"ip -n {name} link set {device} up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} route add 224.0.0.0/4 dev {device}",
        ]
    try:
        for step in steps:
            done = subprocess.run(step.split(), check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
        yield made
    finally:
        for name in made.names:
            with suppress(OSError):
                subprocess.run(f"ip netns del {name}".split(), check=False, capture_output=True)


@pytest.fixture
async def processes(lan: Lan, tmp_path: Path) -> AsyncIterator[list["subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []
    parties: dict[str, dict[str, Any]] = {"cpo": {"operators": ["DE*ABC"]}, "emp": {"providers": ["DE-DCB"]}}
    for at, (name, ids) in enumerate(parties.items()):
        settings = node_settings(name, **ids, discovery=discovering())
        settings["peer_face"]["host"] = "0.0.0.0"  # noqa: S104 - of a network namespace with one neighbour
        make_directory(tmp_path / name, settings, datetime.now(UTC))
        command = lan.command(at, sys.executable, "-m", "p2pnode", "run", str(tmp_path / name))
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))  # noqa: ASYNC220 - waited for below
    await until_so(lambda: all((tmp_path / name / "run.json").exists() for name in ("cpo", "emp")), 20)
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


async def test_between_two_network_namespaces_found_accepted_and_gone_after_a_kill(
    lan: Lan, processes: list["subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    """Found within 3 s of their start, pending, accepted, gone within its lifetime after a kill without goodbye."""

    admin = json.loads((tmp_path / "cpo" / "run.json").read_text("utf-8"))["admin"]
    asking = f"import urllib.request as u; print(u.urlopen('{admin}/api/pending').read().decode())"

    def emp_is_pending() -> bool:
        told = subprocess.run(lan.command(0, sys.executable, "-c", asking), check=True, capture_output=True, text=True)
        listed: list[dict[str, Any]] = json.loads(told.stdout)["pending"]
        return [(one["name"], one["address"]) for one in listed] == [("emp", lan.addresses[1])]

    def peer(*words: str) -> None:
        done = lan.p2pnode(0, "peer", *words, "--dir", str(tmp_path / "cpo"))
        assert (done.returncode, done.stderr if done.returncode else "") == (0, "")

    await until_so(emp_is_pending, 3)
    peer("accept", "emp", "--yes")
    assert not emp_is_pending()
    peer("remove", "emp")
    await until_so(emp_is_pending, LIFETIME)
    processes[1].send_signal(signal.SIGKILL)
    await until_so(lambda: not emp_is_pending(), LIFETIME + 2)
