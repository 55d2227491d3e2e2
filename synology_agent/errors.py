"""What can go wrong in a run, each with the exit code that Task Scheduler sees.

AgentError                1
├── ConfigError           2
├── Busy                  3
├── NotIssuedYet         10
├── Withdrawn            11
├── AwsError             20
│   ├── AwsRefused       21
│   └── ClockWrong       22
├── DocumentRefused      30
│   ├── SchemaUnknown    31
│   ├── KeyMismatch      32
│   ├── ChainIncomplete  33
│   ├── ChainDisordered  34
│   ├── ChainForeign     35
│   ├── NamesMissing     36
│   ├── Expired          37
│   ├── NotYetValid      38
│   ├── OlderThanServed  39
│   ├── RevokedByUs      40
│   ├── RootUntrusted    41
│   └── KeyWeak          42
├── DsmError             60
├── InstallFailed        61
└── RollbackFailed       70

The greater the code, the worse; a run with several certificates exits with its worst.
"""

from __future__ import annotations

ADVICE = "Look at the renewer's log in AWS; the next certificate from it mends this"  # of a bad document


class AgentError(Exception):
    """A certificate was not installed; what was served before is served still, unless the text says not."""

    exit_code = 1


class ConfigError(AgentError):
    """The config cannot be used, or DSM does not have what it names."""

    exit_code = 2


class Busy(AgentError):
    """Another run is under way."""

    exit_code = 3


class NotIssuedYet(AgentError):
    """The secret holds no certificate yet."""

    exit_code = 10


class Withdrawn(AgentError):
    """The certificate was revoked; the renewer has not issued the new one yet."""

    exit_code = 11


class AwsError(AgentError):
    """AWS could not be reached, or did not answer as AWS does."""

    exit_code = 20


class AwsRefused(AwsError):
    """AWS refused the request."""

    exit_code = 21


class ClockWrong(AwsError):
    """The NAS's clock is too far off."""

    exit_code = 22


class DocumentRefused(AgentError):
    """The certificate document cannot be read: no JSON, or a field is missing or contradicted."""

    exit_code = 30


class SchemaUnknown(DocumentRefused):
    """The document's schema is not one that this agent reads."""

    exit_code = 31


class KeyMismatch(DocumentRefused):
    """The private key does not belong to the leaf."""

    exit_code = 32


class ChainIncomplete(DocumentRefused):
    """An intermediate between the leaf and the root is missing."""

    exit_code = 33


class ChainDisordered(DocumentRefused):
    """All intermediates are there, and not each is signed by the one after it."""

    exit_code = 34


class ChainForeign(DocumentRefused):
    """A certificate in the chain signed nothing in it, or is a root or a leaf."""

    exit_code = 35


class NamesMissing(DocumentRefused):
    """The leaf is not good for a name that the config demands."""

    exit_code = 36


class Expired(DocumentRefused):
    """The leaf, or an intermediate, has expired."""

    exit_code = 37


class NotYetValid(DocumentRefused):
    """The leaf, or an intermediate, is not valid yet."""

    exit_code = 38


class OlderThanServed(DocumentRefused):
    """The installed certificate of ours is newer."""

    exit_code = 39


class RevokedByUs(DocumentRefused):
    """The document's own serial is among its revoked ones."""

    exit_code = 40


class RootUntrusted(DocumentRefused):
    """The chain leads to no root that this NAS trusts."""

    exit_code = 41


class KeyWeak(DocumentRefused):
    """The leaf's key is too short, or a signature uses a broken hash."""

    exit_code = 42


class DsmError(AgentError):
    """One of DSM's own commands failed."""

    exit_code = 60


class InstallFailed(AgentError):
    """The new certificate was not served; the old one was put back, and is served."""

    exit_code = 61


class RollbackFailed(AgentError):
    """The new certificate is not served, and neither is the old one for certain."""

    exit_code = 70
