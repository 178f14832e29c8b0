"""The files of a node's directory: `p2pnode.toml`, `peers.toml` and `peers.d/`, one peer per file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from p2pnode.config.errors import ConfigError
from p2pnode.config.files import line_of, read_toml, write_file, write_toml
from p2pnode.config.mistakes import read_settings
from p2pnode.config.node import NodeConfig, NodeSection
from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.config.settings import Settings
from p2pnode.oicp.operations import Role

S = TypeVar("S", bound=Settings)

NODE_FILE = "p2pnode.toml"
PEERS_FILE = "peers.toml"
PEERS_DIRECTORY = "peers.d"
CERTIFICATE_SUFFIX = ".pem"


def load_node(directory: Path) -> NodeConfig:
    """The node's configuration, its relative paths resolved against the directory. Raises ConfigError."""
    file = directory / NODE_FILE
    document, text = read_toml(file)
    config = read_settings(NodeConfig, document, file, text)
    resolved = {
        "peer_face": _resolved(config.peer_face, directory, "certificate", "key", "signing_key"),
        "backend_face": _resolved(config.backend_face, directory, "certificate", "key", "client_ca"),
        "admin_face": _resolved(config.admin_face, directory, "certificate", "key", "client_ca"),
        "discovery": _resolved(config.discovery, directory, "lab_ca"),
        "store": _resolved(config.store, directory, "path"),
        "audit": _resolved(config.audit, directory, "path"),
        "cpo": _resolved(config.cpo, directory, "ca", "certificate", "key"),
        "emp": _resolved(config.emp, directory, "ca", "certificate", "key"),
    }
    return config.model_copy(update=resolved)


def load_peers(directory: Path, own: NodeSection | None = None) -> PeerTable:
    """The peer table from `peers.toml` and `peers.d/*.toml`; neither needs to be there. Raises ConfigError.

    With `own` also where a peer has an identifier of this node's own party. Paths in it are resolved against the
    directory, also those in `peers.d/`.
    """
    entries = list(_entries(directory))
    if own is not None:
        _refuse_own(entries, own)
    return _table(entries)


def save_peer(directory: Path, entry: PeerEntry, certificate: str | None = None) -> Path:
    """Write the peer to its file in `peers.d/`, replacing the one of its name there, and return the file.

    `certificate` in PEM form goes to a file beside it, which the entry then names. Nothing is written and ConfigError
    is raised where the table would not load with it: its settings do not fit together, another peer claims the same, or
    `peers.toml` lists a peer of this name. So it is where one of the two files is another peer's.
    """
    file = _own_file(directory, entry.name)
    placed = tuple(_entries(directory))
    _refuse_files_of_others(placed, entry.name, file)
    if certificate is not None:
        entry = entry.model_copy(update={"certificate": file.with_suffix(CERTIFICATE_SUFFIX)})
    entry = read_settings(PeerEntry, entry.model_dump(), file, "")  # one that was changed may fit together no more
    _table([*(other for other in placed if other.file != file), _Placed(entry, file, None)])
    if certificate is not None:
        write_file(file.with_suffix(CERTIFICATE_SUFFIX), certificate.encode())
    _write(directory, file, entry)
    return file


def _write(directory: Path, file: Path, entry: PeerEntry) -> None:
    document = entry.model_dump(mode="json", exclude_defaults=True)
    for name in ("certificate", "ca"):
        if name in document and (path := Path(document[name])).is_relative_to(directory):
            document[name] = str(path.relative_to(directory))
    write_toml(file, {"peer": [document]})


def rename_peer(directory: Path, name: str, new: str) -> Path:
    """Give the peer in `peers.d/` another name, and return its file. Raises ConfigError as `save_peer`.

    Wherever it is interrupted, the table has the peer once, under either name.
    """
    placed = _placed(directory, name)
    renamed = placed.peer.model_dump() | {"name": new}
    entry = read_settings(PeerEntry, renamed, placed.file, "")
    file = _own_file(directory, new)
    if file.exists():
        raise ConfigError(file, f"there is a peer {new!r} already")
    own = placed.file.with_suffix(CERTIFICATE_SUFFIX)
    others = [other for other in _entries(directory) if other.peer.name != name]
    _refuse_files_of_others(others, new, file)
    _table([*others, _Placed(entry, file, None)])
    moves = placed.peer.certificate == own
    if moves:
        entry = entry.model_copy(update={"certificate": file.with_suffix(CERTIFICATE_SUFFIX)})
        write_file(file.with_suffix(CERTIFICATE_SUFFIX), own.read_bytes())
    _write(directory, placed.file, entry)
    placed.file.replace(file)
    if moves:
        own.unlink(missing_ok=True)
    return file


