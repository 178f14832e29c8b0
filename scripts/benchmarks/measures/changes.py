"""AuthorizeStart while every second the peer table changes and the node's certificate is renewed: nothing may fail."""

import os
import signal
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.processes import Generator, Server
from benchmarks.scene import HOST, Scene, scene
from p2pnode.config import PeerEntry, load_peers, remove_peer, save_peer
from p2pnode.oicp.operations import Role
from p2pnode.pki import renew

CONNECTIONS = 32
PAUSE = 0.025
"""Seconds each connection rests after an answer: up to 1,280 requests/s on all of them."""

INTERVAL = 1.0
PATIENCE = 10.0
OTHER = "other"


def measure(plan: Plan) -> Iterator[Figure]:
    """Each run is a new node under a steady load; one request in that fails, or a change not taken up, is a Failure."""
    rates: list[float] = []
    slowest: list[float] = []
    changes: list[float] = []
    for run in range(plan.runs):
        plan.say(f"run {run + 1} of {plan.runs}")
        with scene(Role.EMP) as made, made.node() as node:
            with Generator(made.job(node, CONNECTIONS, plan.seconds, PAUSE)) as generator:
                changes.append(_change(made, node, plan.seconds))
                load = generator.load()
            rates.append(load.rate)
            slowest.append(load.p99)
    yield Figure("changes.rate", "requests/s", rates)
    yield Figure("changes.p99", "ms", slowest)
    yield Figure("changes.made", "changes", changes, goal=Goal(1, "higher"))


def _change(made: Scene, node: Server, seconds: float) -> int:
    """Change table and certificate again and again, and call each time on a new connection; how often that was."""
    until = time.monotonic() + seconds
    directory = made.directory / "node"
    (peer,) = load_peers(directory).peers
    for number in count(1):
        begun = time.monotonic()
        if begun >= until:
            return number - 1
        save_peer(directory, peer.model_copy(update={"evse_prefixes": (f"CH*{number:03d}*E",)}))
        if number % 2:
            save_peer(directory, PeerEntry(name=OTHER, operators=(f"DE*{number:03d}",)))
        else:
            remove_peer(directory, OTHER)
        renew(directory / "pki", datetime.now(UTC))
        os.kill(node.pid, signal.SIGHUP)
        _await_certificate(made)
        made.authorize()
        time.sleep(max(0.0, INTERVAL - (time.monotonic() - begun)))
    raise AssertionError("count has no end")


def _await_certificate(made: Scene) -> None:
    """Until a new connection shows the certificate that is on disk. Raises Failure."""
    text = made.node_identity.certificate_file.read_text("ascii")
    wanted = ssl.PEM_cert_to_DER_cert(text[: text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)])
    until = time.monotonic() + PATIENCE
    while ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((HOST, made.peer_port))) != wanted:
        if time.monotonic() > until:
            raise Failure("a renewed certificate was not taken up")
        time.sleep(0.02)


BENCHMARK = Benchmark("changes", "AuthorizeStart through a table reload and a renewal every second", measure)
