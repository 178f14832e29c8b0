"""How commands that examine something tell what they found."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from p2pnode.cli.output import show_json
from p2pnode.peering.finding import Finding

FAILED = 1


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Write the findings, a line each; the exit code that goes with them."""
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        width = max((len(finding.what) for finding in findings), default=0)
        for finding in findings:
            remedy = "" if finding.is_well or not finding.remedy else f"; to do: {finding.remedy}"
            click.echo(f"{'ok  ' if finding.is_well else 'FAIL'}  {finding.what:<{width}}  {finding.told}{remedy}")
    return 0 if all(finding.is_well for finding in findings) else FAILED
