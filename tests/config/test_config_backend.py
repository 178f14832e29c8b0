"""Who answers for our roles, and where the backend reaches the node: what is read, and what is refused as unsafe."""

from pathlib import Path

import pytest

from p2pnode.config import ConfigError, NodeConfig, load_node

NODE = '[node]\nname = "a"\noperators = ["DE*ABC"]\n'
TLS = 'certificate = "pki/node.pem"\nkey = "pki/node.key"\n'


def _load(directory: Path, text: str) -> NodeConfig:
    (directory / "p2pnode.toml").write_text(NODE + text, encoding="utf-8")
    return load_node(directory)


def test_a_backend_of_our_own_is_read_with_its_files_in_the_directory(tmp_path: Path) -> None:
    text = f'[cpo]\nbackend = "http"\nurl = "https://csms.example/api/oicp/"\nca = "csms.pem"\n{TLS}deadline = 4\n'
    section = _load(tmp_path, text).cpo
    assert section.url == "https://csms.example/api/oicp"
    assert (section.ca, section.certificate) == (tmp_path / "csms.pem", tmp_path / "pki" / "node.pem")
    assert section.deadline == 4


def test_a_plug_in_gets_its_settings_and_nobody_reads_them_in_a_log(tmp_path: Path) -> None:
    config = _load(tmp_path, '[cpo]\nbackend = "csms:Csms"\n[cpo.settings]\npassword = "hidden"\n')
    assert config.cpo.settings == {"password": "hidden"}
    assert "hidden" not in repr(config)


@pytest.mark.parametrize(
    "text",
    [
        '[backend_face]\nhost = "0.0.0.0"\ntoken = "0123456789abcdef"\n',
        f'[backend_face]\nhost = "0.0.0.0"\nclient_ca = "ca.pem"\n{TLS}',
        '[backend_face]\nhost = "0.0.0.0"\ninsecure = true\n',
        f"[backend_face]\n{TLS}",
        '[cpo]\nbackend = "http"\nurl = "http://127.0.0.1:8080/api/oicp"\n',
        '[cpo]\nbackend = "http"\nurl = "http://csms.example/api/oicp"\ninsecure = true\n',
    ],
)
def test_what_is_guarded_is_accepted(tmp_path: Path, text: str) -> None:
    assert _load(tmp_path, text).node.name == "a"


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ('[backend_face]\nhost = "192.0.2.1"\n', "backend_face", "a token or a client_ca"),
        (f'[backend_face]\nhost = "192.0.2.1"\n{TLS}', "backend_face", "a token or a client_ca"),
        ('[backend_face]\nclient_ca = "ca.pem"\n', "backend_face", "needs a certificate"),
        ('[backend_face]\ncertificate = "node.pem"\n', "backend_face", "go together"),
        ('[backend_face]\ntoken = "short"\n', "backend_face.token", "at least 16"),
        ('[cpo]\nbackend = "http"\n', "cpo", "needs a url"),
        ('[cpo]\nbackend = "http"\nurl = "csms.example"\n', "cpo.url", "http or https"),
        ('[cpo]\nbackend = "http"\nurl = "http://192.0.2.1/api/oicp"\n', "cpo", "insecure = true"),
        (f'[cpo]\nbackend = "http"\nurl = "http://127.0.0.1/api/oicp"\n{TLS}', "cpo", "https url"),
        ('[cpo]\nbackend = "http"\nurl = "https://csms.example"\nkey = "a.key"\n', "cpo", "go together"),
        ('[cpo]\nbackend = "http"\nurl = "https://csms.example"\ndeadline = 0\n', "cpo.deadline", "greater than 0"),
        ('[cpo]\nurl = "https://csms.example"\n', "cpo", 'url is for backend = "http"'),
        ('[emp]\nbackend = "crm:Crm"\ndeadline = 1\n', "emp", 'deadline is for backend = "http"'),
        ("[emp.settings]\na = 1\n", "emp", "for a plug-in"),
    ],
)
def test_what_is_not_guarded_or_not_used_is_refused(tmp_path: Path, text: str, key: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert caught.value.key == key
    assert sentence in caught.value.sentence
