"""A run that has nothing to do loads neither the ACME library nor what it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lambda_renewer.document import write_document
from tests.unit.renewer.samples import EVENT, certificate

ROOT = Path(__file__).parents[3]

PROGRAM = """
import json, sys
event, document = json.load(sys.stdin)
from lambda_renewer import aws, clock, directory, handler, renewal
after_import = set(sys.modules)

class Secret:
    class exceptions:
        ResourceNotFoundException = KeyError
    def get_secret_value(self, **asked):
        assert asked["VersionStage"] == "AWSPENDING"
        return {"VersionId": "v1", "SecretString": document, "VersionStages": ["AWSCURRENT", "AWSPENDING"]}

class Context:
    def get_remaining_time_in_millis(self):
        return 900_000

aws.Aws(0, None).client("secretsmanager")  # what a real client loads
aws.Aws.client = lambda self, service: Secret()
directory._get_json = lambda url, root: ({"newOrder": "https://ca/order"}, None)
renewal.fetch_directory = directory.fetch_directory
clock.now = lambda: clock.from_rfc3339("2026-11-26T00:00:00Z")
outcome = handler.handler(event, Context())
assert outcome["renewed"] is False, outcome
assert outcome["due"] == "2027-01-24T02:00:00Z", outcome
assert outcome["serial"] == "3039", outcome
heavy = {"acme", "josepy", "cryptography", "OpenSSL", "requests", "dns", "idna"}
heavy |= {"lambda_renewer." + name for name in ("account", "acme_client", "delegation", "issue", "keys")}
print(json.dumps([sorted(heavy & after_import), sorted(heavy & set(sys.modules))]))
"""


def test_a_run_that_is_not_due_imports_little() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=f"[{json.dumps(EVENT)}, {json.dumps(write_document(certificate()))}]",
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT),
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[[], []]"
    assert "the secret key" not in done.stdout + done.stderr
