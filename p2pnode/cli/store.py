"""`p2pnode store`: copies of what a node remembers, and what is wrong with it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from p2pnode.cli.options import DIRECTORY, directory_option, example, json_option
from p2pnode.cli.output import counted, moment, say, show_json, show_table
from p2pnode.web import archive

FILE = click.Path(dir_okay=False, path_type=Path)
FAULTY = 1


@click.group()
def store() -> None:
    """What a node remembers: back it up while it runs, restore it, check it."""


@store.command(
    epilog=example(
        "p2pnode store backup monday.tar.gz --dir my-node",
        "p2pnode store backup whole.tar.gz --dir my-node --with-config --with-secrets",
    )
)
@click.argument("file", type=FILE)
@click.option("--with-config", is_flag=True, help="Also the configuration, the peer table and the certificates.")
@click.option(
    "--with-secrets",
    is_flag=True,
    help="Also private keys, and tokens and PINs of the configuration: keep it like them.",
)
@directory_option
@json_option
def backup(file: Path, *, with_config: bool, with_secrets: bool, directory: Path, as_json: bool) -> None:
    """Write a copy of the store to FILE while the node runs, or when it does not.

    The copy is consistent and has been checked; everything the node has acknowledged before is in it. FILE is a
    tar.gz readable by its owner only. Without --with-config it holds the two databases alone.
    """
    taken = archive.take(directory, file, datetime.now(UTC), with_config=with_config, with_secrets=with_secrets)
    if as_json:
        show_json(asdict(taken) | {"file": str(taken.file)})
        return
    say(f"{taken.file} holds {_counted(taken.rows)}; {counted(taken.size, 'byte')}")
    if taken.files:
        say(f"also {', '.join(taken.files)}")
    if taken.has_secrets:
        say("it holds private keys, tokens and PINs: whoever has the file can speak for this node")
    elif with_config:
        left_out = ", ".join(("private keys", *taken.left_out))
        say(f"left out, as --with-secrets was not said: {left_out}")
    _tell_unreadable(taken.unreadable)
    say(f"put it back with: p2pnode store restore {taken.file} {directory}")


@store.command(epilog=example("p2pnode store restore monday.tar.gz my-node"))
@click.argument("file", type=FILE)
@click.argument("directory", type=DIRECTORY, default=Path())
@click.option("--with-config", is_flag=True, help="Also put back what the file holds of configuration, peers and keys.")
@json_option
def restore(file: Path, directory: Path, *, with_config: bool, as_json: bool) -> None:
    """Put the store in FILE in place of the one of the node in DIRECTORY, which must not be running.

    FILE is checked before anything is touched, and the former databases are kept beside the new ones. Where DIRECTORY
    has no node yet, one is made from the configuration in FILE.
    """
    restored = archive.put_back(file, directory, datetime.now(UTC), with_config=with_config)
    if as_json:
        show_json(asdict(restored))
        return
    say(f"restored the state of {moment(restored.made_at)}: {_counted(restored.rows)}")
    for path in restored.files:
        say(f"  in place: {path}")
    for path in restored.former:
        say(f"  kept: {path}")
    _tell_unreadable(restored.unreadable)
    for setting in restored.new_tokens:
        say(f"hint: the file holds no {setting}; p2pnode.toml has a new one, to be told to whoever shows it")
    for setting in restored.missing:
        say(f"hint: the file holds no {setting}; set it in p2pnode.toml")
    if restored.lacks_key:
        say("hint: the file holds no private key; put the node's key where peer_face.key in p2pnode.toml says")
    say(f"start the node with: p2pnode run {directory}")


@store.command(epilog=example("p2pnode store check my-node"))
@click.argument("directory", type=DIRECTORY, default=Path())
@json_option
def check(directory: Path, *, as_json: bool) -> int:
    """Read the whole store of the node in DIRECTORY, running or not, and tell what is wrong with it.

    Checked are the files, the references between rows, the revision of the tables, and that every row can be read.
    The exit code is 1 where anything is wrong.
    """
    checked = archive.check(directory)
    wrong = [line for each in checked for line in (*each.faults, *each.unreadable)]
    if as_json:
        show_json({"sound": not wrong, "databases": [asdict(each) for each in checked]})
        return FAULTY if wrong else 0
    show_table(
        ("database", "revision", "rows", "state"),
        [
            (
                each.path,
                each.revision if each.revision == each.newest else f"{each.revision}, newest is {each.newest}",
                sum(each.rows.values()),
                "wrong" if each.faults or each.unreadable else "sound",
            )
            for each in checked
        ],
    )
    for line in wrong:
        say(line)
    if wrong:
        say("hint: a row that cannot be read spoils nothing else; for a damaged file restore a backup")
    return FAULTY if wrong else 0


def _counted(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {table}" for table, count in rows.items() if count) or "no rows"


def _tell_unreadable(lines: Iterable[str]) -> None:
    for line in lines:
        say(f"not readable: {line}")
