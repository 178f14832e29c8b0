"""Backends written in Python by others: a class named in the configuration, or an installed entry point."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from p2pnode.backends.sending import Send

GROUP = "p2pnode.backends"


class PlugInError(Exception):
    """A plug-in cannot be used; the sentence tells why."""


@dataclass(frozen=True, slots=True)
class BackendContext:
    """What a plug-in is made with.

    `settings` is the `settings` table of its section in `p2pnode.toml`, `ids` are our own identifiers in its role, the
    principal one first. `send` sends a message of our party; it works from the moment the plug-in is entered.
    """

    settings: Mapping[str, Any]
    ids: tuple[str, ...]
    send: Send


def make_plug_in(name: str, port: type[Any], context: BackendContext) -> Any:  # noqa: ANN401 - what the port is
    """The backend that `module:Class`, or an entry point of the group `p2pnode.backends`, makes of the context.

    It has the methods of the port (`CpoBackend` or `EmpBackend`). Where it is an async context manager, the node enters
    it before it listens. Raises PlugInError.
    """
    factory = _found(name)
    try:
        backend: object = factory(context)
    except Exception as error:
        raise PlugInError(f"{name} cannot be made: {type(error).__name__}: {error}") from error
    for method in _methods(port):
        _require(backend, method, getattr(port, method), name)
    return backend


def _found(name: str) -> Callable[[BackendContext], object]:
    try:
        factory: object = _of_module(name) if ":" in name else _of_entry_point(name)
    except PlugInError:
        raise
    except Exception as error:
        raise PlugInError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(factory):
        raise PlugInError(f"{name} is no class")
    return cast("Callable[[BackendContext], object]", factory)


def _of_module(name: str) -> object:
    module, _, attribute = name.partition(":")
    found: object = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _of_entry_point(name: str) -> object:
    installed = {point.name: point for point in entry_points(group=GROUP)}
    if name not in installed:
        known = ", ".join(["virtual", "http", *sorted(installed)])
        raise PlugInError(f"there is no backend {name!r}; there are {known}, and module:Class for one of your own")
    found: object = installed[name].load()
    return found


def _methods(port: type[Any]) -> list[str]:
    return [name for name in vars(port) if not name.startswith("_")]


def _require(backend: object, name: str, wanted: Callable[..., Any], plug_in: str) -> None:
    """Raise PlugInError where the backend lacks a method, or has it in another form."""
    method = getattr(backend, name, None)
    parameters = list(inspect.signature(wanted).parameters)[1:]
    if not inspect.iscoroutinefunction(method):
        raise PlugInError(f"{plug_in} lacks the method `async def {name}(self, {', '.join(parameters)})`")
    try:
        inspect.signature(method).bind(*parameters)
    except TypeError:
        message = f"{plug_in}: the method {name} does not take ({', '.join(parameters)})"
        raise PlugInError(message) from None
