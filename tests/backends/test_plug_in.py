"""A backend written in Python by somebody else: found by its name, checked before it is used, asked like any other."""

import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import pytest

from p2pnode.backends.making import BackendParts, make_cpo, make_emp
from p2pnode.backends.plug_in import BackendContext
from p2pnode.config import ConfigError, NodeConfig, PeerEntry, PeerTable, load_node
from p2pnode.node import Node
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.codec import read
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START, PUSH_EVSE_STATUS
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.roaming.ports import CpoBackend, Received
from p2pnode.roaming.records import CallOutcome
from tests.drop_in_stage import OPERATOR, PROVIDER, SESSION, sample


class Csms:
    """A CPO that says yes, and tells its status when it is entered."""

    def __init__(self, context: BackendContext) -> None:
        self.context = context
        self.bodies: list[bytes] = []
        self.entered = 0
        self.told: list[str] = []

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.entered -= 1

    async def tell_status(self) -> None:
        message = PUSH_EVSE_STATUS.request.model_validate(
            {
                "ActionType": "fullLoad",
                "OperatorEvseStatus": {"OperatorID": self.context.ids[0], "EvseStatusRecord": []},
            }
        )
        answer = await self.context.send(PUSH_EVSE_STATUS, message)
        self.told.append(answer.status_code.code)

    async def authorize_remote_start(self, request: AuthorizeRemoteStart, body: bytes) -> Acknowledgement:
        self.bodies.append(body)
        return acknowledge(request)

    async def authorize_remote_stop(self, request: AuthorizeRemoteStop, body: bytes) -> Acknowledgement:
        self.bodies.append(body)
        return acknowledge(request)

    async def authorize_remote_reservation_start(
        self, request: AuthorizeRemoteReservationStart, body: bytes
    ) -> Acknowledgement:
        self.bodies.append(body)
        return acknowledge(request)

    async def authorize_remote_reservation_stop(
        self, request: AuthorizeRemoteReservationStop, body: bytes
    ) -> Acknowledgement:
        self.bodies.append(body)
        return acknowledge(request)


class Unwilling(Csms):
    """Refuses its settings."""

    def __init__(self, context: BackendContext) -> None:
        super().__init__(context)
        raise KeyError("password")


class Blocking(Csms):
    """Has a method that would block the loop."""

    def authorize_remote_stop(self, request: Any, body: bytes) -> Any:  # noqa: ANN401 - the mistake that is looked for
        self.bodies.append(body)
        return acknowledge(request)


class OldShape(Csms):
    """Has a method in another form."""

    async def authorize_remote_stop(self, request: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 - as above
        return acknowledge(request)


NOT_A_CLASS = 3


@pytest.fixture
def entry_point(tmp_path: Path) -> Iterator[str]:
    """A distribution that offers the plug-in as `csms`."""
    info = tmp_path / "csms-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: csms\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[p2pnode.backends]\ncsms = {__name__}:Csms\n")
    sys.path.insert(0, str(tmp_path))
    yield "csms"
    sys.path.remove(str(tmp_path))


def _config(backend: str, root: Path, **more: object) -> NodeConfig:
    return NodeConfig.model_validate(
        {
            "node": {"name": "node", "operators": [OPERATOR]},
            "peer_face": {"port": 0, "tls": "off"},
            "backend_face": {"port": 0},
            "store": {"path": str(root / "node.db")},
            "log": {"level": "error"},
            "cpo": {"backend": backend, **more},
        }
    )


def _made(backend: str, **more: object) -> CpoBackend | None:
    async def send(*_: object, **__: object) -> Any:  # noqa: ANN401 - never called
        raise AssertionError

    def hear(outcome: CallOutcome) -> None:
        raise AssertionError(outcome)

    config = _config(backend, Path(), **more)
    node = Node(config, PeerTable())
    parts = BackendParts(config, Path("dir"), send, node.now, hear, node.log)
    assert make_emp(parts) is None
    return make_cpo(parts)


def test_a_class_of_a_module_gets_its_settings_and_our_ids() -> None:
    backend = _made(f"{__name__}:Csms", settings={"password": "hidden"})
    assert isinstance(backend, Csms)
    assert (backend.context.settings, backend.context.ids) == ({"password": "hidden"}, (OPERATOR,))


def test_an_entry_point_is_found_by_its_name(entry_point: str) -> None:
    assert isinstance(_made(entry_point), Csms)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("csms", "there is no backend 'csms'; there are virtual, http"),
        ("no_such_module:Csms", "cannot be loaded: ModuleNotFoundError"),
        (f"{__name__}:NoSuchClass", "cannot be loaded: AttributeError"),
        (f"{__name__}:NOT_A_CLASS", "is no class"),
        (f"{__name__}:Unwilling", "cannot be made: KeyError: 'password'"),
        (f"{__name__}:Blocking", "lacks the method `async def authorize_remote_stop(self, request, body)`"),
        (f"{__name__}:OldShape", "authorize_remote_stop does not take (request, body)"),
        (f"{__name__}:BackendContext", "cannot be made: TypeError"),
    ],
)
def test_a_plug_in_that_is_of_no_use_is_refused_with_the_reason(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _made(name)
    assert (caught.value.file, caught.value.key) == (Path("dir/p2pnode.toml"), "cpo.backend")
    assert sentence in caught.value.sentence


async def test_a_node_enters_its_plug_in_asks_it_and_lets_it_send(tmp_path: Path) -> None:
    async with Node(_config(f"{__name__}:Csms", tmp_path), PeerTable()) as node:
        backend = node.cpo
        assert isinstance(backend, Csms)
        assert backend.entered == 1
        await backend.tell_status()
        body = sample(AUTHORIZE_REMOTE_START)
        message = read(AuthorizeRemoteStart, body)
        partner = PeerEntry(name="partner", providers=(PROVIDER,))
        answer = await node.roaming.receive(Received(AUTHORIZE_REMOTE_START, message, body, partner, "process"))
        assert isinstance(answer, Acknowledgement)
        assert answer.result
        assert backend.bodies == [body]
        assert node.commands == {"CPO": None, "EMP": None}
    assert (backend.entered, backend.told) == (0, ["000"])


async def test_the_plug_in_of_the_manual_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (files("p2pnode.docs") / "backends.md").read_text(encoding="utf-8")
    code, settings = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "toml"))
    assert code is not None
    assert settings is not None
    (tmp_path / "my_module.py").write_text(code[1])
    (tmp_path / "p2pnode.toml").write_text(f'[node]\nname = "node"\noperators = ["{OPERATOR}"]\n{settings[1]}')
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    config = load_node(tmp_path)
    backend = _made(config.cpo.backend, settings=config.cpo.settings)
    assert backend is not None
    request = AuthorizeRemoteStart(
        session_id=SESSION, provider_id=PROVIDER, evse_id=f"{OPERATOR}*E1*1", identification=Identification()
    )
    assert (await backend.authorize_remote_start(request, b"")).result
    with pytest.raises(ProtocolError, match="603"):
        await backend.authorize_remote_start(request.model_copy(update={"evse_id": f"{OPERATOR}*E2"}), b"")
