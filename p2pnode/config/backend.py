"""Our own backends: where they reach the node, and who answers for each of our roles."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from p2pnode.config.peers import Url
from p2pnode.config.settings import SECRET, Port, Settings, is_loopback
from p2pnode.config.virtual import VirtualCpo, VirtualEmp

VIRTUAL = "virtual"
HTTP = "http"
FOR_HTTP = ("url", "ca", "certificate", "key", "deadline", "insecure")


class BackendFaceSection(Settings):
    """Where the party's own backend reaches the node, as it would reach Hubject."""

    enabled: bool = Field(default=True, description="Whether the face is served.")
    host: str = Field(default="127.0.0.1", description="The address to listen at.")
    port: Port = Field(default=7001, description="The port to listen at; 0 for any free one.")
    token: str | None = Field(
        default=None,
        min_length=16,
        repr=False,
        json_schema_extra=SECRET,
        description="The bearer token the backend shows with every message.",
    )
    certificate: Path | None = Field(
        default=None, description="The TLS certificate of the face, PEM, with its issuers after it. None: plain HTTP."
    )
    key: Path | None = Field(default=None, description="Its private key, PEM.")
    client_ca: Path | None = Field(
        default=None, description="A PEM file with the CAs whose certificates the backend may show; then it has to."
    )
    insecure: bool = Field(
        default=False,
        description="Allow an address other machines can reach without token or client_ca: whoever reaches it speaks "
        "as our party.",
    )

    @model_validator(mode="after")
    def _is_guarded(self) -> "BackendFaceSection":
        require_pair(self.certificate, self.key)
        if self.client_ca is not None and self.certificate is None:
            message = "a client_ca needs a certificate and a key: client certificates are shown over TLS"
            raise ValueError(message)
        guarded = self.token is not None or self.client_ca is not None
        if not guarded and not self.insecure and not is_loopback(self.host):
            message = "the backend face needs a loopback address, a token or a client_ca, or insecure = true"
            raise ValueError(message)
        return self


class BackendSection(Settings):
    """Who answers for one of our own roles."""

    backend: str = Field(
        default=VIRTUAL,
        min_length=1,
        description="`virtual` for the built-in party, `http` for an own system at `url`, or a plug-in: "
        "`module:Class`, or the name of an entry point in the group `p2pnode.backends`.",
    )
    url: Url | None = Field(
        default=None, description="For `http`: the OICP base of our own system, as it would be told to Hubject."
    )
    ca: Path | None = Field(
        default=None,
        description="For `http`: a PEM file with the CAs that vouch for its certificate. None: those of the machine.",
    )
    certificate: Path | None = Field(
        default=None, description="For `http`: the certificate the node shows to it, PEM, with its issuers after it."
    )
    key: Path | None = Field(default=None, description="For `http`: the private key of that certificate, PEM.")
    deadline: float | None = Field(
        default=None,
        gt=0,
        description="For `http`: how long an answer may take, in seconds. None: nine tenths of the operation's limit.",
    )
    insecure: bool = Field(
        default=False, description="For `http`: allow plain HTTP to a host that is not this machine."
    )
    settings: dict[str, Any] = Field(
        default={},
        repr=False,
        json_schema_extra=SECRET,
        description="For a plug-in: whatever it wants to be told, secrets among it.",
    )

    @model_validator(mode="after")
    def _fits_the_backend(self) -> "BackendSection":
        for name in FOR_HTTP:
            if name in self.model_fields_set and self.backend != HTTP:
                message = f'{name} is for backend = "http"'
                raise ValueError(message)
        if self.settings and self.backend in {VIRTUAL, HTTP}:
            message = "settings are for a plug-in"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _is_reached_safely(self) -> "BackendSection":
        if self.backend != HTTP:
            return self
        if self.url is None:
            message = 'backend = "http" needs a url'
            raise ValueError(message)
        require_pair(self.certificate, self.key)
        parts = urlsplit(self.url)
        if parts.scheme == "http" and (self.ca is not None or self.certificate is not None):
            message = "ca, certificate and key are for an https url"
            raise ValueError(message)
        if parts.scheme == "http" and not self.insecure and not is_loopback(parts.hostname or ""):
            message = "an http url needs a loopback address, or insecure = true"
            raise ValueError(message)
        return self


class CpoSection(BackendSection):
    """Who answers for our CPO role."""

    virtual: VirtualCpo = Field(default=VirtualCpo(), description="The virtual CPO.")


class EmpSection(BackendSection):
    """Who answers for our EMP role."""

    virtual: VirtualEmp = Field(default=VirtualEmp(), description="The virtual EMP.")


def require_pair(certificate: Path | None, key: Path | None) -> None:
    """Raises ValueError where only one of the two is named."""
    if (certificate is None) is not (key is None):
        message = "a certificate and its key go together"
        raise ValueError(message)
