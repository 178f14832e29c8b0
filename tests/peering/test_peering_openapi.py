"""The OpenAPI description as a face serves it."""

import json

from p2pnode import __version__
from p2pnode.oicp.paths import by_path
from p2pnode.peering.face import OPENAPI_PATH
from tests.peering.peering_kit import Notes, Pki, face_over, hold, partner, post, tls_client, tls_settings


async def test_the_openapi_description_is_served_and_is_no_call(notes: Notes) -> None:
    async with face_over(await hold(), notes) as face:
        reply = await post(face.port, OPENAPI_PATH, b"", method="GET")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    document = json.loads(reply.body)
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == __version__
    assert document["paths"].keys() == by_path().keys()
    assert document["paths"]["/notificationmgmt/v11/charging-notifications"]["post"]["requestBody"]["content"][
        "application/json"
    ]["examples"]["ChargingNotificationEnd"]
    assert notes.outcomes == []


async def test_the_openapi_description_is_served_over_tls_to_who_shows_no_certificate(notes: Notes, pki: Pki) -> None:
    holder = await hold(partner(certificate=pki.partner.trust))
    async with face_over(holder, notes, settings=tls_settings(pki.node)) as face:
        reply = await post(face.port, OPENAPI_PATH, b"", method="GET", tls=tls_client(pki.node, None))
    assert reply.status == 200
    assert json.loads(reply.body)["paths"]


async def test_the_openapi_description_can_only_be_read(notes: Notes) -> None:
    async with face_over(await hold(), notes) as face:
        reply = await post(face.port, OPENAPI_PATH, {})
    assert (reply.status, reply.headers["Allow"], reply.code) == (405, "GET, HEAD", "022")
