"""What the README tells a newcomer to type works as it stands."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from p2pnode import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in re.findall(r"^    (\S.*)$", README, flags=re.MULTILINE)]
P2PNODE = ".venv/bin/p2pnode"


def _as_here(command: str, where: Path) -> list[str]:
    """What follows `p2pnode` in the command, its directories below `where`, its ports any free ones."""
    words = [re.sub(r"^\.\./", f"{where}/", word) for word in shlex.split(command)]
    if "init" in words:
        words = [*words, "--port", "0"]
    if (at := next((number for number, word in enumerate(words) if word.startswith("https:")), None)) is not None:
        words[at] = json.loads((where / "beta" / "run.json").read_text("utf-8"))["peer"].removesuffix("/api/oicp")
    return words[1:]


@dataclass(frozen=True)
class Typist:
    """Somebody at a terminal, who says yes to what a command asks. It runs in this process."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def types(self, command: str, where: Path) -> tuple[int, str, str]:
        """The exit code of a command, and what it prints on stdout and stderr."""
        keyboard, terminal = os.openpty()
        try:
            os.write(keyboard, b"y\n")
            with os.fdopen(terminal) as stdin:
                self.monkeypatch.setattr(sys, "stdin", stdin)
                code = cli.run(_as_here(command, where))
        finally:
            os.close(keyboard)
        told = self.capsys.readouterr()
        return code, told.out, told.err


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typist:
    return Typist(monkeypatch, capsys)


def test_the_two_scripts_it_names_are_there_and_can_be_run() -> None:
    scripts = [command for command in COMMANDS if command.startswith("scripts/")]
    assert scripts == ["scripts/lab", "scripts/test"]
    assert all((ROOT / script).stat().st_mode & 0o100 for script in scripts)


def test_every_page_it_links_to_is_there() -> None:
    pages = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(pages) > 5
    assert [page for page in pages if not (ROOT / page).is_file()] == []


def test_its_commands_make_two_nodes_peers_that_roam_over_mutual_tls(tmp_path: Path, typist: Typist) -> None:
    ours = [command for command in COMMANDS if command.startswith(P2PNODE)]
    made = [command for command in ours if " init " in command]
    run = [command for command in ours if " run " in command]
    typed = [command for command in ours if command not in {*made, *run}]
    assert (len(made), len(run)) == (2, 2)
    for command in made:
        assert typist.types(command, tmp_path)[0] == 0
    outcomes: dict[str, tuple[int, str, str]] = {}
    with ExitStack() as stack:
        started = ([sys.executable, "-m", "p2pnode", *_as_here(command, tmp_path)] for command in run)
        nodes = [stack.enter_context(subprocess.Popen(words, stderr=subprocess.DEVNULL)) for words in started]
        try:
            until = time.monotonic() + 30
            while not all((tmp_path / name / "run.json").exists() for name in ("alpha", "beta")):
                assert time.monotonic() < until
                time.sleep(0.05)
            for command in typed:
                outcomes[command] = typist.types(command, tmp_path)
        finally:
            for node in nodes:
                node.terminate()
    assert [node.returncode for node in nodes] == [0, 0]
    assert {command: told for command, (code, _, told) in outcomes.items() if code} == {}
    (answer,) = (out for command, (_, out, _) in outcomes.items() if " AuthorizeStart " in command)
    assert json.loads(answer)["AuthorizationStatus"] == "Authorized"
    (status,) = (out for command, (_, out, _) in outcomes.items() if " status " in command)
    assert "https://127.0.0.1:" in status
