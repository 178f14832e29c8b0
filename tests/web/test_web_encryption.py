"""The admin face over TLS: who gets in with which certificate, and whom the command line takes for its node."""

import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from p2pnode.config.files import write_toml
from p2pnode.lab.directory import make_directory
from p2pnode.node import Node
from p2pnode.pki import Authority, Leaf, change_key, create_ca, create_identity, issue, prepare_key, renew
from p2pnode.web.admin import AdminFace
from p2pnode.web.client import AdminClient, AdminRefused, to_json
from p2pnode.web.encryption import ClientTls, FaceTls
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import RunFile
from tests.web.conftest import TOKEN, settings

NOW = datetime.now(UTC)


@asynccontextmanager
async def serving(directory: Path, **face: Any) -> AsyncGenerator[AdminFace]:  # noqa: ANN401 - settings of any kind
    """A node with this admin face, found by its run file."""
    make_directory(directory, settings(admin_face={"port": 0, "tls": "on", **face}), NOW)
    async with Node.from_directory(directory) as node:
        served = AdminFace(node)
        await served.start()
        try:
            RunFile(os.getpid(), served.url, node.peer_url).write(directory)
            yield served
        finally:
            await served.stop()


def administrator(directory: Path, face: AdminFace, authority: Authority | None = None) -> AdminClient:
    """Somebody elsewhere who knows the face's key, and shows a certificate of this authority, or of nobody."""
    config = Node.from_directory(directory).config
    known = FaceTls(config).client()
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own.check_hostname = False
    own.verify_mode = ssl.CERT_NONE
    if authority is not None:
        identity = issue(authority, directory / "admin", Leaf("administrator"), NOW)
        own.load_cert_chain(identity.certificate_file, identity.key_file)
    return AdminClient(face.url, tls=ClientTls(own, known.proof))


async def test_the_command_line_finds_its_node_over_tls_and_shows_the_token(tmp_path: Path) -> None:
    async with serving(tmp_path / "abc", token=TOKEN) as face:
        assert face.url.startswith("https://")
        async with AdminClient.of(tmp_path / "abc") as client:
            assert (await client.get("/api/status"))["faces"]["admin"] == face.url
        async with administrator(tmp_path / "abc", face) as client:
            with pytest.raises(AdminRefused, match="token is missing") as refused:
                await client.get("/api/status")
    assert refused.value.status == 401


async def test_a_certificate_of_the_named_authority_opens_the_face_and_the_command_line_has_the_nodes_own(
    tmp_path: Path,
) -> None:
    authority = create_ca(tmp_path / "ca", "administrators", NOW)
    async with serving(tmp_path / "abc", client_ca=str(authority.certificate_file)) as face:
        async with AdminClient.of(tmp_path / "abc") as client:
            assert (await client.get("/api/status"))["name"] == "abc"
        async with administrator(tmp_path / "abc", face, authority) as client:
            assert (await client.post("/api/reload"))["peers"] == 0


async def test_without_a_certificate_of_the_named_authority_nobody_gets_in(tmp_path: Path) -> None:
    authority, other = (create_ca(tmp_path / name, name, NOW) for name in ("ca", "other"))
    async with serving(tmp_path / "abc", client_ca=str(authority.certificate_file)) as face:
        async with administrator(tmp_path / "abc", face) as client:
            with pytest.raises(AdminRefused, match="no client certificate") as refused:
                await client.get("/api/status")
        async with administrator(tmp_path / "abc", face, other) as client:
            with pytest.raises(Problem, match="cannot be reached"):
                await client.get("/api/status")
    assert refused.value.status == 401


async def test_where_both_are_asked_for_the_certificate_alone_is_not_enough(tmp_path: Path) -> None:
    authority = create_ca(tmp_path / "ca", "administrators", NOW)
    async with serving(tmp_path / "abc", token=TOKEN, client_ca=str(authority.certificate_file)) as face:
        async with AdminClient.of(tmp_path / "abc") as client:
            assert (await client.get("/api/status"))["name"] == "abc"
        async with administrator(tmp_path / "abc", face, authority) as client:
            with pytest.raises(AdminRefused, match="token is missing"):
                await client.get("/api/status")


async def test_the_command_line_tells_nothing_to_another_program_at_the_address(tmp_path: Path) -> None:
    async with serving(tmp_path / "abc", token=TOKEN):
        create_identity(tmp_path / "elsewhere", Leaf("abc"), NOW)
        config = settings(
            admin_face={
                "tls": "on",
                "token": TOKEN,
                "certificate": str(tmp_path / "elsewhere" / "node.pem"),
                "key": str(tmp_path / "elsewhere" / "node.key"),
            }
        )
        write_toml(tmp_path / "abc" / "p2pnode.toml", config)
        async with AdminClient.of(tmp_path / "abc") as client:
            with pytest.raises(Problem, match="another program than the node"):
                await client.get("/api/status")


async def test_a_renewed_certificate_and_a_changed_key_are_taken_up_without_a_restart(tmp_path: Path) -> None:
    authority = create_ca(tmp_path / "ca", "administrators", NOW)
    async with serving(tmp_path / "abc", client_ca=str(authority.certificate_file)) as face:
        pki = tmp_path / "abc" / "pki"
        before = AdminClient.of(tmp_path / "abc")
        renew(pki, NOW)
        prepare_key(pki, NOW)
        change_key(pki, NOW)
        async with before as client:
            await client.post("/api/reload")
        async with AdminClient.of(tmp_path / "abc") as client:
            assert to_json((await client.get("/api/status"))["name"]) == '"abc"'
        assert face.url
