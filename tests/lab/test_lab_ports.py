"""Ports that stay ours until the process they are meant for listens at them."""

import asyncio
import socket
import sys

import pytest

from p2pnode.lab.ports import LOOPBACK, ReservedPorts


async def _ignore(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a bound port cannot be listened at twice")
async def test_a_server_can_listen_at_a_reserved_port() -> None:
    with ReservedPorts(2) as reserved:
        server = await asyncio.start_server(_ignore, LOOPBACK, reserved.ports[0])
        async with server:
            reader, writer = await asyncio.open_connection(LOOPBACK, reserved.ports[0])
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the ports are only likely to stay free")
def test_nobody_else_is_given_a_reserved_port() -> None:
    with ReservedPorts(3) as reserved, socket.socket() as other:
        assert len(set(reserved.ports)) == 3
        with pytest.raises(OSError, match="in use"):
            other.bind((LOOPBACK, reserved.ports[0]))


def test_a_released_port_is_free_again() -> None:
    with ReservedPorts(1) as reserved:
        pass
    with socket.socket() as other:
        other.bind((LOOPBACK, reserved.ports[0]))
        assert other.getsockname()[1] == reserved.ports[0]
