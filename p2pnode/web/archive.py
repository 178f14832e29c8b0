"""A node's store, and if asked for its configuration and certificates, as one archive: taken, checked, put back."""

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, cast

from p2pnode import __version__
from p2pnode.config import ConfigError, NodeConfig, load_node, load_peers
from p2pnode.config.files import Place, write_file
from p2pnode.config.load import NODE_FILE, PEERS_DIRECTORY, PEERS_FILE
from p2pnode.oicp.codec import members_of
from p2pnode.store import backup, checking
from p2pnode.store.checking import Checked
from p2pnode.store.database import Database
from p2pnode.store.errors import StoreError
from p2pnode.web.archived_settings import completed, read_places, shown, stripped
from p2pnode.web.problem import Problem
from p2pnode.web.serving import held

FORMAT = 1
MANIFEST = "manifest.json"
SESSIONS, PUBLISHED = "store/sessions.db", "store/published.db"
OF_NODE = "node/"
"""What the names of files of the node's directory begin with in an archive."""
NODE_MEMBER = f"{OF_NODE}{NODE_FILE}"
CERTIFICATES = frozenset({".pem", ".crt", ".cer"})
PRIVATE_KEY = b"PRIVATE KEY-----"
KEY_FILES = frozenset({".key", ".p12", ".pfx", ".der"})
LARGEST_FILE = 1024 * 1024
"""Bytes of a configuration, certificate or key that is taken along."""
LOCK_SECONDS = 5.0
CHUNK = 1024 * 1024
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Taken:
    """An archive that was written: its file and size in bytes, rows by table, what else is in it."""

    file: Path
    size: int
    rows: Mapping[str, int]
    files: tuple[str, ...]
    has_secrets: bool
    left_out: tuple[str, ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has put in place, what it has kept of what was there, and rows of the archive nobody can read.

    `new_tokens` are the settings of tokens that were made anew, `missing` those of other secrets the archive lacks.
    """

    made_at: str
    rows: Mapping[str, int]
    files: tuple[str, ...]
    former: tuple[str, ...]
    unreadable: tuple[str, ...]
    lacks_key: bool
    new_tokens: tuple[str, ...]
    missing: tuple[str, ...]


def take(directory: Path, file: Path, now: datetime, *, with_config: bool, with_secrets: bool) -> Taken:
    """Write the archive of the node in this directory, which may be running. Raises Problem; then there is none.

    With its configuration come the peer table and the certificates of the directory, but never a secret of these, nor
    a private key: that takes `with_secrets`.
    """
    database = store_of(directory)
    if file.exists():
        raise Problem(f"{file} exists already", "name a file that is not there yet")
    try:
        with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".p2pnode-backup-") as work:
            copies = backup.copy(database, Path(work))
            checked = _require_sound(checking.check(Database.at(copies[0], LOCK_SECONDS)), "the store")
            members = dict(zip((SESSIONS, PUBLISHED), copies, strict=True))
            members |= _files_of(directory, with_config=with_config, with_secrets=with_secrets)
            left_out: list[Place] = []
            if NODE_MEMBER in members and not with_secrets:
                members[NODE_MEMBER] = Path(work) / NODE_FILE
                text, left_out = stripped(directory)
                write_file(members[NODE_MEMBER], text.encode())
            manifest = {
                "format": FORMAT,
                "version": __version__,
                "made_at": now.isoformat(),
                "revisions": [each.revision for each in checked],
                "files": {name: _digest(path) for name, path in members.items()},
                "left_out": left_out,
            }
            draft = Path(work) / "archive"
            _write(draft, manifest, members)
            draft.replace(file)
    except ConfigError as error:
        raise Problem(str(error), "correct the file") from error
    except StoreError as error:
        raise Problem(f"no backup was made: {error}", "`p2pnode store check` tells what is wrong with it") from error
    except OSError as error:
        raise Problem(
            f"{file} cannot be written: {error.strerror}", "is the place writable, with room left?"
        ) from error
    named = tuple(name.removeprefix(OF_NODE) for name in members if name.startswith(OF_NODE))
    without = tuple(shown(place) for place in left_out)
    return Taken(file, file.stat().st_size, _rows(checked), named, with_secrets, without, _unreadable(checked))


def put_back(file: Path, directory: Path, now: datetime, *, with_config: bool) -> Restored:
    """Put the store of an archive in place of that of the node in the directory, which must not run. Raises Problem.

    Everything is checked before anything is touched, and what was there is kept beside it. Configuration, peers,
    certificates and the key of the archive are used where the directory has no node yet, or `with_config`.
    """
    suffix = f".before-{now.strftime(STAMP)}"
    is_new = not (directory / NODE_FILE).exists()
    with tempfile.TemporaryDirectory(prefix="p2pnode-restore-") as work, _opened(file) as archive:
        manifest = _manifest(archive, file)
        names = [name for name in manifest["files"] if name.startswith(OF_NODE)]
        if is_new and NODE_MEMBER not in names:
            raise Problem(
                f"there is no node in {directory}, and {file} holds no configuration",
                "name the directory of a node, or make one with `p2pnode init`",
            )
        source = Path(work)
        for name in manifest["files"]:
            _extract(archive, name, source, manifest["files"][name], file)
        copies = Database.at(source / "copy.db", LOCK_SECONDS)
        (source / SESSIONS).rename(copies.path)
        (source / PUBLISHED).rename(copies.published.path)
        checked = _require_sound(checking.check(copies), str(file))
        made: list[Place] = []
        missing: list[Place] = []
        try:
            if NODE_MEMBER in names and (is_new or with_config):
                places = read_places(manifest.get("left_out"))
                text, made, missing = completed(source / NODE_MEMBER, places, directory)
                write_file(source / NODE_MEMBER, text.encode())
            if is_new:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with held(directory):
                former, placed = _place(source, names, directory, suffix) if is_new or with_config else ([], [])
                database = store_of(directory)
                config = load_node(directory)
                swapped = backup.swap(database, copies, suffix, _peers(directory, config))
        except ConfigError as error:
            raise Problem(str(error), "correct the file") from error
        except StoreError as error:
            raise Problem(f"nothing was restored: {error}", "stop what uses it, then restore again") from error
        except OSError as error:
            raise Problem(f"{error.filename or directory}: {error.strerror}", "is the place writable?") from error
        return Restored(
            manifest["made_at"],
            _rows(checked),
            (*(str(path) for path in swapped.databases), *placed),
            (*(str(path) for path in swapped.former), *former),
            _unreadable(checked),
            config.peer_face.tls == "on" and not config.peer_face.key.exists(),
            tuple(shown(place) for place in made),
            tuple(shown(place) for place in missing),
        )


def _peers(directory: Path, config: NodeConfig) -> tuple[str, ...]:
    """The names in the peer table; a table that cannot be read holds up no restore."""
    try:
        return tuple(peer.name for peer in load_peers(directory, config.node).peers)
    except ConfigError:
        return ()


def check(directory: Path) -> list[Checked]:
    """Read the whole store of the node in the directory, which may be running. Raises Problem."""
    try:
        return checking.check(store_of(directory))
    except StoreError as error:
        raise Problem(str(error), "see store.path in p2pnode.toml; the first start of the node makes it") from error


def store_of(directory: Path) -> Database:
    """The databases of the node in the directory. Raises Problem."""
    try:
        return Database.at(load_node(directory).store.path, LOCK_SECONDS)
    except ConfigError as error:
        if not (directory / NODE_FILE).exists():
            raise Problem(f"there is no node in {directory}", "name the node's directory") from error
        raise Problem(str(error), "name the node's directory, or correct the file") from error
    except StoreError as error:
        raise Problem(str(error), "see store.path in p2pnode.toml") from error


def _require_sound(checked: Sequence[Checked], what: str) -> Sequence[Checked]:
    for each in checked:
        if each.faults:
            raise Problem(f"{what} is damaged: {each.faults[0]}", "`p2pnode store check` tells everything")
    return checked


def _files_of(directory: Path, *, with_config: bool, with_secrets: bool) -> dict[str, Path]:
    """The files of the directory that an archive takes along, by their names in it."""
    found: list[Path] = []
    if with_config:
        found = [directory / NODE_FILE, directory / PEERS_FILE, *(directory / PEERS_DIRECTORY).glob("*.toml")]
        found += [path for path in directory.rglob("*") if path.suffix in CERTIFICATES]
    if with_secrets:
        found += [path for path in directory.rglob("*") if path.suffix in CERTIFICATES | KEY_FILES and _is_key(path)]
    files = sorted({path for path in found if path.is_file() and path.stat().st_size <= LARGEST_FILE})
    taken = (path for path in files if with_secrets or not _is_key(path))
    return {f"{OF_NODE}{path.relative_to(directory).as_posix()}": path for path in taken}


def _is_key(path: Path) -> bool:
    """Whether a file holds a private key, by its name or by its content."""
    return path.is_file() and (path.suffix in KEY_FILES or PRIVATE_KEY in path.read_bytes()[:LARGEST_FILE])


def _write(draft: Path, manifest: Mapping[str, Any], members: Mapping[str, Path]) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        # What a link names, not the link: the place it leads to is not in the archive.
        with tarfile.open(fileobj=opened, mode="w:gz", compresslevel=1, dereference=True) as archive:
            told = draft.with_name(MANIFEST)
            told.write_text(json.dumps(manifest, indent=2), encoding="utf-8")
            for name, path in {MANIFEST: told, **members}.items():
                archive.add(path, name, recursive=False)
        opened.flush()
        os.fsync(opened.fileno())


@contextmanager
def _opened(file: Path) -> Generator[tarfile.TarFile]:
    try:
        with tarfile.open(file, mode="r:*") as archive:
            yield archive
    except FileNotFoundError as error:
        raise Problem(f"{error.filename} does not exist", "name a file that `p2pnode store backup` wrote") from error
    except OSError as error:
        told = f"{file} cannot be read: {error.strerror or 'it is no archive'}"
        raise Problem(told, "name a file that `p2pnode store backup` wrote") from error
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise Problem(
            f"{file} is no archive, or a damaged one", "name a file that `p2pnode store backup` wrote"
        ) from error


def _manifest(archive: tarfile.TarFile, file: Path) -> dict[str, Any]:
    """What the archive says it holds. Raises Problem where it is none of ours."""
    try:
        member = archive.extractfile(MANIFEST)
        told = cast("object", json.loads(member.read(LARGEST_FILE))) if member is not None else None
    except (KeyError, ValueError):
        told = None
    if not isinstance(told, dict):
        raise Problem(f"{file} is no backup of a node", "name a file that `p2pnode store backup` wrote")
    manifest = cast("dict[str, Any]", told)
    if manifest.get("format") != FORMAT or not {SESSIONS, PUBLISHED} <= members_of(manifest.get("files")).keys():
        raise Problem(f"{file} is a backup of another p2pnode", "restore it with the version that wrote it")
    return manifest


def _extract(archive: tarfile.TarFile, name: str, target: Path, digest: object, file: Path) -> None:
    """Write one member below the target. Raises Problem where it is missing, not what was taken, or leads elsewhere."""
    plain = PurePosixPath(name)
    is_elsewhere = ".." in plain.parts or plain.is_absolute() or str(plain) != name  # what follows `node//` is absolute
    try:
        member = archive.extractfile(name)
    except KeyError:
        member = None
    if member is None or is_elsewhere:
        raise Problem(f"{file} is damaged: {name} cannot be taken from it", "use another backup")
    path = target / plain
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        shutil.copyfileobj(member, out, CHUNK)
    if _digest(path) != digest:
        raise Problem(f"{file} is damaged: {name} is not what was written to it", "use another backup")


def _place(source: Path, names: Sequence[str], directory: Path, suffix: str) -> tuple[list[str], list[str]]:
    """Put files of the node's directory in place; the former ones that differ, and what is there now."""
    former: list[str] = []
    placed: list[str] = []
    for name in names:
        path = directory / name.removeprefix(OF_NODE)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != (source / name).read_bytes():
            kept = path.with_name(path.name + suffix)
            path.rename(kept)
            former.append(str(kept))
        draft = path.with_name(f".{path.name}.restoring")
        shutil.copyfile(source / name, draft)
        draft.chmod(0o600)
        draft.replace(path)
        placed.append(str(path))
    return former, placed


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _rows(checked: Sequence[Checked]) -> dict[str, int]:
    return {table: count for each in checked for table, count in each.rows.items()}


def _unreadable(checked: Sequence[Checked]) -> tuple[str, ...]:
    return tuple(line for each in checked for line in each.unreadable)
