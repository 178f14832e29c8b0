"""A node under clients that are slow on purpose, idle or endless: no other peer notices, memory stays bounded."""

import resource
import shlex
import socket
from contextlib import ExitStack

import pytest

from benchmarks.measures.slow_clients import ATTACKS, attack, p99_of, under_attack
from benchmarks.processes import Server
from benchmarks.scene import HOST, scene
from p2pnode.oicp.operations import Role

SECONDS = 0.8
NOTICED = 1000.0
"""Milliseconds. The machine of a test does other things too: how much slower others get is what the benchmark tells."""

MEGABYTES = 400
FEW_FILES = 100


def test_other_peers_do_not_notice_slow_idle_and_endless_clients_and_memory_is_bounded() -> None:
    with under_attack() as (made, node, attacker):
        p99_of(made, node, SECONDS / 2)
        before = node.memory()
        node.forget_peak()
        for name in ATTACKS:
            with attack(attacker, name):
                assert p99_of(made, node, SECONDS) < NOTICED, name  # and each answer is as it must be
        assert set(attacker.refused) == {413}
        assert node.peak_memory() - before < MEGABYTES
        limits = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
        assert limits[0] == limits[1]


def test_a_node_without_sockets_left_serves_again_when_there_are() -> None:
    with scene(Role.EMP) as made:
        command = f"ulimit -n {FEW_FILES}; exec {shlex.join(made.node().command)}"
        node = Server("node", ["sh", "-c", command], made.directory / "node.log", made.authorize)
        with node, ExitStack() as held:
            for _ in range(2 * FEW_FILES):
                held.enter_context(socket.create_connection((HOST, made.peer_port)))
            with pytest.raises(OSError, match=r"timed out|reset|closed|EOF|aborted"), ExitStack() as impatient:
                _handshake_in_time(impatient, made.peer_port)
            held.close()
            made.authorize()
        assert "no connection can be taken in: Too many open files" in node.last_words()


def _handshake_in_time(held: ExitStack, port: int) -> None:
    connected = held.enter_context(socket.create_connection((HOST, port), timeout=0.2))
    connected.sendall(b"\x16\x03\x01")
    if not connected.recv(1):
        raise ConnectionError("closed")
