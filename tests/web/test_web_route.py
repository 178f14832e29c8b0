"""The admin face tells where a message would go."""

import aiohttp
import pytest

from p2pnode.web.admin import AdminFace


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("AuthorizeRemoteStart?evse=DE*ABC*E1*1", 200, "our own operator"),
        ("PullEvseData", 200, "no peer"),
        ("AuthorizeStart", 400, "depends on a UID"),
        ("Nothing", 404, "no such operation"),
    ],
)
async def test_a_route_is_told_or_what_it_lacks(
    face: AdminFace, http: aiohttp.ClientSession, path: str, status: int, told: str
) -> None:
    async with http.get(f"{face.url}/api/route/{path}") as response:
        assert response.status == status
        assert told in await response.text()
