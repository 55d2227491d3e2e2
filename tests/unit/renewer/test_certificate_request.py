"""The event, field by field: what is refused is named with its value."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_renewer import request as request_module
from lambda_renewer.errors import RequestError
from lambda_renewer.request import (
    KEY_TYPES,
    NAMED_DIRECTORIES,
    REVOCATION_REASONS,
    CertificateRequest,
    is_dns_name,
    is_record_name,
    parse_request,
    to_ascii,
)
from tests.unit.renewer.samples import EVENT

NO_TEXT = [None, "", 7, True, ["text"], {"a": 1}]
WRONG: dict[str, list[Any]] = {
    "action": [*NO_TEXT, "renews", "Renew"],
    "force": [None, "true", 1, 0, "", []],
    "serial": ["", 7, True, [], "0x1f", "1F", "1f ", "g", "\u0661"],
    "reason": [*NO_TEXT, "keycompromise", "cACompromise", "certificateHold"],
    "now": [None, "true", 1, 0, "", []],
    "eab_secret": ["", 7, [], True],
    "preferred_chain": ["", 7, [], True],
    "delegations": [
        *(None, [], "example.com", {"example.com": 7}, {"example.com": ""}, {"example.com": None}),
        *({"example": "a.example.net"}, {"*.example.com": "a.example.net"}, {"": "a.example.net"}),
        *({"example.com": "net"}, {"example.com": "a.example.net."}, {"example.com": "*.example.net"}),
        *({"example.com": "A.example.net"}, {"example.com": "__a.example.net"}),
    ],
    "name": NO_TEXT,
    "domains": [
        *(None, "example.com", [], {}, [7], [None], [["example.com"]], ["example"], ["exa mple.com"]),
        *(
            ["*.com"],
            ["a.*.example.com"],
            ["**.example.com"],
            ["*"],
            [""],
            ["example.com."],
            ["-a.example.com"],
        ),
        *(
            ["a-.example.com"],
            ["a_b.example.com"],
            ["a..example.com"],
            ["ä_b.example.com"],
            ["example.com\n"],
        ),
        *(["ä..example.com"], ["*.ä.*.example.com"], ["☃.example.com"], ["ä" * 60 + ".example.com"]),
        *(["example.com", "Example.com"], ["bücher.example", "xn--bcher-kva.example"]),
        *(["example.com", "example.com"], [f"{'a' * 64}.example.com"], [".".join(["a" * 62] * 5)]),
        [f"n{number}.example.com" for number in range(101)],
    ],
    "key_type": [*NO_TEXT, "rsa1024", "RSA4096", "ec521"],
    "profile": NO_TEXT,
    "directory": [*NO_TEXT, "http://a.example", "https://", "a.example", "https://[", "https://[::1"],
    "contact": ["", 7, [], True],
    "terms_agreed": [None, "true", 1, 0, "", []],
    "ca_root": ["", 7, [], True],
    "zones": [
        *(
            None,
            [],
            {},
            "example.com",
            {"example.com": "Z1"},
            {"example.com": {}},
            {"example.com": {"id": 1}},
            {"example.com": {"role": "arn:aws:iam::210987654321:role/dns"}},
            *(
                {"example.com": {"id": "Z1", "role": role}}
                for role in ("", 7, "dns", "arn:aws:iam::1:role/dns")
            ),
            {"example.com": {"id": "Z1", "role": "arn:aws:iam::210987654321:user/dns"}},
        ),
        *({"example.com": {"id": ""}}, {"example.com": {"id": "Z1", "role": "arn"}}),
        {"example.com": {"id": "Z1"}, "b.example": None},
    ],
    "secret": NO_TEXT,
    "interval_seconds": [None, 0, -1, 1.5, "43200", True, 10**12],
    "window_seconds": [None, -1, 1.5, "0", False, 10**12],
}
OPTIONAL = ("contact", "ca_root", "eab_secret", "preferred_chain")
DEFAULTED = ("force", "serial", "reason", "now", "delegations")


def test_every_field_of_the_event_has_wrong_values_here() -> None:
    assert WRONG.keys() == EVENT.keys() | set(OPTIONAL) | set(DEFAULTED)
    assert WRONG.keys() == request_module._FIELDS


def test_the_whole_event() -> None:
    assert parse_request(EVENT) == CertificateRequest(
        action="renew",
        force=False,
        serial=None,
        reason="unspecified",
        revoke_first=False,
        eab_secret=None,
        preferred_chain=None,
        delegations={},
        name="nas",
        domains=("example.com", "*.example.com"),
        key_type="ec256",
        profile="classic",
        directory="https://acme.example.net/dir",
        contact="a@example.com",
        terms_agreed=True,
        ca_root="a PEM",
        zones={"example.com": "Z1"},
        zone_roles={},
        secret=EVENT["secret"],
        interval=timedelta(hours=12),
        window=timedelta(hours=6),
    )


@pytest.mark.parametrize("field", sorted(set(EVENT) - set(OPTIONAL)))
def test_a_missing_field_is_named(field: str) -> None:
    event = {name: value for name, value in EVENT.items() if name != field}
    with pytest.raises(RequestError, match=f"{field} is None; .* wanted") as raised:
        parse_request(event)
    assert raised.value.field == field


@pytest.mark.parametrize("field", OPTIONAL)
def test_an_optional_field_may_be_missing_or_null(field: str) -> None:
    missing = parse_request({name: value for name, value in EVENT.items() if name != field})
    assert getattr(missing, field) is None
    assert parse_request({**EVENT, field: None}) == missing


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in WRONG for value in WRONG[field]])
def test_a_wrong_value_is_named_with_its_field(field: str, value: Any) -> None:
    with pytest.raises(RequestError) as raised:
        parse_request({**EVENT, field: value})
    assert raised.value.field == field
    assert f"{field} is " in str(raised.value)
    one = value[0] if field == "domains" and isinstance(value, list) and len(value) == 1 else value
    assert (repr(one) if len(repr(one)) <= 1000 else "…") in str(raised.value)


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        RequestError, match="keytype is '…'; the fields are action, ca_root, contact"
    ) as raised:
        parse_request({**EVENT, "keytype": "ec256"})
    assert raised.value.field == "keytype"
    assert "ec256" not in str(raised.value)  # nobody knows what it is


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key_type", "-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----"),
        ("domains", ["-----BEGIN EC PRIVATE KEY-----hidden"]),
        ("zones", {"example.com": {"pem": "-----BEGIN CERTIFICATE-----hidden"}}),
        ("key_type", "hidden" * 200),
        ("private_key", "hidden"),
    ],
)
def test_what_may_be_secret_is_not_shown(field: str, value: Any) -> None:
    with pytest.raises(RequestError, match=f"{field} is .*…") as raised:
        parse_request({**EVENT, field: value})
    assert "hidden" not in str(raised.value)
    assert "-----" not in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("key_type", key_type) for key_type in KEY_TYPES),
        ("domains", ["a.b.c.example.com"]),
        ("domains", ["xn--4ca.example.com", "1.example.com"]),
        ("domains", [f"{'a' * 63}.example.com"]),
        ("domains", [f"n{number}.example.com" for number in range(100)]),
        ("directory", "https://[::1]:14000/dir"),
        ("interval_seconds", 1),
        ("interval_seconds", 366 * 86_400),
        ("window_seconds", 0),
        ("terms_agreed", False),
    ],
)
def test_allowed_at_the_edge(field: str, value: Any) -> None:
    parse_request({**EVENT, field: value})


def test_zone_names_are_compared_as_dns_compares_them() -> None:
    assert parse_request({**EVENT, "zones": {"Example.COM.": {"id": "Z9"}}}).zones == {"example.com": "Z9"}


def test_a_zone_of_another_account_has_a_role() -> None:
    role = "arn:aws:iam::210987654321:role/path/dns"
    zones = {"example.com": {"id": "Z1"}, "example.net": {"id": "Z2", "role": role}}
    parsed = parse_request({**EVENT, "zones": zones})
    assert parsed.zones == {"example.com": "Z1", "example.net": "Z2"}
    assert parsed.zone_roles == {"Z2": role}


def test_to_revoke() -> None:
    asked = {**EVENT, "action": "revoke", "serial": "0a1f", "reason": "keyCompromise", "now": True}
    parsed = parse_request(asked)
    assert (parsed.action, parsed.serial, parsed.reason) == ("revoke", "0a1f", "keyCompromise")
    assert parsed.revoke_first is True
    del asked["serial"]
    with pytest.raises(RequestError, match="serial is None; the serial number of the certificate") as raised:
        parse_request(asked)
    assert raised.value.field == "serial"


@pytest.mark.parametrize("reason", REVOCATION_REASONS)
def test_reasons(reason: str) -> None:
    assert parse_request({**EVENT, "reason": reason}).reason == reason


def test_reasons_have_the_numbers_of_rfc_5280() -> None:
    assert REVOCATION_REASONS == {
        "unspecified": 0,
        "keyCompromise": 1,
        "affiliationChanged": 3,
        "superseded": 4,
        "cessationOfOperation": 5,
    }


def test_to_force() -> None:
    assert parse_request({**EVENT, "force": True}).force is True


def test_directories_have_names() -> None:
    for name, url in NAMED_DIRECTORIES.items():
        assert parse_request({**EVENT, "directory": name}).directory == url
    assert NAMED_DIRECTORIES["letsencrypt"] == "https://acme-v02.api.letsencrypt.org/directory"
    assert "staging" in NAMED_DIRECTORIES["letsencrypt-staging"]
    with pytest.raises(RequestError, match="letsencrypt or letsencrypt-staging, or an https:// URL"):
        parse_request({**EVENT, "directory": "letsencrypt-production"})


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("Example.COM", "example.com"),
        ("*.EXAMPLE.com", "*.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("Bücher.EXAMPLE", "xn--bcher-kva.example"),
        ("*.Bücher.example", "*.xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),  # IDNA 2008; 2003 has strasse
        ("日本語。example", "xn--wgv71a119e.example"),  # the ideographic full stop is a dot
        ("bu\u0308cher.example", "xn--bcher-kva.example"),  # composed first
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ],
)
def test_internationalized_names(given_name: str, name: str) -> None:
    assert parse_request({**EVENT, "domains": [given_name]}).domains == (name,)
    assert to_ascii(given_name) == name


@pytest.mark.parametrize(
    "name", ["☃.example", "ä..example", "ä-.example", "*.*.ä.example", "ä\u200b\ufffe.b"]
)
def test_what_is_no_internationalized_name(name: str) -> None:
    with pytest.raises(RequestError, match=r"domains is .* a DNS name such as"):
        parse_request({**EVENT, "domains": [name]})


def test_delegations() -> None:
    given_names = {"Bücher.example": "_acme-challenge.a.example.net", "EXAMPLE.com": "b.example.net"}
    assert parse_request({**EVENT, "delegations": given_names}).delegations == {
        "xn--bcher-kva.example": "_acme-challenge.a.example.net",
        "example.com": "b.example.net",
    }


def test_zones_are_found_by_their_ascii_name() -> None:
    zones = {"bücher.example": {"id": "Z1"}, "Example.COM.": {"id": "Z9"}}
    parsed = parse_request({**EVENT, "zones": zones})
    assert parsed.zones == {"xn--bcher-kva.example": "Z1", "example.com": "Z9"}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"domains": ["*.example.com", "example.com"]}, True),
        ({"contact": None}, True),
        ({"force": True}, True),
        ({"interval_seconds": 60}, True),
        ({"domains": ["example.com"]}, False),
        ({"key_type": "ec384"}, False),
        ({"profile": "shortlived"}, False),
        ({"directory": "https://other.example.net/dir"}, False),
        ({"preferred_chain": "ISRG Root X1"}, False),
    ],
)
def test_the_fingerprint_is_of_what_decides_the_order(change: dict[str, Any], same: bool) -> None:
    ours = parse_request(EVENT).fingerprint()
    assert (parse_request({**EVENT, **change}).fingerprint() == ours) is same


@pytest.mark.parametrize("name", ["_acme-challenge.a.example", "a.b", "_a._b.example"])
def test_record_names(name: str) -> None:
    assert is_record_name(name)
    assert not is_record_name(f"{name}.")
    assert not is_record_name(name.upper())


@pytest.mark.parametrize("name", ["a.b", "a" * 63 + ".b", ".".join(["a" * 62] * 4)])
def test_dns_names(name: str) -> None:
    assert is_dns_name(name)
    assert is_dns_name(f"*.{name}", wildcard=True) is (len(name) <= 251)
    assert not is_dns_name(f"*.{name}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def refused_or_parsed(event: Any) -> None:
    try:
        parsed = parse_request(event)
    except RequestError as refused:
        assert refused.field in str(refused)
    else:
        assert isinstance(parsed, CertificateRequest)


@given(JSON)
def test_no_json_event_is_a_traceback(event: Any) -> None:
    refused_or_parsed(event)


@given(st.dictionaries(st.sampled_from(sorted(EVENT)), JSON | st.from_regex(r"https://.{0,8}"), min_size=1))
def test_no_value_of_a_known_field_is_a_traceback(changes: dict[str, Any]) -> None:
    refused_or_parsed({**EVENT, **changes})
