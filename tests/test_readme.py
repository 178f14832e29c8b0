"""What the README tells a newcomer to type works as it stands."""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in re.findall(r"^    (\S.*)$", README, flags=re.MULTILINE)]
P2PNODE = ".venv/bin/p2pnode"


def _as_here(command: str, where: Path) -> list[str]:
    """The command with this interpreter's p2pnode, and its directory below `where`."""
    words = [word.replace("../alpha", str(where / "alpha")) for word in shlex.split(command)]
    return [sys.executable, "-m", "p2pnode", *words[1:]]


def test_the_two_scripts_it_names_are_there_and_can_be_run() -> None:
    scripts = [command for command in COMMANDS if command.startswith("scripts/")]
    assert scripts == ["scripts/lab", "scripts/test"]
    assert all((ROOT / script).stat().st_mode & 0o100 for script in scripts)


def test_every_page_it_links_to_is_there() -> None:
    pages = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(pages) > 5
    assert [page for page in pages if not (ROOT / page).is_file()] == []


def test_its_commands_make_run_and_ask_a_node(tmp_path: Path) -> None:
    init, run, *asked = [command for command in COMMANDS if command.startswith(P2PNODE)]
    assert " init " in init
    assert " run " in run
    subprocess.run(_as_here(f"{init} --port 0", tmp_path), check=True, capture_output=True)
    with subprocess.Popen(_as_here(run, tmp_path), stderr=subprocess.DEVNULL) as node:
        try:
            until = time.monotonic() + 20
            while not (tmp_path / "alpha" / "run.json").exists() and time.monotonic() < until:
                time.sleep(0.05)
            outcomes = {
                command: subprocess.run(_as_here(command, tmp_path), check=False, capture_output=True, text=True)
                for command in asked
            }
        finally:
            node.terminate()
    assert node.returncode == 0
    codes = {command.split()[1]: outcome.returncode for command, outcome in outcomes.items()}
    assert codes == {"status": 0, "call": 1, "sessions": 0}  # the partner of the example is in no peer table yet
    (call,) = (outcome for command, outcome in outcomes.items() if " call " in command)
    assert "no peer" in call.stderr
