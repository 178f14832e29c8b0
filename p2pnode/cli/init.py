"""`p2pnode init`: the directory of a new node."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import click

from p2pnode.cli.options import example, json_option
from p2pnode.cli.output import say, show_json
from p2pnode.config.pins import spoken
from p2pnode.lab.directory import Made, make_directory, make_store, name_from, sample_parties
from p2pnode.oicp.constraints import Grammar
from p2pnode.oicp.identifiers import Standard, parse_provider
from p2pnode.oicp.scalars import OPERATOR_ID, PROVIDER_ID
from p2pnode.peering.card import in_url


@click.command(epilog=example("p2pnode init my-node --operator DE*ABC --provider DE-ABC", "p2pnode run my-node"))
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("operators", "--operator", multiple=True, help="An own OperatorID, such as DE*ABC; may be repeated.")
@click.option("providers", "--provider", multiple=True, help="An own ProviderID, such as DE-ABC; may be repeated.")
@click.option("--name", help="The node's name.  [default: the directory's name]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where peers reach the node.")
@click.option(
    "--port",
    type=click.IntRange(0, 65533),
    default=7000,
    show_default=True,
    help="The port for peers; the own backend gets the next one, administration the one after.",
)
@click.option(
    "sample", "--sample", is_flag=True, help="Give it the charging point and the driver that the sample messages name."
)
@json_option
def init(  # noqa: PLR0913 - one parameter for each option
    directory: Path,
    *,
    operators: tuple[str, ...],
    providers: tuple[str, ...],
    name: str | None,
    host: str,
    port: int,
    sample: bool,
    as_json: bool,
) -> None:
    """Make DIRECTORY for a new node: configuration, identity, empty peer table.

    With an OperatorID the node plays a CPO, with a ProviderID an EMP, with both it plays both.
    """
    if not operators and not providers:
        raise click.UsageError("a node needs an --operator, a --provider or both")
    _require("OperatorID", operators, OPERATOR_ID, "DE*ABC")
    _require("ProviderID", providers, PROVIDER_ID, "DE-ABC")
    settings: dict[str, Any] = {
        "node": {"name": name or name_from(directory), "operators": list(operators), "providers": list(providers)},
        "peer_face": {"host": host, "port": port},
        "backend_face": {"port": port + 1 if port else 0},
        "admin_face": {"port": port + 2 if port else 0},
    }
    if sample:
        settings |= sample_parties(operators, providers)
    made = make_directory(directory, settings, datetime.now(UTC))
    asyncio.run(make_store(made.config))
    if as_json:
        show_json(
            {
                "directory": str(directory),
                "name": made.config.node.name,
                "operators": operators,
                "providers": providers,
                "spoken": spoken(made.identity.pin),
                "pin": made.identity.pin,
                "identity": str(made.identity.trust),
            }
        )
    else:
        _tell(made)


def _tell(made: Made) -> None:
    """Say what there is now, and what comes next."""
    directory, face, backend = made.directory, made.config.peer_face, made.config.backend_face
    say(f"made the node {made.config.node.name!r} in {directory}")
    for provider in map(parse_provider, made.config.node.providers):
        if provider.standard is Standard.DIN:
            say(f"  ProviderID {provider.text}: DIN notation, the same party as {provider.key}; it is told as written")
    say(f"  {directory / 'p2pnode.toml'}: its configuration; peers reach it at {_place(face.host, face.port)}")
    say(f"    your own backend at {_place(backend.host, backend.port)}, in Hubject's place (see `[cpo]` and `[emp]`)")
    say(f"  {directory / 'peers.toml'}: its peers, none yet")
    say(f"  {made.identity.key_file}: its private key, for nobody else")
    say(f"  {made.identity.trust}: its identity, for its peers to trust")
    say(f"  {made.config.store.path}: its store, empty")
    say(f"  pin {made.identity.pin}")
    say(f"  spoken  {spoken(made.identity.pin)}")
    say(f"then, with a partner's node: p2pnode peer add URL --dir {quote(str(directory))}")
    say(f"next: p2pnode run {quote(str(directory))}")


def _place(host: str, port: int) -> str:
    return f"{in_url(host)}:{port}" if port else f"{host}, a free port"


def _require(kind: str, given: tuple[str, ...], grammar: Grammar, sample: str) -> None:
    for text in given:
        if not grammar.pattern.fullmatch(text):
            raise click.UsageError(f"{text!r} is no {kind}; one looks like {sample}")
