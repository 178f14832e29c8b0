"""Two nodes and two backends in processes of their own, and the network between the nodes."""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import msgspec

from chaos_check import messages, plan
from chaos_check.hub import Settings
from chaos_check.plan import Options
from chaos_check.proxy import Proxy
from p2pnode.config.load import save_peer
from p2pnode.config.peers import PeerEntry
from p2pnode.lab.directory import make_directory
from p2pnode.lab.ports import LOOPBACK, ReservedPorts
from p2pnode.lab.process import NodeProcess
from p2pnode.oicp.operations import BASE_PATH

SCRIPTS = Path(__file__).resolve().parent.parent
FULL_AT = 8192
"""The size in bytes beyond which no file of a process with a full disk can be written."""
OUTBOX = {"base_seconds": 0.1, "cap_seconds": 1.0, "breaker_cap_seconds": 1.0, "failed_answers": 100}
"""Outages are of seconds here, not of hours."""
PAUSE = 0.2
"""How long a backend waits at most between two messages of a session, in seconds."""
MODULES = {plan.CPO_BACKEND: "chaos_check.cpo_backend", plan.EMP_BACKEND: "chaos_check.emp_backend"}


class BackendProcess:
    """A backend as a child, which ends with this process; its stderr goes to a file beside its settings."""

    def __init__(self, settings: Path, module: str) -> None:
        self._settings = settings
        self._module = module
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the child."""
        path = os.pathsep.join(filter(None, (str(SCRIPTS), os.environ.get("PYTHONPATH"))))
        with self._settings.with_suffix(".log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                str(self._settings),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
            )

    @property
    def has_ended(self) -> bool:
        """Whether the child has ended."""
        return self._process is None or self._process.returncode is not None

    async def kill(self) -> None:
        """End the child without warning."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()


@dataclass
class Stage:
    """Everything that runs. `locks` let one fault at a time happen to each process."""

    directory: Path
    nodes: Mapping[str, NodeProcess]
    backends: Mapping[str, BackendProcess]
    proxies: tuple[Proxy, Proxy]
    hubs: Mapping[str, str]
    """The OICP base that each backend calls."""
    locks: Mapping[str, asyncio.Lock] = field(default_factory=lambda: {name: asyncio.Lock() for name in plan.PROCESSES})

    def journal(self, name: str) -> Path:
        """Where a backend writes."""
        return self.directory / f"{name}.journal"

    @property
    def finish(self) -> Path:
        """The file that tells the backends to come to an end."""
        return self.directory / "finish"

    def process(self, name: str) -> NodeProcess | BackendProcess:
        """The process of this name."""
        return self.nodes[name] if name in self.nodes else self.backends[name]

    def fill_disk(self, name: str, *, full: bool) -> None:
        """Let a node's files grow no more, or again. Raises ProcessLookupError where it has ended.

        Every write beyond a small size fails, as on a full disk, to this process alone and without any privilege.
        """
        pid = self.nodes[name].pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_AT if full else hard, hard))


@asynccontextmanager
async def stage(directory: Path, options: Options) -> AsyncGenerator[Stage]:
    """Make everything in the directory and start it. Raises Problem."""
    with ReservedPorts(10) as reserved:
        faces, ways, own = reserved.ports[:6], reserved.ports[6:8], reserved.ports[8:]
        _make(directory / plan.CPO_NODE, faces[:3], "cpo", own[0], operators=messages.OPERATOR)
        _make(directory / plan.EMP_NODE, faces[3:], "emp", own[1], providers=messages.PROVIDER)
        _introduce(directory, plan.CPO_NODE, plan.EMP_NODE, ways[1], providers=(messages.PROVIDER,))
        _introduce(directory, plan.EMP_NODE, plan.CPO_NODE, ways[0], operators=(messages.OPERATOR,))
        random = Random(f"{options.seed}:network")  # noqa: S311 - to be repeated, not to be secret
        async with Proxy(ways[0], faces[0], random) as to_cpo, Proxy(ways[1], faces[3], random) as to_emp:
            made = Stage(
                directory,
                {name: NodeProcess(directory / name) for name in (plan.CPO_NODE, plan.EMP_NODE)},
                {name: BackendProcess(directory / f"{name}.json", MODULES[name]) for name in MODULES},
                (to_cpo, to_emp),
                {plan.CPO_BACKEND: _base(faces[1]), plan.EMP_BACKEND: _base(faces[4])},
            )
            _tell(made, plan.CPO_BACKEND, options, own[0])
            _tell(made, plan.EMP_BACKEND, options, own[1])
            try:
                await asyncio.gather(*(process.start() for process in made.nodes.values()))
                await asyncio.gather(*(process.ready() for process in made.nodes.values()))
                await asyncio.gather(*(process.start() for process in made.backends.values()))
                yield made
            finally:
                await asyncio.gather(*(made.process(name).kill() for name in plan.PROCESSES))


def _make(directory: Path, ports: tuple[int, ...], role: str, backend: int, **ids: str) -> None:
    """Make the directory of a node with its ports, and its own system in place of the virtual one. Raises Problem."""
    settings = {
        "node": {"name": directory.name, **{name: [identifier] for name, identifier in ids.items()}},
        "peer_face": {"port": ports[0]},
        "backend_face": {"port": ports[1]},
        "admin_face": {"port": ports[2]},
        "outbox": OUTBOX,
        role: {"backend": "http", "url": _base(backend)},
    }
    make_directory(directory, settings, datetime.now(UTC))


def _introduce(directory: Path, to: str, name: str, way: int, **ids: tuple[str, ...]) -> None:
    """Enter one node in the peer table of the other, at the proxy before it."""
    identity = directory / name / "pki" / "identity.pem"
    entry = {"name": name, "url": f"https://{LOOPBACK}:{way}{BASE_PATH}", "certificate": identity, **ids}
    save_peer(directory / to, PeerEntry.model_validate(entry))


def _base(port: int) -> str:
    return f"http://{LOOPBACK}:{port}{BASE_PATH}"


def _tell(made: Stage, name: str, options: Options, port: int) -> None:
    """Write what a backend is told."""
    is_cpo = name == plan.CPO_BACKEND
    settings = Settings(
        hub=made.hubs[name],
        port=port,
        journal=str(made.journal(name)),
        finish=str(made.finish),
        seed=options.seed,
        sessions=options.local if is_cpo else options.remote,
        at_once=options.at_once,
        pause=PAUSE,
        local_per_remote=(1 - messages.UNKNOWN_SHARE) * 0.9 * options.local / max(options.remote, 1),
    )
    (made.directory / f"{name}.json").write_bytes(msgspec.json.encode(settings))
