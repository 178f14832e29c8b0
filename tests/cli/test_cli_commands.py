"""Every command: its help, its example, its errors; and those that need no running node."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest

from p2pnode.cli import COMMANDS, root, run
from p2pnode.oicp.operations import BY_NAME
from p2pnode.pki import inspect


def _leaves(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    leaves: list[tuple[tuple[str, ...], click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            leaves += _leaves(command, (*path, name))
        else:
            leaves.append(((*path, name), command))
    return leaves


LEAVES = _leaves(root)


@pytest.mark.parametrize("path", [path for path, _ in LEAVES], ids=" ".join)
def test_the_help_of_every_command_shows_an_example_of_it(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0

    told = capsys.readouterr().out
    assert "Example:" in told
    assert f"  p2pnode {' '.join(path)}" in told.split("Example:")[1]


@pytest.mark.parametrize("command", [command for _, command in LEAVES], ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_can_write_json(command: click.Command) -> None:
    assert any("--json" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_of_commands_is_the_first_line_of_the_commands_own_help(name: str) -> None:
    command = root.get_command(click.Context(root), name)

    assert command is not None
    assert command.help is not None
    assert COMMANDS[name][1] == command.help.splitlines()[0]


def test_help_loads_no_command_so_that_it_is_quick() -> None:
    code = (
        "import sys; from p2pnode.cli import run; run(['--help']); "
        "print(sorted({'pydantic', 'aiohttp', 'sqlalchemy', 'rich'} & set(sys.modules)))"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert told.splitlines()[-1] == "[]"
    assert "reservation" not in told


def test_an_unknown_command_is_one_error_line_one_hint_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frobnicate"]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split(":")[0] for line in told.err.splitlines()] == ["error", "hint"]


def test_the_operations_are_listed_in_the_order_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["operations", "--json"]) == 0

    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == list(BY_NAME)


def test_the_table_of_operations_is_not_cut_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["operations"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 25
    assert any(line.rstrip().endswith("Publish which products apply at which charging points") for line in lines)


def test_init_makes_a_directory_that_only_its_owner_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "my-node"

    assert run(["init", str(directory), "--operator", "DE*ABC", "--provider", "DE-ABC", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for secret in ("pki/node.key", "p2pnode.toml", "p2pnode.db"):
        assert stat.S_IMODE((directory / secret).stat().st_mode) == 0o600
    assert (told["name"], told["operators"], told["providers"]) == ("my-node", ["DE*ABC"], ["DE-ABC"])
    assert {info.pin for info in inspect(directory / "pki" / "node.pem")} == {told["pin"]}
    assert run(["peer", "list", "--dir", str(directory), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_init_says_what_it_made_and_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "my-node"

    assert run(["init", str(directory), "--operator", "DE*ABC"]) == 0

    told = capsys.readouterr()
    assert told.out == ""
    assert str(directory / "p2pnode.toml") in told.err
    assert "pin sha256:" in told.err
    assert told.err.splitlines()[-1].startswith("next: ")


def test_init_says_what_it_takes_an_id_for_that_could_be_another_role(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "node"), "--provider", "DE*ABC", "--sample"]) == 0
    assert "ProviderID DE*ABC: DIN notation, the same party as DE-ABC" in capsys.readouterr().err


def test_a_node_without_peers_says_how_it_gets_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC"])
    capsys.readouterr()
    assert run(["peer", "list", "--dir", str(tmp_path / "node")]) == 0
    assert "p2pnode peer add URL" in capsys.readouterr().err
    assert run(["call", "AuthorizeStart", "--to", "partner", "--dir", str(tmp_path / "node")]) == 1
    assert "`p2pnode peer add URL`" in capsys.readouterr().err.splitlines()[1]


def test_a_node_that_nobody_answers_for_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC"])
    capsys.readouterr()
    assert run(["peer", "add", "https://127.0.0.1:1", "--yes", "--dir", str(tmp_path / "node")]) == 1
    told = capsys.readouterr().err.splitlines()[0]
    assert told.endswith("cannot be reached: nobody can be reached at 127.0.0.1:1: Connection refused")


def test_what_is_no_backup_is_not_restored_and_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC"])
    (tmp_path / "notes.txt").write_text("hello")
    capsys.readouterr()
    assert run(["store", "restore", str(tmp_path / "notes.txt"), str(tmp_path / "node")]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: {tmp_path / 'notes.txt'} is no archive, or a damaged one",
        "hint: name a file that `p2pnode store backup` wrote",
    ]


def test_a_path_in_the_configuration_is_shown_without_detours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC"])
    with (tmp_path / "node" / "p2pnode.toml").open("a") as file:
        file.write('\n[store]\npath = "../other/node.db"\n')
    capsys.readouterr()
    run(["store", "check", str(tmp_path / "node")])
    told = capsys.readouterr()
    assert str(tmp_path / "other" / "node.db") in told.out + told.err


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("mine")

    assert run(["init", str(tmp_path), "--operator", "DE*ABC"]) == 1

    assert list(tmp_path.iterdir()) == [tmp_path / "precious"]
    assert capsys.readouterr().err.splitlines()[0] == f"error: {tmp_path} exists and is not empty"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "a node needs an --operator, a --provider or both"),
        (("--operator", "DE-ABC"), "'DE-ABC' is no OperatorID"),
        (("--provider", "nonsense"), "'nonsense' is no ProviderID"),
        (("--operator", "DE*ABC", "--name", "Not A Name"), "node.name: a name is lower-case letters, digits,"),
    ],
)
def test_init_refuses_what_cannot_be_a_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert run(["init", str(tmp_path / "node"), *arguments]) == 2

    assert told in capsys.readouterr().err
    assert not (tmp_path / "node").exists()


def test_a_certificate_is_shown_with_the_pin_peers_trust_it_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC", "--json"])
    pin = json.loads(capsys.readouterr().out)["pin"]
    certificate = str(tmp_path / "node" / "pki" / "node.pem")

    assert run(["pki", "show", certificate]) == 0
    assert pin in capsys.readouterr().out
    assert run(["pki", "show", certificate, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [info["is_ca"] for info in shown] == [False, True]
    assert shown[0]["is_valid"]


def test_a_file_without_a_certificate_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.pem").write_text("hello")

    assert run(["pki", "show", str(tmp_path / "text.pem")]) == 1
    assert "holds no certificate" in capsys.readouterr().err


def test_a_peer_is_shown_as_the_table_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC"])
    entry = '[[peer]]\nname = "partner"\nproviders = ["DE-XYZ", "DE-XYW"]\n'
    (tmp_path / "node" / "peers.toml").write_text(entry)
    capsys.readouterr()

    assert run(["peer", "show", "partner", "--dir", str(tmp_path / "node")]) == 0
    assert "DE-XYZ, DE-XYW" in capsys.readouterr().out
    assert run(["peer", "list", "--dir", str(tmp_path / "node")]) == 0
    assert "partner" in capsys.readouterr().out
    assert run(["peer", "show", "nobody", "--dir", str(tmp_path / "node")]) == 1
    assert "hint: known are: partner" in capsys.readouterr().err


def test_a_mistake_in_the_peer_table_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(tmp_path / "node"), "--operator", "DE*ABC"])
    (tmp_path / "node" / "peers.toml").write_text('[[peer]]\nnaem = "partner"\n')
    capsys.readouterr()

    assert run(["peer", "list", "--dir", str(tmp_path / "node")]) == 1
    assert "peers.toml:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("status",), ("sessions",), ("evse", "import", __file__), ("call", "PullEvseData", "--to", "partner")]
)
def test_a_command_for_a_running_node_says_how_to_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    directory = tmp_path / "my node"
    run(["init", str(directory), "--operator", "DE*ABC", "--provider", "DE-ABC"])
    (directory / "peers.toml").write_text('[[peer]]\nname = "partner"\noperators = ["DE*XYZ"]\n')
    capsys.readouterr()

    assert run([*arguments, "--dir", str(directory)]) == 1

    told = capsys.readouterr().err.splitlines()
    assert told == [f"error: no node is running in {directory}", f"hint: start it: p2pnode run '{directory}'"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("call", "PullEvsData", "--to", "x"), "no operation is called 'PullEvsData'; did you mean PullEvseData?"),
        (("route", "Xyz"), "no operation is called 'Xyz'"),
        (("validate", "AuthorizeStart.anser"), "did you mean AuthorizeStart.answer?"),
    ],
)
def test_a_mistyped_operation_is_told_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert run([*arguments]) == 2
    error = capsys.readouterr().err.splitlines()[0]
    assert error.endswith(told)


def test_a_node_is_not_made_over_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes").touch()
    assert run(["init", str(tmp_path / "notes"), "--operator", "DE*ABC"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == f"error: {tmp_path / 'notes'} is a file"


def test_init_says_how_to_run_a_directory_with_a_blank_in_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "my node"), "--operator", "DE*ABC"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"p2pnode run '{tmp_path / 'my node'}'")


@pytest.mark.parametrize(
    "command",
    [
        ("status", "--dir"),
        ("peer", "list", "--dir"),
        ("audit", "show", "--dir"),
        ("receipt", "show", "x", "--dir"),
        ("store", "check"),
    ],
    ids=" ".join,
)
def test_a_directory_without_a_node_is_told_by_every_command_in_the_same_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run([*command, str(tmp_path)]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: there is no node in {tmp_path}"
    assert hint.startswith("hint: name the node's directory")
