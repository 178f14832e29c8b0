"""What all settings share: they do not change once read, and a setting nobody knows is an error."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]


def _not_blank(text: str) -> str:
    if not text.strip():
        message = "an identifier is not empty"
        raise ValueError(message)
    return text


Id = Annotated[str, AfterValidator(_not_blank)]
"""An identifier, as it is written."""


class Settings(BaseModel):
    """The base of every section of a configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def is_loopback(host: str) -> bool:
    """Whether the host names this machine only: `localhost` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
