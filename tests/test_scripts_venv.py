"""scripts/ensure-venv: what a newcomer sees before anything is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("sh", "dirname", "cat", "head", "env")


class Checkout:
    """A copy of the scripts in a directory with a blank in its name, run with nothing but the tools given to it."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "a checkout"
        shutil.copytree(ROOT / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", self.root)
        self.tools = directory / "tools"
        self.tools.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.tools / tool).symlink_to(found)

    def command(self, name: str, text: str) -> None:
        """Put a shell script of this name on the path."""
        self.file(self.tools / name, text)

    def file(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        path.chmod(0o755)

    def stamp(self, extra: str, root: Path | None = None) -> None:
        """As if this extra had been installed from the present pyproject.toml, at `root`."""
        text = (self.root / "pyproject.toml").read_text("utf-8")
        (self.root / ".venv" / f"stamp-{extra}").write_text(f"{root or self.root}\n{text}", "utf-8")

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.root / "scripts" / script), *arguments]
        environment = {"PATH": str(self.tools), "HOME": os.environ.get("HOME", "/")}
        return subprocess.run(
            command, env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=30
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_machine_without_python_is_told_what_to_install(checkout: Checkout) -> None:
    done = checkout.run("lab")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Python found; 3.11 or newer is needed\nhint: ")


def test_a_python_that_is_too_old_is_named_with_its_version(checkout: Checkout) -> None:
    checkout.command("python3", 'case "$2" in *exit*) exit 1;; *) echo 3.9.2;; esac')
    done = checkout.run("test")
    assert done.returncode == 1
    assert "error: Python 3.11 or newer is needed; python3 is 3.9.2\n" in done.stderr


def test_a_newer_python_beside_an_old_one_is_taken(checkout: Checkout) -> None:
    checkout.command("python3", 'case "$2" in *exit*) exit 1;; *) echo 3.9.2;; esac')
    checkout.command(
        "python3.12", 'case "$2" in *ensurepip*) exit 1;; *%d.%d*) echo 3.12;; *exit*) ;; *) echo 3.12.1;; esac'
    )
    done = checkout.run("test")
    assert "error: python3.12 cannot make a virtual environment" in done.stderr


def test_a_python_without_its_venv_module_is_told_the_package(checkout: Checkout) -> None:
    checkout.command(
        "python3", 'case "$2" in *ensurepip*) exit 1;; *%d.%d*) echo 3.11;; *exit*) ;; *) echo 3.11.2;; esac'
    )
    done = checkout.run("lab")
    assert done.returncode == 1
    assert "hint: apt install python3.11-venv" in done.stderr


def test_nothing_is_installed_twice_from_the_same_pyproject(checkout: Checkout) -> None:
    venv = checkout.root / ".venv"
    checkout.file(venv / "bin" / "python", "echo installing >&2; exit 1")
    checkout.file(venv / "bin" / "p2pnode", 'echo "p2pnode:$*"')
    checkout.stamp("dev")
    done = checkout.run("lab", "--seed", "a b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "p2pnode:lab --seed a b\n", "")


def test_a_changed_pyproject_is_installed_again(checkout: Checkout) -> None:
    venv = checkout.root / ".venv"
    checkout.file(venv / "bin" / "python", 'echo "python:$*"')
    checkout.stamp("dev")
    with (checkout.root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    done = checkout.run("ensure-venv", "dev")
    assert done.returncode == 0
    assert f"--editable {checkout.root}[dev]" in done.stderr
    assert checkout.run("ensure-venv", "dev").stderr == ""


def test_an_installation_that_fails_is_tried_again(checkout: Checkout) -> None:
    checkout.file(checkout.root / ".venv" / "bin" / "python", 'test "$3" = --version')
    for _ in range(2):
        done = checkout.run("ensure-venv", "speed")
        assert done.returncode == 1
        assert "error: p2pnode[speed] could not be installed" in done.stderr


def test_a_directory_that_was_moved_gets_a_new_venv(checkout: Checkout) -> None:
    checkout.file(checkout.root / ".venv" / "bin" / "python", 'echo "python:$*"')
    checkout.stamp("dev", root=Path("/elsewhere"))
    checkout.command("python3", 'case "$1" in -c) echo 3.12.1;; *) echo "python3:$*";; esac')
    done = checkout.run("ensure-venv", "dev")
    assert "this directory was moved\n" in done.stderr
    assert f"python3:-m venv --upgrade-deps --clear -- {checkout.root}/.venv\n" in done.stderr
