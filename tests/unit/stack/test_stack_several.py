"""Settings of several certificates, NASes and zones: what is taken, what is refused, what is warned about."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.certificate_settings import zone_of
from infrastructure.settings import Settings, SettingsError, load_settings
from tests.unit.stack.settings_samples import stack_defaults

EAB = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:zerossl-AbCdEf"
ROLE = "arn:aws:iam::210987654321:role/dns-for-renewer"
HOME = {"domains": ["example.com", "*.example.com"]}
OFFICE = {"domains": ["*.office.example.net"], "zone": "example.net"}
CERTIFICATES: dict[str, Any] = {"home": HOME, "office": OFFICE}
NASES: dict[str, Any] = {
    "attic": {"address": "192.168.0.10", "certificates": ["home"], "services": ["photos"]},
    "rack": {
        "address": ["10.0.0.5", "fd00::5"],
        "certificates": ["office", "home"],
        "services": ["music", "cam.example.com"],
    },
}


def load(certificates: Any = None, nas: Any = None, zones: Any = None, **values: str | None) -> Settings:
    given = {
        "certificates": json.dumps(CERTIFICATES if certificates is None else certificates),
        "nas": json.dumps(NASES if nas is None else nas),
        "zones": json.dumps(zones or {}),
        "terms_agreed": "true",
    }
    return load_settings({**stack_defaults(), **given, **values}.get)


def changed(entries: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    return {**entries, name: {**entries[name], **fields}}


def test_certificates_take_the_stacks_settings_as_defaults() -> None:
    certificates = changed(CERTIFICATES, "office", key_type="ec256", schedule="rate(1 hour)", eab_secret=EAB)
    home, office = load(certificates, key_type="rsa2048", contact="me@example.com").certificates
    assert (home.name, home.domains, home.zones) == (
        "home",
        ("example.com", "*.example.com"),
        ("example.com",),
    )
    assert (home.key_type, home.contact, home.eab_secret) == ("rsa2048", "me@example.com", None)
    assert (office.key_type, office.contact, office.eab_secret) == ("ec256", "me@example.com", EAB)
    assert (office.schedule.interval, home.schedule.interval) == (timedelta(hours=1), timedelta(hours=12))
    assert office.challenges == {"example.net": ("_acme-challenge.office.example.net",)}


def test_a_nas_installs_its_certificates_for_the_names_that_lead_to_it() -> None:
    attic, rack = load().nases
    assert attic.host_names == ("attic.example.com", "photos.example.com")
    assert [str(one) for one in rack.addresses] == ["10.0.0.5", "fd00::5"]
    assert rack.host_names == (
        "rack.office.example.net",
        "music.office.example.net",
        "cam.example.com",
    )
    served = {one.name: rack.names_of(one) for one in rack.certificates}
    assert served == {
        "office": ["rack.office.example.net", "music.office.example.net"],
        "home": ["cam.example.com"],
    }


def test_of_two_certificates_that_are_good_for_a_name_the_first_takes_it() -> None:
    certificates = {"wide": HOME, "own": {"domains": ["rack.example.com"], "zone": "example.com"}}
    nas = {
        "rack": {"address": "10.0.0.5", "certificates": ["own", "wide"], "services": ["music.example.com"]}
    }
    (rack,) = load(certificates, nas).nases
    assert [rack.names_of(one) for one in rack.certificates] == [["rack.example.com"], ["music.example.com"]]
    with pytest.raises(SettingsError, match=r"nas\.rack\.services.*none of its certificates"):
        load(certificates, changed(nas, "rack", certificates=["own"]))


def test_the_challenges_of_all_certificates_by_zone() -> None:
    certificates = {
        **CERTIFICATES,
        "both": {
            "domains": ["example.com", "a.example.net", "deep.example.org"],
            "zone": ["example.com", "example.net", "acme.example"],
            "challenge_delegation": {"deep.example.org": "deep.acme.example"},
        },
    }
    assert load(certificates).challenges == {
        "acme.example": ("deep.acme.example",),
        "example.com": ("_acme-challenge.example.com",),
        "example.net": ("_acme-challenge.a.example.net", "_acme-challenge.office.example.net"),
    }


WRONG_CERTIFICATES: list[tuple[dict[str, Any], str, object, str]] = [
    ({"domains": []}, "domains", [], "a list of 1 to 100 domain names"),
    ({"domains": None}, "domains", None, "a list of 1 to 100 domain names"),
    ({"domains": ["a.example"] * 2}, "domains", ["a.example"] * 2, "each name may stand there once"),
    ({"domains": ["Example.com"]}, "domains", "Example.com", "a domain name in lower case"),
    ({"domains": ["*.*.example.com"]}, "domains", "*.*.example.com", "a domain name in lower case"),
    ({"domains": ["*.example.com", "a.example.com"]}, "domains", "a.example.com", "the wildcard beside it"),
    (
        {"domains": ["example.com", "example.net"]},
        "domains",
        "example.net",
        "its record _acme-challenge.example.net is outside the hosted zone example.com",
    ),
    (
        {"domains": ["badexample.com"], "zone": "example.com"},
        "domains",
        "badexample.com",
        "outside the hosted zone example.com",
    ),
    ({"zone": 7}, "zone", 7, "the name of a hosted zone"),
    ({"zone": ["example"]}, "zone", "example", "a domain name in lower case"),
    ({"key_type": "rsa1024"}, "key_type", "rsa1024", "one of rsa2048"),
    ({"key_type": ["rsa2048"]}, "key_type", ["rsa2048"], "one of rsa2048"),
    ({"profile": ""}, "profile", "", "a value is wanted"),
    ({"directory": "http://a.example"}, "directory", "http://a.example", "an https:// URL is wanted"),
    ({"contact": "me"}, "contact", "me", "one e-mail address"),
    ({"contact": ["me@example.com"]}, "contact", ["me@example.com"], "one e-mail address"),
    ({"eab_secret": "zerossl"}, "eab_secret", "zerossl", "the whole ARN of a secret"),
    ({"ca_root": "x"}, "ca_root", "x", "certificates in PEM"),
    ({"preferred_chain": 7}, "preferred_chain", 7, "a value is wanted"),
    ({"schedule": "rate(2 days)"}, "schedule", "rate(2 days)", "at least once a day"),
    ({"lifetime_days": 6.5}, "lifetime_days", 6.5, "a whole number of days"),
    ({"challenge_delegation": []}, "challenge_delegation", [], "an object such as"),
    (
        {"challenge_delegation": {"other.example": "a.example.com"}},
        "challenge_delegation",
        "other.example",
        "none of the certificate's domains",
    ),
    (
        {"challenge_delegation": {"example.com": "no name"}},
        "challenge_delegation",
        "no name",
        "an object such as",
    ),
]


@pytest.mark.parametrize(("fields", "field", "value", "allowed"), WRONG_CERTIFICATES)
def test_a_certificates_error_names_key_and_value(
    fields: dict[str, Any], field: str, value: object, allowed: str
) -> None:
    certificates = changed(CERTIFICATES, "home", **fields)
    with pytest.raises(SettingsError) as refused:
        load(certificates)
    text = str(refused.value)
    assert text.startswith(f"synology-https:certificates.home.{field} is {json.dumps(value)}: ")
    assert allowed in text
    assert f"`pulumi config set --path 'certificates.home.{field}' …`" in text


WRONG_NASES: list[tuple[dict[str, Any], str, object, str]] = [
    ({"address": None}, "address", None, "IPv4 or IPv6 address"),
    ({"address": []}, "address", [], "IPv4 or IPv6 address"),
    ({"address": ["10.0.0.1", "x"]}, "address", "x", "IPv4 or IPv6 address"),
    ({"address": ["fd00::1", "fd00:0::1"]}, "address", ["fd00::1", "fd00:0::1"], "each address may stand"),
    (
        {"certificates": ["nobody"]},
        "certificates",
        "nobody",
        "no such certificate; names of certificates are",
    ),
    ({"certificates": None}, "certificates", None, "of home, office"),
    ({"certificates": []}, "certificates", [], "of home, office"),
    ({"certificates": ["home", "office"]}, "certificates", "office", "no host name of this NAS needs it"),
    ({"host": "attic.example.net"}, "host", "attic.example.net", "none of its certificates is good for it"),
    ({"services": ["cam.example.net"]}, "services", "cam.example.net", "none of its certificates is good"),
    ({"services": ["attic"]}, "services", ["attic"], "the NAS's own name stands there again"),
    (
        {"services": ["a", "a.example.com"]},
        "services",
        ["a", "a.example.com"],
        "each name may stand there once",
    ),
    ({"services": "photos"}, "services", "photos", "a list of host names"),
    ({"source_ips": ["x"]}, "source_ips", "x", "a list of public addresses"),
    ({"source_ips": ["203.0.113.7", "192.168.0.0/24"]}, "source_ips", "192.168.0.0/24", "AWS sees no such"),
    ({"source_ips": ["fd00::/8"]}, "source_ips", "fd00::/8", "AWS sees no such address"),
    ({"source_ips": ["0.0.0.0/0"]}, "source_ips", "0.0.0.0/0", "AWS sees no such address"),
]


@pytest.mark.parametrize(("fields", "field", "value", "allowed"), WRONG_NASES)
def test_a_nass_error_names_key_and_value(
    fields: dict[str, Any], field: str, value: object, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(nas=changed(NASES, "attic", **fields))
    text = str(refused.value)
    assert text.startswith(f"synology-https:nas.attic.{field} is {json.dumps(value)}: ")
    assert allowed in text
    assert f"`pulumi config set --path 'nas.attic.{field}' …`" in text


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"certificates": {"a b": HOME}}, 'certificates is "a b": a name of lower-case letters'),
        ({"certificates": {"x": []}}, "certificates.x is []: an object with domains"),
        ({"certificates": {"x": {"domain": 1}}}, 'certificates.x is "domain": it has no such field'),
        (
            {"certificates": {"a.example": {}}},
            'certificates["a.example"].domains is null: a list of 1 to 100',
        ),
        ({"nas": {"a.b": NASES["attic"]}}, 'nas is "a.b": a host name of one label'),
        (
            {"nas": {**NASES, "other": {**NASES["attic"], "host": "attic"}}},
            'nas.other.services is "attic.example.com": it leads to the NAS attic already',
        ),
        (
            {
                "certificates": {**CERTIFICATES, "more": {"domains": ["example.com", "a.example.com"]}},
                "nas": changed(NASES, "attic", certificates=["home", "more"]),
            },
            'nas.attic.certificates is "more": its first domain example.com is that of home too',
        ),
        ({"zones": {"example.com": {"id": "x"}}}, 'zones["example.com"].id is "x": the id of a hosted zone'),
        (
            {"zones": {"example.com": {"role": ROLE}}},
            'zones["example.com"].id is null: the zone\'s id is wanted',
        ),
        (
            {"zones": {"example.com": {"role": "x", "id": "Z1"}}},
            'zones["example.com"].role is "x": the ARN of',
        ),
        (
            {"zones": {"example.com": {"create": True, "id": "Z1"}}},
            'zones["example.com"].create is true: a zone with an id or a role is there already',
        ),
        (
            {"zones": {"example.com": {"create": "yes"}}},
            'zones["example.com"].create is "yes": true or false',
        ),
        ({"zones": {"other.example": {}}}, 'zones is "other.example": no certificate is in this zone'),
        ({"services": '["photos"]'}, 'services is ["photos"]: nas is set too'),
    ],
)
def test_what_does_not_fit_together_is_refused(settings: dict[str, Any], start: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**settings)
    assert str(refused.value).startswith(f"synology-https:{start}")


def test_a_single_certificate_is_every_nass() -> None:
    (rack,) = load({"home": HOME}, {"rack": {"address": "10.0.0.5"}}).nases
    assert [one.name for one in rack.certificates] == ["home"]
    several = {"attic": {"address": "10.0.0.4"}, "rack": {"address": "10.0.0.5"}}
    values = {**stack_defaults(), "domain": "example.com", "nas": json.dumps(several), "terms_agreed": "true"}
    attic, rack = load_settings(values.get).nases
    assert (attic.host_names, rack.host_names) == (("attic.example.com",), ("rack.example.com",))


def test_sensible_settings_give_no_warning() -> None:
    assert load().warnings() == []


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        (
            {"nas": changed(NASES, "attic", address="203.0.114.7")},
            "nas attic: 203.0.114.7 is a public address",
        ),
        (
            {"nas": changed(NASES, "rack", address="2606:4700::1")},
            "nas rack: 2606:4700::1 is a public address",
        ),
        (
            {"certificates": changed(CERTIFICATES, "office", profile="tlsserver")},
            "nas rack: the profile tlsserver of the certificate office may give no common name",
        ),
        (
            {"certificates": {**CERTIFICATES, "other": {"domains": ["a.example"]}}},
            "certificates other: no NAS installs it",
        ),
        (
            {
                "certificates": {**CERTIFICATES, "twin": {"domains": ["*.example.com", "example.com"]}},
                "nas": changed(NASES, "attic", certificates=["twin"]),
            },
            "certificates twin: it has the same names as home",
        ),
        (
            {"certificates": changed(CERTIFICATES, "office", lifetime_days=3)},
            "certificates office: in a lifetime of 3 days no alarm is sure to come before its end",
        ),
    ],
)
def test_what_is_likely_a_mistake_is_warned_about(settings: dict[str, Any], warning: str) -> None:
    (found,) = load(**settings).warnings()
    assert found.startswith(warning)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (["example.com"], ["a.example.com", "example.com"], "example.com"),
        (["*.example.com"], ["*.example.com", "example.com"], "*.example.com"),
        (["*.example.com"], ["x.y.example.com", "nas.example.com"], "nas.example.com"),
        (["nas.example.com"], ["*.example.com"], "nas.example.com"),
        (["*.a.example.com"], ["*.example.com"], None),
        (["*.example.com"], ["example.com"], None),
        (["*.example.com"], ["x.y.example.com"], None),
        (["a.example.com"], ["b.example.com"], None),
        (["y.example.com"], ["x.y.example.com"], None),
    ],
)
def test_names_that_two_certificates_share_are_warned_about(
    first: list[str], second: list[str], shared: str | None
) -> None:
    certificates = {
        "a": {"domains": first, "zone": "example.com"},
        "b": {"domains": second, "zone": "example.com"},
        "other": {"domains": ["example.org"]},
    }
    nas = {"rack": {"address": "10.0.0.5", "certificates": ["other"]}}
    unused = ["certificates a: no NAS installs it", "certificates b: no NAS installs it"]
    told = f"certificates b: a is good for {shared} too; on a NAS that has both, the first in its list takes "
    assert load(certificates, nas).warnings() == [*unused, *([f"{told}the name"] if shared else [])]


def test_the_same_names_at_two_authorities_count_for_each_by_itself() -> None:
    """As a certificate of Let's Encrypt's staging beside the real one."""
    certificates = {**CERTIFICATES, "twin": {**HOME, "directory": "letsencrypt-staging"}}
    (found,) = load(certificates, changed(NASES, "attic", certificates=["twin"])).warnings()
    assert found.startswith("certificates twin: home is good for example.com too")


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "a", "home", "a.example", "10.0.0.1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["domains", "zone", "address", "certificates", "home", "a.example", "id", "create"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANY_JSON, ANY_JSON, ANY_JSON)
def test_any_json_gives_settings_or_a_settings_error(certificates: Any, nas: Any, zones: Any) -> None:
    try:
        settings = load(certificates, nas, zones)
    except SettingsError as error:
        assert str(error).startswith("synology-https:")
        assert "\n" not in str(error)
    else:
        settings.warnings()
        assert settings.certificates
        assert settings.nases


@given(ANY_JSON, st.sampled_from(["domains", "zone", "challenge_delegation", "key_type", "eab_secret"]))
def test_any_json_in_a_certificate_gives_settings_or_a_settings_error(value: Any, field: str) -> None:
    try:
        load(changed(CERTIFICATES, "home", **{field: value}))
    except SettingsError as error:
        assert str(error).startswith(("synology-https:certificates.home.", "synology-https:nas."))


@given(st.sampled_from(["address", "certificates", "host", "services", "source_ips"]), ANY_JSON)
def test_any_json_in_a_nas_gives_settings_or_a_settings_error(field: str, value: Any) -> None:
    try:
        load(nas=changed(NASES, "attic", **{field: value}))
    except SettingsError as error:
        assert str(error).startswith(("synology-https:nas.attic.", "synology-https:nas.rack.services"))


def test_a_zone_is_the_longest_on_a_label_boundary() -> None:
    zones = ["example.com", "example1.com", "ample.com", "home.example.com"]  # case 1 of the field
    assert zone_of("nas.home.example.com", zones) == "home.example.com"
    assert zone_of("_acme-challenge.example1.com", zones) == "example1.com"
    assert zone_of("example.com", zones) == "example.com"
    assert zone_of("xample.com", zones) is None
