"""Ask one advisory service after the other until one answers."""

import argparse
import importlib.util
import subprocess
import sys

from auditing import NOT_ASKED, Verdict, verdict

SERVICES = ("pypi", "osv")


def asked(service: str) -> Verdict:
    """What a service says of the packages of this interpreter."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--skip-editable"]
    done = subprocess.run(  # noqa: S603 - its own interpreter, words from here
        [*command, "--vulnerability-service", service], capture_output=True, text=True, check=False
    )
    return verdict(done.stdout)


def main() -> int:
    """0: nothing is known of any package; 1: something is, or one could not be audited; 75: nobody could be asked."""
    epilog = "exit code: 0 nothing known, 1 something known or a package not audited, 75 no service could be asked"
    argparse.ArgumentParser(prog="scripts/audit", description=__doc__, epilog=epilog).parse_args()
    if importlib.util.find_spec("pip_audit") is None:
        print("audit: not asked: pip-audit is not installed in .venv")
        return NOT_ASKED
    silent: list[str] = []
    for service in SERVICES:
        told = asked(service)
        if told.code != NOT_ASKED:
            print(*(f"audit: {line} ({service})" for line in told.lines), sep="\n")
            return told.code
        silent.append(f"{service}: {told.lines[0]}")
    print(f"audit: not asked: {'; '.join(silent)}")
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main())
