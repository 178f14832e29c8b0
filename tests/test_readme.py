"""What the README tells a newcomer to type works as it stands."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in re.findall(r"^    (\S.*)$", README, flags=re.MULTILINE)]
P2PNODE = ".venv/bin/p2pnode"


def _as_here(command: str, where: Path) -> list[str]:
    """The command with this interpreter's p2pnode, its directories below `where`, its ports any free ones."""
    words = [re.sub(r"^\.\./", f"{where}/", word) for word in shlex.split(command)]
    if "init" in words:
        words = [*words, "--port", "0"]
    if (at := next((number for number, word in enumerate(words) if word.startswith("https:")), None)) is not None:
        words[at] = json.loads((where / "beta" / "run.json").read_text("utf-8"))["peer"].removesuffix("/api/oicp")
    return [sys.executable, "-m", "p2pnode", *words[1:]]


def _typed(command: str, where: Path) -> "subprocess.CompletedProcess[str]":
    """The command, typed at a terminal by somebody who says yes to what it asks."""
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, b"y\n")
        return subprocess.run(
            _as_here(command, where), stdin=terminal, check=False, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(keyboard)
        os.close(terminal)


def test_the_two_scripts_it_names_are_there_and_can_be_run() -> None:
    scripts = [command for command in COMMANDS if command.startswith("scripts/")]
    assert scripts == ["scripts/lab", "scripts/test"]
    assert all((ROOT / script).stat().st_mode & 0o100 for script in scripts)


def test_every_page_it_links_to_is_there() -> None:
    pages = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(pages) > 5
    assert [page for page in pages if not (ROOT / page).is_file()] == []


def test_its_commands_make_two_nodes_peers_that_roam_over_mutual_tls(tmp_path: Path) -> None:
    ours = [command for command in COMMANDS if command.startswith(P2PNODE)]
    made = [command for command in ours if " init " in command]
    run = [command for command in ours if " run " in command]
    typed = [command for command in ours if command not in {*made, *run}]
    assert (len(made), len(run)) == (2, 2)
    for command in made:
        assert _typed(command, tmp_path).returncode == 0
    outcomes: dict[str, subprocess.CompletedProcess[str]] = {}
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(subprocess.Popen(_as_here(command, tmp_path), stderr=subprocess.DEVNULL))
            for command in run
        ]
        try:
            until = time.monotonic() + 30
            while not all((tmp_path / name / "run.json").exists() for name in ("alpha", "beta")):
                assert time.monotonic() < until
                time.sleep(0.05)
            for command in typed:
                outcomes[command] = _typed(command, tmp_path)
        finally:
            for node in nodes:
                node.terminate()
    assert [node.returncode for node in nodes] == [0, 0]
    assert {command: outcome.stderr for command, outcome in outcomes.items() if outcome.returncode} == {}
    (call,) = (outcome for command, outcome in outcomes.items() if " AuthorizeStart " in command)
    assert json.loads(call.stdout)["AuthorizationStatus"] == "Authorized"
    (status,) = (outcome for command, outcome in outcomes.items() if " status " in command)
    assert "https://127.0.0.1:" in status.stdout