def remove_peer(directory: Path, name: str) -> Path:
    """Delete the peer's files in `peers.d/`; returns the one. Raises ConfigError where it stands elsewhere or nowhere.

    A certificate goes with it only where it stands beside it under its name.
    """
    placed = _placed(directory, name)
    placed.file.unlink(missing_ok=True)
    if placed.peer.certificate == (own := placed.file.with_suffix(CERTIFICATE_SUFFIX)):
        own.unlink(missing_ok=True)
    return placed.file


def _placed(directory: Path, name: str) -> "_Placed":
    """The peer of this name in its own file. Raises ConfigError where it stands elsewhere or nowhere."""
    file = _own_file(directory, name)
    all_placed = tuple(_entries(directory))
    for placed in all_placed:
        if placed.peer.name == name:
            if placed.file == file and not any(other.file == file for other in all_placed if other is not placed):
                return placed
            sentence = f"peer {name!r} was written here by hand; change it here"
            raise ConfigError(placed.file, sentence, key="peer", line=placed.line)
    raise ConfigError(file, f"there is no peer {name!r}")


def _own_file(directory: Path, name: str) -> Path:
    return directory / PEERS_DIRECTORY / f"{name}.toml"


def _refuse_files_of_others(all_placed: Iterable["_Placed"], name: str, file: Path) -> None:
    """Raises ConfigError where the file of this peer, or the one of its certificate, belongs to another peer."""
    beside = file.with_suffix(CERTIFICATE_SUFFIX)
    for placed in all_placed:
        other = placed.peer
        if other.name == name:
            continue
        if placed.file == file:
            sentence = f"peer {other.name!r} stands in this file, which would be that of {name!r}: choose another name"
            raise ConfigError(file, sentence, key="peer", line=placed.line)
        if beside in {other.certificate, other.ca}:
            sentence = f"peer {other.name!r} uses {beside.name}, which would be that of {name!r}: choose another name"
            raise ConfigError(placed.file, sentence, key="peer", line=placed.line)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A peer, the file it stands in, and the line it begins at."""

    peer: PeerEntry
    file: Path
    line: int | None


def _entries(directory: Path) -> Iterable[_Placed]:
    main = directory / PEERS_FILE
    files = [main] if main.exists() else []
    for file in [*files, *sorted((directory / PEERS_DIRECTORY).glob("*.toml"))]:
        document, text = read_toml(file)
        for number, entry in enumerate(_peers_of(document, file, text)):
            place = ("peer", number)
            peer = read_settings(PeerEntry, entry, file, text, place)
            yield _Placed(_resolved(peer, directory, "certificate", "ca"), file, line_of(text, place))


def _peers_of(document: Mapping[str, Any], file: Path, text: str) -> list[object]:
    for name in document:
        if name != "peer":
            raise ConfigError(file, "only [[peer]] tables stand here", key=name, line=line_of(text, (name,)))
    listed = document.get("peer", [])
    if not isinstance(listed, list):
        sentence = "a peer is a table in double brackets, [[peer]]"
        raise ConfigError(file, sentence, key="peer", line=line_of(text, ("peer",)))
    return cast("list[object]", listed)


def _table(entries: Sequence[_Placed]) -> PeerTable:
    """The table. Raises ConfigError at the first entry that claims what an earlier one does."""
    try:
        return PeerTable(entry.peer for entry in entries)
    except ValueError:
        pass
    peers: list[PeerEntry] = []
    for entry in entries:
        peers.append(entry.peer)
        try:
            PeerTable(peers)
        except ValueError as error:
            raise ConfigError(entry.file, str(error), key="peer", line=entry.line) from None
    return PeerTable(peers)


def _refuse_own(entries: Sequence[_Placed], own: NodeSection) -> None:
    """Raises ConfigError at the first entry whose own identifier is one of our party; it may bundle ours."""
    ours = PeerEntry(name=own.name, operators=own.operators, providers=own.providers)
    for placed in entries:
        for role in Role:
            for text in placed.peer.ids(role):
                if ours.speaks_for(role, text):
                    sentence = f"peer {placed.peer.name!r} claims {text!r}, which is this node's own, {own.name!r}"
                    raise ConfigError(placed.file, sentence, key="peer", line=placed.line)


def _resolved(settings: S, directory: Path, *names: str) -> S:
    """The settings with these paths, where set, taken from the directory."""
    paths = {name: getattr(settings, name) for name in names}
    return settings.model_copy(
        update={name: _from(directory, path) for name, path in paths.items() if path is not None}
    )


def _from(directory: Path, path: Path) -> Path:
    """The path taken from the directory, as it is shown: without `..`."""
    return (directory / path).resolve() if ".." in path.parts else directory / path
