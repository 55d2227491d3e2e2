"""What can go wrong in a run, each with the exit code that Task Scheduler sees.

AgentError
├── ConfigError           2   the config file is missing, open to others, or wrong: a field is named
├── NotIssuedYet         10   the renewer has not issued the certificate yet
├── Withdrawn            11   the certificate was revoked, and a new one is coming
├── AwsError             20   AWS could not be reached or refused
├── DocumentRefused      30   the certificate is not fit to be served; DSM was not touched
├── DsmError             40   DSM's own commands failed before anything was changed
├── InstallFailed        41   the new certificate was not served; the old one is back and proven
└── RollbackFailed       50   the old one could not be proven either: look at the NAS now

The greater the code, the worse; a run with several certificates exits with its worst.
"""

from __future__ import annotations


class AgentError(Exception):
    """A certificate was not installed; what was served before is served still, unless the text says not."""

    exit_code = 1


class ConfigError(AgentError):
    """The config file cannot be used."""

    exit_code = 2


class NotIssuedYet(AgentError):
    """The secret holds no certificate yet."""

    exit_code = 10


class Withdrawn(AgentError):
    """The certificate was revoked; the renewer has not issued the new one yet."""

    exit_code = 11


class AwsError(AgentError):
    """AWS could not be reached, or refused."""

    exit_code = 20


class DocumentRefused(AgentError):
    """The certificate document is not fit to be served; DSM was not touched."""

    exit_code = 30


class DsmError(AgentError):
    """One of DSM's own commands failed."""

    exit_code = 40


class InstallFailed(AgentError):
    """The new certificate was not served; the old one was put back, and is served."""

    exit_code = 41


class RollbackFailed(AgentError):
    """The new certificate is not served, and neither is the old one for certain."""

    exit_code = 50
