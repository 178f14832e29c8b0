"""The backends of a node, as its configuration names them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from p2pnode.backends.clock import VirtualClock
from p2pnode.backends.commands import Commands
from p2pnode.backends.http_backend import HttpCpoBackend, HttpEmpBackend
from p2pnode.backends.plug_in import BackendContext, PlugInError, make_plug_in
from p2pnode.backends.sending import Send
from p2pnode.backends.virtual_cpo import VirtualCpoBackend
from p2pnode.backends.virtual_emp import VirtualEmpBackend
from p2pnode.config import ConfigError, NodeConfig
from p2pnode.config.backend import HTTP, VIRTUAL, BackendSection
from p2pnode.config.load import NODE_FILE
from p2pnode.roaming.ports import CpoBackend, EmpBackend
from p2pnode.roaming.records import CallOutcome


@dataclass(frozen=True, slots=True)
class BackendParts:
    """What backends are made with. `directory` is the node's, for the place in an error."""

    config: NodeConfig
    directory: Path
    send: Send
    now: Callable[[], datetime]
    on_call: Callable[[CallOutcome], None]
    log: FilteringBoundLogger


def make_cpo(parts: BackendParts) -> CpoBackend | None:
    """Who answers for our CPO role; None where the node plays no CPO. Raises ConfigError for a plug-in of no use."""
    settings, operators = parts.config.cpo, parts.config.node.operators
    if not operators:
        return None
    if settings.backend == VIRTUAL:
        clock = VirtualClock(parts.now, settings.virtual.time_scale)
        return VirtualCpoBackend(settings.virtual, operators, parts.send, clock, parts.log)
    if settings.backend == HTTP:
        return HttpCpoBackend(settings, parts.on_call, limits=parts.config.limits, now=parts.now, log=parts.log)
    plug_in: CpoBackend = _plug_in(CpoBackend, "cpo", settings, operators, parts)
    return plug_in


def make_emp(parts: BackendParts) -> EmpBackend | None:
    """Who answers for our EMP role; None where the node plays no EMP. Raises ConfigError for a plug-in of no use."""
    settings, providers = parts.config.emp, parts.config.node.providers
    if not providers:
        return None
    if settings.backend == VIRTUAL:
        return VirtualEmpBackend(settings.virtual, providers, parts.send)
    if settings.backend == HTTP:
        return HttpEmpBackend(settings, parts.on_call, limits=parts.config.limits, now=parts.now, log=parts.log)
    plug_in: EmpBackend = _plug_in(EmpBackend, "emp", settings, providers, parts)
    return plug_in


def commands_of(backend: object) -> Commands | None:
    """What a person can do at a backend by name: at the virtual ones, and where a plug-in has `commands`."""
    commands: Any = getattr(backend, "commands", None)
    return commands if isinstance(commands, Commands) else None


def _plug_in(port: type[Any], section: str, settings: BackendSection, ids: tuple[str, ...], parts: BackendParts) -> Any:  # noqa: ANN401 - what the port is
    try:
        return make_plug_in(settings.backend, port, BackendContext(settings.settings, ids, parts.send))
    except PlugInError as error:
        raise ConfigError(parts.directory / NODE_FILE, str(error), key=f"{section}.backend") from error
