"""`p2pnode peer add|export|import`: a partner's node becomes a peer."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import ValidationError

from p2pnode.cli.comparison import Comparison, pin_option, yes_option
from p2pnode.cli.directory import config_of
from p2pnode.cli.options import directory_option, example, json_option
from p2pnode.cli.output import say, show_json
from p2pnode.cli.reload import reload_if_running
from p2pnode.config import NodeConfig, PeerEntry
from p2pnode.config.pins import spoken
from p2pnode.oicp.operations import BASE_PATH, OPERATIONS
from p2pnode.peering.admission import NotAccepted, enter
from p2pnode.peering.card import CARD_LIMIT, Card, CardError, in_url, node_card, read_card
from p2pnode.peering.meeting import Met, NotMet, ask, meet
from p2pnode.peering.pairing import make_request
from p2pnode.peering.trust import TrustError
from p2pnode.pki import PkiError, load_key
from p2pnode.web.client import to_json
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import running

name_option = click.option("--name", help="What to call it.  [default: its own name]")


@click.command(
    epilog=example(
        "p2pnode peer add https://node.partner.example:7000 --dir my-node",
        "p2pnode peer add 192.0.2.7:7000 --pin '04921 55310 98212 33001 77812 60343'",
    )
)
@click.argument("url")
@name_option
@pin_option
@yes_option
@directory_option
@json_option
def add(  # noqa: PLR0913 - one parameter for each option
    url: str, *, name: str | None, told_pin: str | None, is_sure: bool, directory: Path, as_json: bool
) -> None:
    """Make the node at URL a peer, and ask it to do the same.

    Its card is fetched over TLS and its pin shown: compare it with what the partner reads from `p2pnode status` or
    `p2pnode init` before you say yes. The partner then sees this node with `p2pnode peer pending`.
    """
    config_of(directory)  # a mistake in it is told before anybody is met
    met = _met(url)
    add_met(directory, met, name or met.card.name, Comparison(told_pin, is_sure), as_json=as_json)


def add_met(directory: Path, met: Met, name: str, comparison: Comparison, *, as_json: bool) -> None:
    """Enter a node that was met, once its pin is confirmed, and ask it to pair. Raises Problem."""
    config = config_of(directory)
    own = own_card(directory, config)
    if met.card.pin == own.get("pin"):
        raise Problem(f"{met.origin} is this node itself", "name the partner's node")
    show_card(met.card, met.url)
    comparison.confirm(met.card.pin)
    entry = entered(directory, config, met.card, name, met.url)
    runs = reload_if_running(directory)
    own = {"url": f"https://{in_url(met.own_address)}:{_port(directory, config)}{BASE_PATH}", **own}
    state = _asked(config, met, own)
    if as_json:
        show_json({"peer": entry.model_dump(mode="json"), "there": state, "reloaded": runs})
        return
    say(f"{name!r} is a peer now, in {directory / 'peers.d' / name}.toml{'' if runs else '; no node is running here'}")
    if state == "accepted":
        say("and so is this node there: both can call each other")
    elif state == "pending":
        say(f"next: the partner reads your pin, {spoken(str(own['pin']))}")
        say(f"  and accepts it: p2pnode peer accept {config.node.name}")


@click.command("import", epilog=example("p2pnode peer import partner-card.json --dir my-node"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--url", help="The OICP base to call it at, where the card names none or another.")
@name_option
@pin_option
@yes_option
@directory_option
@json_option
def import_(  # noqa: PLR0913 - one parameter for each option
    file: Path,
    *,
    url: str | None,
    name: str | None,
    told_pin: str | None,
    is_sure: bool,
    directory: Path,
    as_json: bool,
) -> None:
    """Make the node whose card is in FILE a peer.

    Nothing goes over the network: the partner has written the file with `p2pnode peer export`.
    """
    config = config_of(directory)
    try:
        with file.open("rb") as opened:
            card = read_card(opened.read(CARD_LIMIT))
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}", "name a file that a partner exported") from error
    except CardError as error:
        raise Problem(f"{file} is no node card: {error}", "a partner writes one with `p2pnode peer export`") from error
    where = url or card.url
    show_card(card, where)
    Comparison(told_pin, is_sure).confirm(card.pin)
    entry = entered(directory, config, card, name or card.name, where)
    runs = reload_if_running(directory)
    if as_json:
        show_json({"peer": entry.model_dump(mode="json"), "reloaded": runs})
    else:
        say(f"{entry.name!r} is a peer now{'' if where else '; it names no url, so it is only listened to'}")


@click.command(epilog=example("p2pnode peer export my-card.json --dir my-node"))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@directory_option
@json_option
def export(file: Path, *, directory: Path, as_json: bool) -> None:
    """Write this node's card to FILE, for a partner to import.

    Without FILE it goes to stdout. There is nothing secret in it.
    """
    del as_json  # a card is JSON in any case
    card = own_card(directory, config_of(directory))
    if str(file) == "-":
        click.echo(to_json(card))
    else:
        try:
            file.write_text(to_json(card) + "\n", encoding="utf-8")
        except OSError as error:
            raise Problem(f"{file} cannot be written: {error.strerror}", "is the place writable?") from error
        say(f"wrote {file}; the partner imports it: p2pnode peer import {file.name}")
    say(f"tell the partner your pin: {spoken(str(card['pin']))}")


def own_card(directory: Path, config: NodeConfig) -> Mapping[str, object]:
    """The card of the node in a directory, as it shows it. Raises Problem where it has no certificate."""
    if not config.peer_face.shows_identity:
        raise Problem("a node without TLS has no pin that a peer could know it by", 'set peer_face.tls = "on"')
    offered = [row for row in OPERATIONS if row.callee in config.node.roles or config.node.relay]
    try:
        return node_card(config, offered, _port(directory, config))
    except TrustError as error:
        raise Problem(str(error), "p2pnode pki check") from error


def show_card(card: Card, url: str | None) -> None:
    """Tell a person who a card is of, and its pin."""
    ids = ", ".join((*card.operators, *card.providers))
    say(f"{card.name}: {ids or 'no ids'}{f', at {url}' if url else ''}")
    say(f"  pin {card.pin}\n  spoken  {spoken(card.pin)}")


def entered(directory: Path, config: NodeConfig, card: Card, name: str, url: str | None) -> PeerEntry:
    """The entry written for a card. Raises Problem."""
    try:
        return asyncio.run(enter(config, directory, card, name, url))
    except (NotAccepted, ValidationError) as error:
        raise Problem(str(error), "`p2pnode peer list` shows the peers; --name gives another name") from error


def _met(url: str) -> Met:
    try:
        return asyncio.run(meet(url))
    except NotMet as error:
        raise Problem(str(error), "is the address right, and does the partner's node run?") from error


def _asked(config: NodeConfig, met: Met, own: Mapping[str, object]) -> str:
    """Ask the other side; its state there, or an empty one where it could not be asked, which is told."""
    try:
        key = load_key(config.peer_face.key)
        return asyncio.run(ask(met, make_request(own, met.card.pin, datetime.now(UTC), key)))
    except (NotMet, PkiError) as error:
        say(f"the partner's node could not be asked to pair: {error}")
        say("  the partner adds this node: p2pnode peer add URL, or imports what `p2pnode peer export` writes")
        return ""


def _port(directory: Path, config: NodeConfig) -> int:
    """The port the running node listens at; the configured one where none runs."""
    found = running(directory)
    told = found.peer.rpartition("/api")[0].rpartition(":")[2] if found is not None else ""
    return int(told) if told.isdigit() else config.peer_face.port
