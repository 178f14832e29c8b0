"""A node under clients that are slow on purpose, idle or endless: no other peer notices, memory stays bounded."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
import uvloop

from benchmarks.load import generate
from benchmarks.measures.slow_clients import ATTACKS, CONNECTIONS, PAUSE, Attacker, attack, under_attack
from benchmarks.processes import Server
from benchmarks.scene import HOST, Scene

SECONDS = 0.6
NOTICED = 1000.0
"""Milliseconds. The machine of a test does other things too: how much slower others get is what the benchmark tells."""

BODY_MEGABYTES = 32
MEGABYTES = 150
"""One body of the largest size, and what the rest of it all costs."""
PEER, STRANGERS = 220, 600
"""Idle connections, more than one peer, and more than strangers, may hold open."""
FEW_FILES = 100

Attacked = tuple[Scene, Server, Attacker]


@pytest.fixture(scope="module")
def attacked() -> Iterator[Attacked]:
    with under_attack(body_bytes=BODY_MEGABYTES * 2**20) as (made, node, attacker):
        yield made, node, replace(attacker, idle_peer=PEER, idle_strangers=STRANGERS)


def p99_of(made: Scene, node: Server) -> float:
    """Of the other peer's AuthorizeStarts, in ms; each answer is as it must be."""
    return uvloop.run(generate(replace(made.job(node, CONNECTIONS, SECONDS, PAUSE), warmup=0.1))).p99


def test_other_peers_do_not_notice_slow_idle_and_endless_clients_and_memory_is_bounded(attacked: Attacked) -> None:
    made, node, attacker = attacked
    p99_of(made, node)
    before = node.memory()
    node.forget_peak()
    for name in ATTACKS:
        with attack(attacker, name):
            assert p99_of(made, node) < NOTICED, name
    assert set(attacker.refused) == {413}
    assert node.peak_memory() - before < MEGABYTES


def test_a_node_without_sockets_left_serves_again_when_there_are(attacked: Attacked) -> None:
    made, node, _ = attacked
    made.authorize()
    soft, hard = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
    assert soft == hard
    resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (FEW_FILES, hard))
    with ExitStack() as held:
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
