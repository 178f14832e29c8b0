"""Who is in a network of the lab, who knows whom, and by which way one reaches another; read from a TOML file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from pydantic import Field

from p2pnode.config import ConfigError
from p2pnode.config.files import line_of, read_toml
from p2pnode.config.mistakes import read_settings
from p2pnode.config.settings import Name, Settings
from p2pnode.lab.parties import ALPINE, PARTIES, RHINE, Party, make_party
from p2pnode.web.problem import Problem

NETWORKS = "networks"


class PartySection(Settings):
    """One party of a network file."""

    name: Name
    operator: str | None = Field(default=None, pattern=r"^[A-Z]{2}\*[A-Z0-9]{3}$")
    provider: str | None = Field(default=None, pattern=r"^[A-Z]{2}-[A-Z0-9]{3}$")
    peers: tuple[str, ...] = ()
    hub: str | None = None
    relay: bool = False
    node: bool = True


class NetworkSection(Settings):
    """A network file."""

    party: tuple[PartySection, ...] = Field(min_length=2)


@dataclass(frozen=True, slots=True)
class Topology:
    """The parties of a network, and whom each knows: by name, with whether it is the party's hub.

    `relays` are the nodes that pass on what others send each other, `plain` the parties without a node.
    """

    parties: tuple[Party, ...]
    known: Mapping[str, Mapping[str, bool]]
    relays: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()

    @property
    def nodes(self) -> tuple[Party, ...]:
        """The parties that have a node."""
        return tuple(party for party in self.parties if party.name not in self.plain)

    def way(self, cpo: str, emp: str) -> tuple[str, ...]:
        """The names from a CPO to an EMP: directly, through their hub, or through a hub of each; empty for no way."""
        if emp in self.known[cpo]:
            return (cpo, emp)
        for first in self._hubs_of(cpo):
            for last in self._hubs_of(emp):
                if first == last:
                    return (cpo, first, emp)
                if self.known[first].get(last) and self.known[last].get(first):
                    return (cpo, first, last, emp)
        return ()

    def _hubs_of(self, name: str) -> Iterable[str]:
        return [other for other, is_hub in self.known[name].items() if is_hub]


PAIR = Topology(PARTIES, {ALPINE.name: {RHINE.name: False}, RHINE.name: {ALPINE.name: False}})
"""The lab without a network file: two nodes."""


def load_topology(named: Path) -> Topology:
    """The network in a file, or the shipped one of this name. Raises Problem."""
    shipped = files("p2pnode.lab") / NETWORKS / f"{named}.toml"
    try:
        if not named.exists() and len(named.parts) == 1 and shipped.is_file():
            with as_file(shipped) as file:
                return _read(file)
        return _read(named)
    except ConfigError as error:
        raise Problem(str(error), "`p2pnode lab --network five` plays the one that is shipped", exit_code=2) from error


def _read(file: Path) -> Topology:
    document, text = read_toml(file)
    sections = read_settings(NetworkSection, document, file, text).party
    by_name: dict[str, PartySection] = {}
    for number, section in enumerate(sections):
        for mistake in _mistakes(section, by_name, sections):
            raise ConfigError(file, mistake, key="party", line=line_of(text, ("party", number)))
        by_name[section.name] = section
    known: dict[str, dict[str, bool]] = {section.name: {} for section in sections}
    for section in sections:
        for other in section.peers:
            known[section.name].setdefault(other, False)
            known[other].setdefault(section.name, False)
        if section.hub is not None:
            known[section.name][section.hub] = True
            known[section.hub].setdefault(section.name, False)
    return Topology(
        tuple(make_party(section.name, section.operator, section.provider) for section in sections),
        known,
        relays=frozenset(section.name for section in sections if section.relay),
        plain=frozenset(section.name for section in sections if not section.node),
    )


def _mistakes(
    section: PartySection, before: Mapping[str, PartySection], sections: Iterable[PartySection]
) -> Iterator[str]:
    """What is wrong with a party, as sentences."""
    name = section.name
    relays = {other.name for other in sections if other.relay and other.node}
    plain = {other.name for other in sections if not other.node}
    everybody = {other.name for other in sections} - {name}
    if name in before:
        yield f"two parties are called {name!r}"
    for other in before.values():
        for own, theirs in ((section.operator, other.operator), (section.provider, other.provider)):
            if own is not None and own == theirs:
                yield f"{other.name!r} and {name!r} both claim {own!r}"
    if section.operator is None and section.provider is None and not section.relay:
        yield f"{name!r} has neither an operator nor a provider, and does not relay"
    if section.hub is not None and (section.hub not in relays or section.hub == name):
        yield f"the hub of {name!r}, {section.hub!r}, is no other party with relay = true"
    if unknown := set(section.peers) - everybody:
        yield f"{name!r} names {min(unknown)!r} as a peer, which is no other party"
    if alone := set(section.peers) & plain:
        yield f"{name!r} names {min(alone)!r} as a peer, which has no node: it reaches others through its hub only"
    if not section.node and (section.peers or section.relay or section.hub is None):
        yield f"{name!r} has no node: it has a hub, and neither peers nor relay"
