"""Behind a proxy that ends TLS, a header of its own tells who calls."""

from urllib.parse import quote

from p2pnode.config.node import PeerFaceSection
from p2pnode.pki import Identity
from tests.peering.peering_kit import (
    JSON,
    OTHER,
    Notes,
    Pki,
    exchange,
    face_over,
    hold,
    post,
    tls_client,
    tls_settings,
    trusted,
)
from tests.peering.test_peering_face_tls import BODY, PATH


def _leaf(identity: Identity) -> str:
    return identity.certificate_file.read_text(encoding="ascii").partition("-----END CERTIFICATE-----")[0] + (
        "-----END CERTIFICATE-----"
    )


def _proxied(certificate: str) -> dict[str, str]:
    return {**JSON, "X-Client-Cert": certificate}


def behind(proxy: str, own: Identity) -> PeerFaceSection:
    return PeerFaceSection(port=0, tls="off", proxies=(proxy,), certificate=own.certificate_file, key=own.key_file)


async def test_behind_a_proxy_the_header_decides(pki: Pki, notes: Notes) -> None:
    own = {name: quote(_leaf(getattr(pki, name))) for name in ("partner", "expired", "issued")}
    settings = behind("127.0.0.1", pki.node)
    entries = trusted(pki.partner), OTHER.model_copy(update={"certificate": pki.expired.trust})
    async with face_over(await hold(*entries), notes, settings=settings) as face:
        known = await post(face.port, PATH, BODY, headers=_proxied(own["partner"]))
        refused = [
            await post(face.port, PATH, BODY, headers=headers)
            for headers in (JSON, _proxied("x"), _proxied(own["issued"]), _proxied(own["expired"]))
        ]
    assert known.status == 200
    assert [(reply.status, reply.code) for reply in refused] == [(401, "017")] * 4


async def test_a_header_from_elsewhere_is_not_believed(pki: Pki, notes: Notes) -> None:
    for proxy in ("192.0.2.1", "10.0.0.0/8"):
        settings = behind(proxy, pki.node)
        async with face_over(await hold(trusted(pki.partner)), notes, settings=settings) as face:
            reply = await post(face.port, PATH, BODY, headers=_proxied(quote(_leaf(pki.partner))))
        assert (reply.status, reply.code) == (401, "017")
    async with face_over(await hold(trusted(pki.partner)), notes, settings=behind("127.0.0.0/28", pki.node)) as face:
        reply = await post(face.port, PATH, BODY, headers=_proxied(quote(_leaf(pki.partner))))
    assert reply.status == 200


async def test_behind_envoy_the_certificate_is_a_member_of_its_header(pki: Pki, notes: Notes) -> None:
    own, other = (quote(_leaf(identity)) for identity in (pki.partner, pki.expired))
    settings = behind("127.0.0.1", pki.node).model_copy(update={"proxy_header": "X-Forwarded-Client-Cert"})
    good = (
        f'By=spiffe://x;Hash=ab;Cert="{own}";Subject="CN=a\\",b;Cert=c";URI=',
        f"cert={own}",
        f'Subject="";Cert="{own}"',
    )
    bad = (
        "",
        own,
        "Hash=ab",
        'Cert=""',
        f'Cert="{own}',
        f'Cert="{own}";Cert="{other}"',
        f'Cert="{own}",Cert="{other}"',
        f'Hash=ab,Cert="{own}"',
        f'Subject="Cert={own}"',
        f'Cert="{other}"',
    )
    async with face_over(await hold(trusted(pki.partner)), notes, settings=settings) as face:
        for expected, headers in ((200, good), (401, bad)):
            for header in headers:
                shown = {**JSON, "x-forwarded-client-cert": header}
                assert (header, (await post(face.port, PATH, BODY, headers=shown)).status) == (header, expected)
        twice = (f"POST {PATH} HTTP/1.1\r\nHost: x\r\n" + f"X-Forwarded-Client-Cert: cert={own}\r\n" * 2).encode()
        reply = await exchange(face.port, [twice + b"Content-Length: 0\r\n\r\n"])
        assert (reply.status, reply.code) == (401, "017")


async def test_with_tls_of_its_own_a_node_believes_no_header(pki: Pki, notes: Notes) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        tls = tls_client(pki.node, None)
        for name in ("X-Client-Cert", "X-Forwarded-Client-Cert"):
            headers = {**JSON, name: quote(_leaf(pki.partner))}
            assert (await post(face.port, PATH, BODY, tls=tls, headers=headers)).status == 401
    assert notes.received == []
