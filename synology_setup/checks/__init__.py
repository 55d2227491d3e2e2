"""The traps that cost an evening, found before they bite.

Example:
    for finding in check_all(outputs, list(outputs.nases.values()), Resolvers.default()):
        print(finding.ok, finding.what, finding.measured, finding.advice)
"""

from .everything import check_all
from .finding import Finding
from .resolvers import Resolvers

__all__ = ["Finding", "Resolvers", "check_all"]
