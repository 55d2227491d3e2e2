"""The agent's signature is that of AWS's own SDK, whatever is signed."""

from __future__ import annotations

import string
from datetime import datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from synology_agent.sigv4 import sign

VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F))
# What botocore leaves unsigned, or treats as something else than a further header.
SPECIAL = {
    *("host", "x-amz-date", "authorization", "x-amz-content-sha256", "x-amz-security-token", "date"),
    *("expect", "transfer-encoding", "user-agent", "x-amzn-trace-id", "connection", "x-amz-checksum"),
}

header_names = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20).filter(
    lambda name: name.lower() not in SPECIAL
)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
segments = st.text(string.ascii_letters + string.digits + "-_~ +$%:é", min_size=1, max_size=12)


def sdk_signs(
    url: str, body: bytes, headers: dict[str, str], key: tuple[str, str], region: str, timestamp: str
) -> str:
    """Return the Authorization header that botocore makes."""
    auth = SigV4Auth(Credentials(*key), "secretsmanager", region)
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    request.context["timestamp"] = timestamp
    request.headers["X-Amz-Date"] = timestamp
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    names = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"


@given(
    host=st.lists(labels, min_size=2, max_size=4).map(".".join),
    port=st.sampled_from(["", ":4566", ":8443"]),
    path=st.lists(segments, max_size=3).map(lambda parts: "/" + "/".join(parts)),
    body=st.binary(max_size=200),
    headers=st.dictionaries(header_names, st.text(VISIBLE, max_size=40), max_size=5).filter(
        lambda headers: len({name.lower() for name in headers}) == len(headers)
    ),
    key=st.tuples(
        st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=24),
        st.text(VISIBLE, min_size=1, max_size=64),
    ),
    region=st.from_regex(r"[a-z]{2}(-gov)?-[a-z]{4,9}-[1-9]", fullmatch=True),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),
)
def test_every_request_is_signed_as_the_sdk_signs_it(
    host: str,
    port: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    key: tuple[str, str],
    region: str,
    moment: datetime,
) -> None:
    url, timestamp = f"https://{host}{port}{path}", moment.strftime("%Y%m%dT%H%M%SZ")
    signed = sign(
        url=url,
        body=body,
        headers=headers,
        service="secretsmanager",
        region=region,
        access_key_id=key[0],
        secret_access_key=key[1],
        timestamp=timestamp,
    )
    assert signed.pop("Authorization") == sdk_signs(url, body, headers, key, region, timestamp)
    assert signed == {**headers, "Host": host + port, "X-Amz-Date": timestamp}


def test_it_is_what_the_sdk_puts_on_a_real_request() -> None:
    """The whole way of botocore, with its own clock."""
    url, body = "https://secretsmanager.eu-central-1.amazonaws.com/", b'{"SecretId": "name"}'
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.DescribeSecret"}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    SigV4Auth(Credentials("AKIA", "wJalr"), "secretsmanager", "eu-central-1").add_auth(request)
    signed = sign(
        url=url,
        body=body,
        headers=headers,
        service="secretsmanager",
        region="eu-central-1",
        access_key_id="AKIA",
        secret_access_key="wJalr",
        timestamp=request.headers["X-Amz-Date"],
    )
    assert signed["Authorization"] == request.headers["Authorization"]
