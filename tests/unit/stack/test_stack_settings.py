"""The stack's settings: what is refused, in which words, and that nothing else ever comes out."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infrastructure.setting_values import from_json
from infrastructure.settings import Settings, SettingsError, load_settings
from local_cloud.stack.program import stack_config
from tests.unit.stack.settings_samples import DECLARED, PROJECT, given_by, load, stack_defaults

LONGEST_LABEL = "a" * 63


WRONG_SERVICES: list[Any] = [
    [1],
    [None],
    [""],
    ["Photos"],
    [["a"]],
    [{}],
]

# key, wrong value, words of what is allowed
WRONG: list[tuple[str, str | None, str]] = [
    *(
        ("domain", value, "a domain name in lower case, such as example.com")
        for value in (
            *(None, "", "example", "Example.com", "EXAMPLE.COM", "example.com.", ".example.com", "a..b"),
            *(
                "exa mple.com",
                "-a.example",
                "a-.example",
                "exa_mple.com",
                "*.example.com",
                "https://example.com",
            ),
            *("192.168.0.10", "1.2.3.4", "example.123"),
            *("bücher.example", "ex\u212aample.com", "example.com\n", f"{LONGEST_LABEL}a.example"),
        )
    ),
    ("domain", ".".join(["a" * 60] * 4), "longer than 253"),
    *(
        ("nas_address", value, "the NAS's IPv4 or IPv6 address, such as 192.168.0.10")
        for value in (
            *(
                None,
                "",
                "nas",
                "192.168.0",
                *("127.0.0.1", "169.254.1.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "0.1.2.3"),
                "192.168.0.256",
                "192.168.0.10/24",
                "192.168.0.10 ",
                "192.168.0.10\n",
            ),
            *(
                "192.168.000.010",
                "192.168.0.10:5001",
                *("::ffff:192.168.0.10", "fe80::1", "fd00::10%eth0", "::1", "::", "ff02::1", "fd00::10/64"),
                "3232235530",
                "\u0661.2.3.4",
            ),
        )
    ),
    ("nas_name", None, "a value is wanted"),
    ("nas_name", "", "a value is wanted"),
    *(
        ("nas_name", value, "a host name of one label, such as synology")
        for value in (
            "synology.example.com",
            "Synology",
            "my nas",
            "-nas",
            "nas-",
            "_nas",
            "*",
            LONGEST_LABEL + "a",
        )
    ),
    *(
        ("services", value, "a list of host names such as [navidrome]")
        for value in (
            "navidrome",
            "navidrome,photos",
            "true",
            "{}",
            '"navidrome"',
            "7",
            "[",
            "[" * 99_999,
        )
    ),
    *(("services", json.dumps(value), "a host name of one label") for value in WRONG_SERVICES),
    ("services", '["photos", "music", "photos"]', "each name may stand there once"),
    ("services", '["photos", "synology"]', "the NAS's own name stands there again"),
    *(
        (
            "terms_agreed",
            value,
            "those of Let's Encrypt are at https://letsencrypt.org/repository/. Read them, then",
        )
        for value in (None, "", "false", "True", "yes", "1", '"true"')
    ),
    *(
        ("contact", value, "one e-mail address is wanted, or nothing")
        for value in (
            *("me", "me@example", "@example.com", "a@b@example.com", "a@example.com, b@example.com"),
            "mailto:a@example.com",
            *(
                "a@example.com?x=1",
                "a@example.com\n",
                "mé@example.com",
                "a@exa\x00mple.com",
                "a @example.com",
            ),
        )
    ),
    *(
        ("key_type", value, "one of rsa2048, rsa3072, rsa4096, ec256, ec384 is allowed")
        for value in (None, "", "rsa", "rsa1024", "RSA4096", "ec521", "ed25519", "4096")
    ),
    ("profile", None, "a value is wanted"),
    ("profile", "", "a value is wanted"),
    ("profile", " ", "the name of an ACME profile"),
    ("directory", None, "a value is wanted"),
    ("directory", "", "a value is wanted"),
    *(
        ("directory", value, "an https:// URL is wanted")
        for value in (
            *("http://acme.example/directory", "acme.example/directory", "https://", "https:///directory"),
            *(
                "https://u:p@acme.example/",
                "https://-/",
                "https://[",
                "https://:443/",
                "https://acme.example:x/",
                "https://acme.example:0/",
            ),
            *(
                "https://acme.exa\nmple/",
                "https:// acme.example/",
                "https://acme.example/\n",
                "ftp://acme.example/",
            ),
        )
    ),
    *(
        ("ca_root", value, "certificates in PEM are wanted, or nothing")
        for value in ("root.pem", "MIIB", "-----BEGIN CERTIFICATE-----garbage")
    ),
    *(
        ("schedule", value, "rate(<number> minutes|hours|days), such as rate(12 hours) or rate(1 hour)")
        for value in (
            *(
                "cron(0 12 * * ? *)",
                "at(2027-01-01T00:00:00)",
                "12 hours",
                "rate(12)",
                "rate()",
                "rate(hours)",
            ),
            *(
                "rate(1 hours)",
                "rate(1 minutes)",
                "rate(1 days)",
                "rate(2 hour)",
                "rate(0 minutes)",
                "rate(0 minute)",
            ),
            *("rate(-1 hours)", "rate(1.5 hours)", "rate(012 hours)", "rate(12  hours)", "rate(12 weeks)"),
            *("Rate(12 hours)", "rate(12 hours) ", "rate(12 hours)\n", "rate(\u0661\u0662 hours)"),
            *(f"rate({'9' * digits} days)" for digits in (17, 400, 5000)),
        )
    ),
    *(
        ("schedule", value, "at least once a day is wanted")
        for value in ("rate(2 days)", "rate(25 hours)", "rate(10081 minutes)", "rate(99999 days)")
    ),
    *(
        ("architecture", value, "one of arm64, x86_64 is allowed")
        for value in (None, "", "arm", "aarch64", "amd64", "x86-64", "ARM64")
    ),
    ("services", '["a.b"]', "none of its certificates is good for it (example.com, *.example.com)"),
    ("services", '["photos", "x.y.example.com"]', "none of its certificates is good for it"),
    *(("alarm_email", value, "one e-mail address is wanted, or nothing") for value in ("me", "a@b@c.d")),
    *(
        ("dashboard", value, "true or false is wanted")
        for value in (None, "", "True", "yes", "1", "0", "[]", '"true"')
    ),
    *(
        ("budget_usd", value, "a number of US dollars a month")
        for value in ("x", "-1", "true", "[]", "{}", "1e9", "NaN", "Infinity", '"5"')
    ),
    *(
        ("source_ips", value, "a list of public addresses or networks")
        for value in ("7", "{}", "[1]", '["203.0.113.7/24"]', '["home.example.com"]', "[null]")
    ),
    ("source_ips", '["203.0.113.7", "203.0.113.7"]', "each name may stand there once"),
    *(
        ("lifetime_days", value, "a whole number of days, such as 47, is wanted, or nothing")
        for value in ("x", "-1", "6.5", "true", "[]", "{}", "36501", "NaN", '"7"', "9" * 5000)
    ),
    *(("eab_secret", value, "the whole ARN of a secret") for value in ("my-secret", "arn:aws:s3:::x")),
    *(("certificates", value, "an object by name, each with domains") for value in ("7", "x", "[1]")),
    ("certificates", '{"home": {"domains": ["a.example"]}}', "domain (example.com) is set too"),
    ("nas", '{"office": {"address": "10.0.0.1"}}', "nas_address (192.168.0.10) is set too"),
    ("budget_usd", "5", "nobody would be told: set alarm_email too"),
    *(("nas", value, "an object by name, each with address") for value in ("7", "x", "[1]")),
    *(("zones", value, "an object by name, each with create") for value in ("7", "x", "[1]")),
    ("zones", '{"other.example": {"create": true}}', "no certificate is in this zone"),
]


def test_a_private_key_in_ca_root_is_refused_and_not_shown() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n"
    with pytest.raises(SettingsError, match=r"synology-https:ca_root.*a private key stands there") as refused:
        load(ca_root=pem)
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(("key", "value", "allowed"), WRONG, ids=lambda part: repr(part)[:40])
def test_a_wrong_value_is_refused_with_key_value_and_what_is_allowed(
    key: str, value: str | None, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{key: value})
    text = str(refused.value)
    assert text.startswith(f"synology-https:{key} is ")
    assert f"`pulumi config set {key} …`" in text
    assert allowed in text
    # What is written as JSON is shown parsed, or by the one element that is wrong.
    parsed = from_json(value)
    elements = list(parsed) if isinstance(parsed, list | dict) else []
    if key == "services":
        elements += [f"{one}.example.com" for one in elements]
    if key == "budget_usd":
        elements = [f"{parsed}.00"]
    shown = {json.dumps(one) for one in (value, parsed, elements, *elements)}
    assert any(f"{key} is {one}: " in text for one in shown)
    assert "\n" not in text


def test_every_declared_key_is_in_the_table_of_wrong_values() -> None:
    assert {key for key, _, _ in WRONG} == DECLARED.keys() - {"preferred_chain"}  # any text may be one


RIGHT: list[tuple[str, str | None]] = [
    *(
        ("domain", value)
        for value in ("a.b", "home.example.co.uk", "xn--bcher-kva.example", "1.example", "a" * 63 + ".de")
    ),
    *(("nas_address", value) for value in ("10.0.0.1", "100.64.0.1", "203.0.113.7", "fd00::10")),
    *(("nas_name", value) for value in ("nas", "nas-2", "2", "a" * 63)),
    *(("services", value) for value in (None, "", "[]", '["a"]', '["photos", "music"]')),
    *(("contact", value) for value in (None, "", "me@example.com", "me+nas@mail.example.co.uk")),
    *(("ca_root", value) for value in (None, "")),
    *(("directory", value) for value in ("https://127.0.0.1:14000/dir", "https://[::1]:14000/dir")),
    *(
        ("schedule", value)
        for value in ("rate(1 minute)", "rate(2 minutes)", "rate(1 hour)", "rate(1 day)", "", None)
    ),
    *(("lifetime_days", value) for value in (None, "", "0", "1", "47", "36500")),
    *(("architecture", value) for value in ("arm64", "x86_64")),
    *(("key_type", value) for value in ("rsa2048", "rsa3072", "rsa4096", "ec256", "ec384")),
]


@pytest.mark.parametrize(("key", "value"), RIGHT, ids=lambda part: repr(part)[:40])
def test_a_right_value_is_taken(key: str, value: str | None) -> None:
    load(**{key: value})


@given(st.sampled_from(sorted(DECLARED)), st.none() | st.text() | st.text("rate(0123456789 minutehoursday)"))
@example("schedule", "rate(" + "9" * 5000 + " days)")
@example("schedule", "rate(99999999999999999 days)")
@example("services", "[" * 99_999)
@example("services", "9" * 5000)
@example("directory", "https://[")
@example("nas_address", "\ud800")
def test_any_text_gives_settings_or_a_settings_error(key: str, value: str | None) -> None:
    try:
        settings = load(**{key: value})
    except SettingsError as error:
        assert f"synology-https:{key} is " in str(error)
        assert "\n" not in str(error)
    else:
        assert isinstance(settings, Settings)


@given(st.fixed_dictionaries({key: st.none() | st.text(max_size=20) for key in DECLARED}))
def test_any_texts_together_give_settings_or_a_settings_error(values: dict[str, str | None]) -> None:
    try:
        load_settings(values.get)
    except SettingsError as error:
        assert str(error).startswith("synology-https:")


def test_the_declared_keys_are_those_that_are_read() -> None:
    read = set()

    def get(key: str) -> str | None:
        read.add(key)
        return given_by({})(key)

    load_settings(get)
    assert read == DECLARED.keys()


def test_the_defaults_are_valid_and_terms_are_not_agreed_to_by_default() -> None:
    assert DECLARED.keys() == stack_defaults().keys()  # Pulumi refuses a stack that leaves out one without
    settings = load()
    (certificate,), (nas,) = settings.certificates, settings.nases
    assert (nas.name, nas.host_names, nas.source_ips) == ("synology", ("synology.example.com",), ())
    assert (certificate.contact, certificate.ca_root, certificate.eab_secret) == (None, None, None)
    assert (certificate.preferred_chain, dict(certificate.delegations)) == (None, {})
    assert certificate.schedule.interval == timedelta(hours=12)
    assert (settings.alarm_email, settings.dashboard, settings.budget_usd) == (None, True, None)
    assert stack_defaults()["terms_agreed"] == "false"
    with pytest.raises(SettingsError, match="terms_agreed"):
        load(terms_agreed=stack_defaults()["terms_agreed"])


def test_the_documented_choices_are_the_allowed_ones() -> None:
    for key, choices in {
        "key_type": ["rsa2048", "rsa3072", "rsa4096", "ec256", "ec384"],
        "architecture": ["arm64", "x86_64"],
    }.items():
        for choice in choices:
            assert choice in DECLARED[key]["description"]


def test_the_development_stack_loads() -> None:
    config = stack_config(PROJECT, "dev", {})
    settings = load_settings(lambda key: config.get(f"synology-https:{key}"))
    (certificate,), (nas,) = settings.certificates, settings.nases
    assert certificate.domains == ("example.com", "*.example.com")
    assert nas.host_names == ("synology.example.com", "navidrome.example.com")
    assert settings.challenges == {"example.com": ("_acme-challenge.example.com",)}
    assert settings.warnings() == []
    declared = {f"synology-https:{key}" for key in DECLARED}
    assert {key for key in config if key.startswith("synology-https:")} <= declared


def test_names_under_the_domain_may_be_as_long_as_dns_allows() -> None:
    domain = ".".join(["a" * 60] * 3 + ["b" * 54])  # with _acme-challenge. before it, 253
    assert len(load(domain=domain).challenges[domain][0]) == 253
    with pytest.raises(SettingsError, match="longer than 253"):
        load(domain=domain + "b")
