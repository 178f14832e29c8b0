"""The secrets of a node's configuration: left out of an archive, and put in again where one is restored."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from p2pnode.config import ConfigError, load_node
from p2pnode.config.files import Place, changed, read_toml
from p2pnode.config.load import NODE_FILE
from p2pnode.config.settings import secrets_in

TOKEN = "token"  # noqa: S105 - the name of a setting
TOKEN_BYTES = 32


def stripped(directory: Path) -> tuple[str, list[Place]]:
    """The configuration of the node in the directory without its secrets, and where they stand. Raises ConfigError."""
    _, text = read_toml(directory / NODE_FILE)
    places = list(secrets_in(load_node(directory)))
    return (changed(text, dict.fromkeys(places)) if places else text), places


def completed(file: Path, places: Sequence[Place], directory: Path) -> tuple[str, list[Place], list[Place]]:
    """A configuration that was archived without its secrets, with them again: as the node in the directory has them.

    Where that has none, a token is made anew, so that no face is open that was not. Also returned are the places of
    what was made and of what is still missing. Raises ConfigError.
    """
    document, text = read_toml(file)
    former: dict[str, Any] = {}
    with suppress(ConfigError):  # there is none, or one that nobody can use
        former, _ = read_toml(directory / NODE_FILE)
    found: dict[Place, object] = {}
    made: list[Place] = []
    missing: list[Place] = []
    for place in places:
        if not isinstance(_at(document, place[:-1]), dict):
            continue
        value = _at(former, place) if all(isinstance(step, str) for step in place) else None
        if value is not None:
            found[place] = value
        elif place[-1] == TOKEN:
            found[place] = secrets.token_urlsafe(TOKEN_BYTES)
            made.append(place)
        else:
            missing.append(place)
    return changed(text, found), made, missing


def _at(document: object, place: Place) -> object:
    """What stands there; None for nothing."""
    found = document
    for step in place:
        if isinstance(step, str):
            found = cast("dict[str, object]", found).get(step) if isinstance(found, dict) else None
        else:
            elements = cast("list[object]", found) if isinstance(found, list) else []
            found = elements[step] if 0 <= step < len(elements) else None
    return found


def read_places(told: object) -> list[Place]:
    """The places that a manifest lists; what is none is left out."""
    listed = cast("list[object]", told) if isinstance(told, list) else []
    places = (tuple(cast("list[object]", each)) for each in listed if isinstance(each, list) and each)
    return [cast("Place", place) for place in places if all(isinstance(step, str | int) for step in place)]


def shown(place: Place) -> str:
    """A place as a person writes it: `admin_face.token`."""
    return ".".join(str(step) for step in place)
