"""The agent's signature is that of AWS's own SDK, whatever is signed."""

from __future__ import annotations

import string
from datetime import datetime

import pytest
from botocore.auth import SIGNED_HEADERS_BLACKLIST, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from synology_agent.sigv4 import sign

VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F))
# What botocore leaves unsigned, a list that grows, or treats as something else than a further header.
SPECIAL = {
    *SIGNED_HEADERS_BLACKLIST,
    *("host", "x-amz-date", "authorization", "x-amz-content-sha256", "x-amz-security-token", "date"),
}

header_names = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20).filter(
    lambda name: name.lower() not in SPECIAL
)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
query_words = st.text(string.ascii_letters + string.digits + "-._~%/+", min_size=1, max_size=8)
segments = st.one_of(
    st.text(string.ascii_letters + string.digits + "-_~ +$%:é!'()*,;=@&", min_size=1, max_size=12),
    st.sampled_from(["caf%C3%A9", "a%2Fb"]),  # what is encoded is encoded once more
)


def sdk_signs(
    url: str,
    body: bytes,
    headers: dict[str, str],
    key: tuple[str, str],
    service: str,
    region: str,
    timestamp: str,
) -> str:
    """Return the Authorization header that botocore makes."""
    auth = SigV4Auth(Credentials(*key), service, region)
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
    service=st.sampled_from(["secretsmanager", "monitoring"]),
    query=st.lists(st.tuples(query_words, st.one_of(st.none(), query_words)), max_size=4).map(
        lambda pairs: "&".join(name if value is None else f"{name}={value}" for name, value in pairs)
    ),
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
    service: str,
    query: str,
    moment: datetime,
) -> None:
    url, timestamp = f"https://{host}{port}{path}{query and '?' + query}", moment.strftime("%Y%m%dT%H%M%SZ")
    signed = sign(
        url=url,
        body=body,
        headers=headers,
        service=service,
        region=region,
        access_key_id=key[0],
        secret_access_key=key[1],
        timestamp=timestamp,
    )
    assert signed.pop("Authorization") == sdk_signs(url, body, headers, key, service, region, timestamp)
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


NOTHING = "host;x-amz-date"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = "application/x-www-form-urlencoded"
BAR = "%E1%88%B4=bar"
# From AWS's Signature Version 4 test suite (aws-sig-v4-test-suite): name, which begins with the method;
# headers; body; path with query; signed headers; signature. All are of 2015-08-30 for the service `service`
# in us-east-1 at example.amazonaws.com. Left out: dot segments and characters that a URL cannot have, session
# tokens, and headers that stand twice.
VECTORS: list[tuple[str, dict[str, str], bytes, str, str, str]] = [
    (
        "get-vanilla",
        {},
        b"",
        "/",
        NOTHING,
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-header-value-trim",
        {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
        b"",
        "/",
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "get-unreserved",
        {},
        b"",
        f"/{UNRESERVED}",
        NOTHING,
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    (
        "get-vanilla-query-order-key-case",
        {},
        b"",
        "/?Param2=value2&Param1=value1",
        NOTHING,
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "get-vanilla-query-unreserved",
        {},
        b"",
        f"/?{UNRESERVED}={UNRESERVED}",
        NOTHING,
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    (
        "get-vanilla-utf8-query",
        {},
        b"",
        f"/?{BAR}",
        NOTHING,
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    (
        "post-vanilla",
        {},
        b"",
        "/",
        NOTHING,
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "post-header-key-sort",
        {"My-Header1": "value1"},
        b"",
        "/",
        "host;my-header1;x-amz-date",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    (
        "post-header-value-case",
        {"My-Header1": "VALUE1"},
        b"",
        "/",
        "host;my-header1;x-amz-date",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    (
        "post-vanilla-query",
        {},
        b"",
        "/?Param1=value1",
        NOTHING,
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    ),
    (
        "post-vanilla-query-nonunreserved",
        {},
        b"",
        "/?%40%23%24%25%5E=&%2B=%2F%2C%3F%3E%3C%60%22%3B%3A%5C%7C%5D%5B%7B%7D",
        NOTHING,
        "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e",
    ),
    (
        "post-x-www-form-urlencoded",
        {"Content-Type": FORM},
        b"Param1=value1",
        "/",
        f"content-type;{NOTHING}",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    (
        "post-x-www-form-urlencoded-parameters",
        {"Content-Type": f"{FORM}; charset=utf8"},
        b"Param1=value1",
        "/",
        f"content-type;{NOTHING}",
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
    ),
]


@pytest.mark.parametrize(
    ("name", "headers", "body", "path", "names", "signature"), VECTORS, ids=[vector[0] for vector in VECTORS]
)
def test_awss_own_vectors(
    name: str, headers: dict[str, str], body: bytes, path: str, names: str, signature: str
) -> None:
    signed = sign(
        url=f"https://example.amazonaws.com{path}",
        body=body,
        headers=headers,
        service="service",
        region="us-east-1",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        timestamp="20150830T123600Z",
        method=name.partition("-")[0].upper(),
    )
    assert signed["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
