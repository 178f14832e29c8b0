"""The command behind scripts/generate. Each page is one function in `PAGES` that returns its Markdown.

Nothing in a page may depend on the machine or the day.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from manual.commands import commands_page
from manual.configuration import configuration_page
from manual.protocol import errata_page, operations_page, sessions_page, status_codes_page

DOCS = Path(__file__).resolve().parents[2] / "p2pnode" / "docs"

PAGES: Mapping[str, Callable[[], str]] = {
    "operations.md": operations_page,
    "status-codes.md": status_codes_page,
    "errata.md": errata_page,
    "sessions.md": sessions_page,
    "configuration.md": configuration_page,
    "cli.md": commands_page,
}


def generated(name: str) -> str:
    """The whole text of a page, with the notice that it is generated."""
    return f"<!-- Written by scripts/generate; change the code it comes from. -->\n\n{PAGES[name]()}"


def main(arguments: list[str] | None = None, docs: Path = DOCS) -> int:
    """Write the pages, or with --check say which differ (exit code 1)."""
    parser = argparse.ArgumentParser(
        prog="scripts/generate", description="Write the pages of the manual that are made from the code."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page differs")
    check: bool = parser.parse_args(arguments).check

    docs.mkdir(parents=True, exist_ok=True)
    texts = {name: generated(name) for name in PAGES}
    old = {name: path.read_text("utf-8") for name in PAGES if (path := docs / name).is_file()}
    differing = [name for name, text in texts.items() if old.get(name) != text]
    for name in differing:
        if check:
            print(f"{docs / name} is not what the code says; run scripts/generate", file=sys.stderr)
        else:
            (docs / name).write_text(texts[name], "utf-8")
            print(f"wrote {docs / name}", file=sys.stderr)
    if not differing:
        print(f"{len(texts)} pages are up to date", file=sys.stderr)
    return 1 if check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
