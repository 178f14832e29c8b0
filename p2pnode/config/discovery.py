"""Finding other nodes on the same network."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from p2pnode.config.settings import Settings


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        message = "an interface is named by its IPv4 address"
        raise ValueError(message) from None


class DiscoverySection(Settings):
    """Whether and how the node announces itself to its neighbours by multicast DNS, and looks for theirs."""

    enabled: bool = Field(default=False, description="Whether the node announces itself and looks for others.")
    addresses: tuple[Annotated[str, AfterValidator(_ipv4)], ...] = Field(
        default=(),
        description="The IPv4 addresses of the interfaces used; `127.0.0.1` keeps it on this machine. None: all.",
    )
    lifetime_seconds: int = Field(
        default=60, ge=1, le=3600, description="How long an announcement holds unless it is renewed, which it is."
    )
    auto_accept: Literal["off", "lab-ca"] = Field(
        default="off",
        description="`lab-ca` makes a discovered node a peer by itself, if `lab_ca` issued its certificate and that "
        "names its ids. Otherwise a discovered node is pending.",
    )
    lab_ca: Path | None = Field(default=None, description="A PEM file with the lab's CA, for `auto_accept`.")

    @model_validator(mode="after")
    def _knows_its_lab(self) -> "DiscoverySection":
        if (self.auto_accept == "lab-ca") is not (self.lab_ca is not None):
            message = 'auto_accept = "lab-ca" and lab_ca go together'
            raise ValueError(message)
        return self
