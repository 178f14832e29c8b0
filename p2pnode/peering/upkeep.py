"""What a running node knows of peers and certificates, kept as its files say."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path

from p2pnode.config import ConfigError, load_peers
from p2pnode.config.load import PEERS_DIRECTORY, PEERS_FILE
from p2pnode.config.peers import PeerTable
from p2pnode.config.pins import NEXT_IDENTITY_FILE
from p2pnode.peering.expiry import Expiry, expiries
from p2pnode.peering.parts import NodeParts
from p2pnode.peering.trust import TrustError
from p2pnode.roaming.records import OWN

EXPIRY_INTERVAL = 21600.0
"""Seconds between two looks for certificates that end soon."""

LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What stays wrong with a file until somebody changes it; any other error to read it may pass by itself."""

State = Mapping[Path, tuple[int, int, int] | None]
"""The files that were looked at, each with what changes when it is written: None where it is not there."""


class Upkeep:
    """Reads the peer table and certificates again, when told to or when their files have changed.

    `measured` hears when certificates end, by peer.
    """

    def __init__(self, parts: NodeParts, measured: Callable[[Mapping[str, datetime]], None]) -> None:
        self._config, self._directory = parts.config, parts.directory
        self._peers, self._log, self._now = parts.peers, parts.log, parts.now
        self._measured = measured
        self._known: State = {}
        self._ends: tuple[Expiry, ...] = ()
        self._reading = asyncio.Lock()

    async def reload(self) -> PeerTable:
        """Read everything again. Raises ConfigError or TrustError; what was in force then stays so."""
        if self._directory is None:
            raise RuntimeError("a node without a directory has no files to read again")
        async with self._reading:
            self._known = before = await asyncio.to_thread(self._state, self._directory)
            try:
                table = await asyncio.to_thread(load_peers, self._directory, self._config.node)
                await self._peers.replace(table)
            except (ConfigError, TrustError, OSError) as error:
                cause = error if isinstance(error, OSError) else error.__cause__
                if isinstance(cause, OSError) and not isinstance(cause, LASTING):
                    self._known = {}  # the files are as they were, but may be read a moment later
                raise
            after = await asyncio.to_thread(self._state, self._directory)  # the table names other files now
            self._known = {file: before.get(file, stamp) for file, stamp in after.items()}
            await self._measure()
            return table

    async def reload_or_tell(self) -> None:
        """As `reload`; what is wrong is logged."""
        try:
            table = await self.reload()
        except Exception as error:  # noqa: BLE001 - whatever the files hold, the node goes on with what it has
            self._log.warning("not_reloaded", problem=str(error) or type(error).__name__)
        else:
            self._log.info("reloaded", peers=len(table.peers))

    async def watch_files(self) -> None:
        """Reload whenever one of the files has changed. Returns at once where that is switched off."""
        seconds, directory = self._config.limits.watch_seconds, self._directory
        if not seconds or directory is None:
            return
        self._known = self._known or await asyncio.to_thread(self._state, directory)
        while True:
            await asyncio.sleep(seconds)
            try:
                changed = await asyncio.to_thread(self._state, directory) != self._known
            except OSError as error:  # no file descriptor is left, for a moment
                self._log.warning("not_watched", problem=str(error))
                continue
            if changed:
                await self.reload_or_tell()

    async def watch_expiry(self) -> None:
        """Tell of certificates that end soon: at once, and from time to time."""
        while True:
            try:
                await self._measure()
            except (TrustError, OSError) as error:
                self._log.warning("certificate_unreadable", problem=str(error))
            for warning in self.warnings():
                self._log.warning("certificate_ends", problem=warning)
            await asyncio.sleep(EXPIRY_INTERVAL)

    def warnings(self) -> tuple[str, ...]:
        """A sentence for each certificate that ends soon or has ended."""
        now = self._now()
        return tuple(warning for end in self._ends if (warning := end.warning(now)) is not None)

    @property
    def until(self) -> datetime | None:
        """When our own certificate ends; None where the node shows none."""
        return next((end.until for end in self._ends if end.peer == OWN), None)

    async def _measure(self) -> None:
        face = self._config.peer_face
        own, trust = face.certificate if face.shows_identity else None, self._peers.trust
        self._ends = await asyncio.to_thread(lambda: tuple(expiries(own, trust)))
        self._measured({end.peer: end.until for end in self._ends})

    def _state(self, directory: Path) -> State:
        return {file: _stamp(file) for file in self._files(directory)}

    def _files(self, directory: Path) -> Iterator[Path]:
        """Every file that `reload` reads."""
        config = self._config
        yield directory / PEERS_FILE
        yield from (directory / PEERS_DIRECTORY).glob("*.toml")
        faces = (config.peer_face.certificate, config.peer_face.key, config.peer_face.signing_key)
        backends = (config.cpo.ca, config.cpo.certificate, config.cpo.key)
        others = (config.emp.ca, config.emp.certificate, config.emp.key)
        yield config.peer_face.certificate.with_name(NEXT_IDENTITY_FILE)
        served = ((face.certificate, face.key, face.client_ca) for face in (config.backend_face, config.admin_face))
        own = (
            *faces,
            *chain.from_iterable(served),
            *backends,
            *others,
        )
        yield from (file for file in own if file is not None)
        for peer in self._peers.current().peers:
            yield from (file for file in (peer.certificate, peer.ca) if file is not None)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
