"""`p2pnode.toml`: what it means, and that every mistake in it names its line."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from p2pnode.config import ConfigError, NodeConfig, load_node
from p2pnode.oicp.operations import Role

SMALLEST = '[node]\nname = "a"\noperators = ["DE*ABC"]\n'
ADMIN = "[admin_face]\nhost = '0.0.0.0'\n"
FULL = """
[node]
name = "lab-1"
operators = ["DE*ABC", "DE*ABD"]
providers = []

[peer_face]
host = "::1"
port = 7100
tls = "off"

[admin_face]
token = "0123456789abcdef"

[cpo]
backend = "virtual"

[cpo.virtual]
time_scale = 60.0

[[cpo.virtual.charge_points]]
evse_id = "DE*ABC*E1"
plugs = ["CCS Combo 2 Plug (Cable Attached)"]
power = 150
power_type = "DC"

[[cpo.virtual.charge_points]]
evse_id = "DE*ABC*E2"
power = 11.5

[[emp.virtual.drivers]]
name = "Ada"
uid = "04E51DCA"
evco_id = "DE-GDF-C00000001-X"
pin = "1234"

[log]
format = "json"
"""


def _load(directory: Path, text: str) -> NodeConfig:
    (directory / "p2pnode.toml").write_text(text, encoding="utf-8")
    return load_node(directory)


def _mistake(directory: Path, text: str) -> tuple[str | None, int | None, str]:
    with pytest.raises(ConfigError) as caught:
        _load(directory, text)
    assert caught.value.file == directory / "p2pnode.toml"
    assert "pydantic" not in str(caught.value)
    return caught.value.key, caught.value.line, caught.value.sentence


def test_a_name_and_an_id_are_enough(tmp_path: Path) -> None:
    config = _load(tmp_path, SMALLEST)
    assert config.node.roles == (Role.CPO,)
    assert config.peer_face.certificate == tmp_path / "pki" / "node.pem"
    assert config.store.path == tmp_path / "p2pnode.db"
    assert (config.peer_face.port, config.backend_face.port, config.admin_face.port) == (7000, 7001, 7002)


def test_a_full_configuration_is_read(tmp_path: Path) -> None:
    config = _load(tmp_path, FULL)
    assert config.node.ids(Role.CPO) == ("DE*ABC", "DE*ABD")
    assert [str(point.power) for point in config.cpo.virtual.charge_points] == ["150", "11.5"]
    assert config.emp.virtual.drivers[0].pin == "1234"
    assert config.log.format == "json"


def test_secrets_are_not_in_the_text_of_a_configuration(tmp_path: Path) -> None:
    text = repr(_load(tmp_path, FULL))
    for secret in ("0123456789abcdef", "04E51DCA", "DE-GDF-C00000001-X", "1234'"):
        assert secret not in text


def test_absolute_paths_stay(tmp_path: Path) -> None:
    config = _load(tmp_path, SMALLEST + '[store]\npath = "/var/lib/p2pnode/node.db"\n')
    assert config.store.path == Path("/var/lib/p2pnode/node.db")


@pytest.mark.parametrize(
    ("text", "key", "line", "sentence"),
    [
        ("", "node", None, "is missing"),
        ("[node]\noperators = ['DE*ABC']\n", "node.name", 1, "is missing"),
        (SMALLEST + "[peer_face]\nprot = 1\n", "peer_face.prot", 5, "did you mean 'port'"),
        (SMALLEST + "[peerface]\nport = 1\n", "peerface", 4, "did you mean 'peer_face'"),
        (SMALLEST + "[peer_face]\nport = 'x'\n", "peer_face.port", 5, "valid integer"),
        (SMALLEST + "[peer_face]\nport = 70000\n", "peer_face.port", 5, "less than or equal to 65535"),
        (SMALLEST + "[peer_face]\ntls = 'maybe'\n", "peer_face.tls", 5, "'on' or 'off'"),
        (SMALLEST + "[peer_face]\nhost = '0.0.0.0'\ntls = 'off'\n", "peer_face", 4, "insecure = true"),
        (SMALLEST + "[peer_face]\nproxies = ['127.0.0.1']\n", "peer_face", 4, "proxies are for"),
        (SMALLEST + "[backend_face]\nhost = '192.0.2.1'\n", "backend_face", 4, "insecure = true"),
        (SMALLEST + "[admin_face]\nhost = '0.0.0.0'\n", "admin_face", 4, "needs a token"),
        (SMALLEST + ADMIN + "token = '0123456789abcdef'\n", "admin_face", 4, 'tls = "on"'),
        (SMALLEST + ADMIN + "tls = 'on'\n", "admin_face", 4, "needs a token or a client_ca"),
        (SMALLEST + ADMIN + "insecure = true\n", "admin_face", 4, "needs a token or a client_ca"),
        (SMALLEST + ADMIN + "client_ca = 'ca.pem'\n", "admin_face", 4, 'are for tls = "on"'),
        (SMALLEST + ADMIN + "tls = 'on'\nkey = 'a.key'\n", "admin_face", 4, "go together"),
        (SMALLEST + "[store]\nsession_days = 30\n", "store.session_days", 5, "at least 62 days"),
        (SMALLEST + "[cpo]\nbackend = 'http'\n", "cpo", 4, "needs a url"),
        ("[node]\nname = 'a'\n", "node", 1, "operators, providers or both"),
        ("[node]\nname = 'a'\noperators = ['']\n", "node.operators[1]", 3, "not empty"),
        ("[node\n", None, 1, "not TOML"),
        (FULL.replace("11.5", "-1"), "cpo.virtual.charge_points[2].power", 29, "greater than 0"),
        (FULL.replace("power = 11.5", "powr = 1"), "cpo.virtual.charge_points[2].powr", 29, "did you mean 'power'"),
        (FULL.replace("DE*ABC*E2", "DE*ABC*E1"), "cpo.virtual", 18, "the same EvseID"),
        (FULL.replace("04E51DCA", "secret"), "emp.virtual.drivers[1].uid", 33, "UIDType"),
    ],
)
def test_a_mistake_names_its_line_and_setting(
    tmp_path: Path, text: str, key: str | None, line: int | None, sentence: str
) -> None:
    found = _mistake(tmp_path, text)
    assert found[:2] == (key, line)
    assert sentence in found[2]
    assert "secret" not in found[2]


@pytest.mark.parametrize(
    "guard",
    [
        "tls = 'on'\ntoken = '0123456789abcdef'\n",
        "tls = 'on'\nclient_ca = 'ca.pem'\n",
        "insecure = true\ntoken = '0123456789abcdef'\n",
    ],
)
def test_the_admin_face_may_leave_the_machine_where_it_is_guarded(tmp_path: Path, guard: str) -> None:
    (tmp_path / "p2pnode.toml").write_text(SMALLEST + ADMIN + guard, encoding="utf-8")
    assert load_node(tmp_path).admin_face.host == "0.0.0.0"  # noqa: S104 - nobody listens there


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"p2pnode\.toml: the file does not exist"):
        load_node(tmp_path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "p2pnode.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_node(tmp_path)


@pytest.mark.parametrize(
    ("driver", "sentence"),
    [
        ("name = 'x'", "uid or an evco_id"),
        ("uid = '04E51DCA'\npin = '1'", "need an evco_id"),
        ("uid = '04E51DCA'\n[[emp.virtual.drivers]]\nuid = '04e51dca'", "same uid"),
    ],
)
def test_a_driver_nobody_could_identify_is_refused(tmp_path: Path, driver: str, sentence: str) -> None:
    assert sentence in _mistake(tmp_path, SMALLEST + "[[emp.virtual.drivers]]\n" + driver + "\n")[2]


def _sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [field.annotation for field in model.model_fields.values()]
    found = [kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [model, *(section for kind in found for section in _sections(kind))]


def test_every_setting_is_described() -> None:
    for section in _sections(NodeConfig):
        assert [name for name, field in section.model_fields.items() if not field.description] == []
