"""What a look at the machine found, in the terminal: a line each, or JSON.

Printed without any package, because what is told may be that packages are missing.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict

from nullcrop.basics.wrapping import width_of, wrapped
from nullcrop.care.checks import Finding

WORDS_AT = 20
"""Column at which the words of a finding begin."""


def print_findings(findings: Iterable[Finding], as_json: bool = False) -> bool:
    """Print each finding as it comes, or all as JSON; whether none is a problem."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            cure = f"; {finding.cure}" if finding.cure else ""
            line = f"{finding.mark:8} {finding.topic:10} {finding.words}{cure}"
            print(wrapped(line, width_of(sys.stdout), " " * WORDS_AT), flush=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    return all(finding.mark != "problem" for finding in found)
