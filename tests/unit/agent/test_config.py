"""Each wrong config is refused with the field and what is wanted, and never with the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synology_agent.config import AccessKey, Config, WantedCertificate, read_config
from synology_agent.errors import ConfigError

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:synology-https/dev/certificate/home-AbCdEf"
CERTIFICATE = {"secret": ARN, "entry": "xoEBak", "names": ["NAS.example.com", "example.com"]}
FIELDS: dict[str, Any] = {
    "region": "eu-central-1",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": SECRET,
    "certificates": [CERTIFICATE],
}
MISSING = object()


def write(folder: Path, content: object, mode: int = 0o600) -> Path:
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    path.chmod(mode)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        read_config(path)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert SECRET not in message
    assert SECRET not in repr(refused.value)
    assert refused.value.__cause__ is None
    return message


def changed(field: str, value: object) -> dict[str, Any]:
    fields = {**FIELDS, field: value}
    if value is MISSING:
        del fields[field]
    return fields


def test_a_good_config_is_read(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, FIELDS))
    assert config == Config(
        region="eu-central-1",
        access_keys=(AccessKey("AKIAIOSFODNN7EXAMPLE", SECRET),),
        endpoints={},
        ca_file=None,
        metric_namespace=None,
        certificates=(WantedCertificate(ARN, "xoEBak", ("nas.example.com", "example.com")),),
    )


def test_optional_fields_are_read(tmp_path: Path) -> None:
    fields = {**FIELDS, "endpoint": "https://vpce-1.amazonaws.com/", "ca_file": "/volume1/ca.pem"}
    config = read_config(write(tmp_path, {**fields, "metric_namespace": "Nas/home"}))
    both = {"secretsmanager": "https://vpce-1.amazonaws.com/", "monitoring": "https://vpce-1.amazonaws.com/"}
    assert config.endpoints == both
    assert config.ca_file == Path("/volume1/ca.pem")
    assert config.metric_namespace == "Nas/home"


def test_an_endpoint_for_one_service_alone(tmp_path: Path) -> None:
    endpoint = {"monitoring": "https://vpce-2.amazonaws.com/"}
    assert read_config(write(tmp_path, {**FIELDS, "endpoint": endpoint})).endpoints == endpoint


def test_a_second_key_is_read_whole_or_refused(tmp_path: Path) -> None:
    second = {"second_access_key_id": "AKIA2", "second_secret_access_key": SECRET}
    config = read_config(write(tmp_path, {**FIELDS, **second}))
    assert [key.id for key in config.access_keys] == ["AKIAIOSFODNN7EXAMPLE", "AKIA2"]
    assert SECRET not in repr(config.access_keys)
    for field, value in second.items():
        fields = {**FIELDS, field: value}
        missing = next(name for name in second if name != field)
        assert f"{missing} is None: a text is wanted" in refusal(write(tmp_path, fields))


def two(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    other = {**CERTIFICATE, "secret": "other", "entry": "other"}
    return {**FIELDS, "certificates": [{**CERTIFICATE, **first}, {**other, **second}]}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"secret": ARN}, f"secret is {ARN!r}: two certificates have it, and one may"),
        ({}, {"entry": "xoEBak"}, "entry is 'xoEBak': two certificates have it, and one may"),
        ({"assign": "all"}, {"assign": "all"}, "both take the default certificate, and one may"),
        ({"assign": "default"}, {"assign": "all"}, "(default) and nas.example.com (all) both take"),
        ({"assign": ["FTPS"]}, {"assign": ["x", "FTPS"]}, "assign is 'FTPS': two certificates list this"),
    ],
)
def test_certificates_that_contradict_each_other(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], message: str
) -> None:
    assert message in refusal(write(tmp_path, two(first, second)))


def test_certificates_that_do_not_contradict_each_other(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, two({"assign": "all"}, {"assign": ["FTPS"]})))
    assert [wanted.assign for wanted in config.certificates] == ["all", ("FTPS",)]
    assert [wanted.name for wanted in config.certificates] == ["nas.example.com"] * 2
    assert read_config(write(tmp_path, FIELDS)).certificates[0].assign == "auto"


def test_a_host_name_to_ask_for_is_no_wildcard(tmp_path: Path) -> None:
    wildcard = {**CERTIFICATE, "names": ["*.example.com"]}
    (wanted,) = read_config(write(tmp_path, {**FIELDS, "certificates": [wildcard]})).certificates
    assert wanted.own_name == "www.example.com"


def test_the_key_is_in_no_repr(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, FIELDS))
    for shown in (repr(config), str(config), f"{config}"):
        assert ARN in shown
        assert SECRET not in shown


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601, 0o660, 0o666, 0o777])
def test_a_config_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, FIELDS, mode)
    assert f"may be read by others (mode {mode:04o})" in refusal(path)
    assert f"run `chmod 600 {path}`" in refusal(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_config_of_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert read_config(write(tmp_path, FIELDS, mode)).region == "eu-central-1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        (f'{{"secret_access_key": "{SECRET}",}}', "is not JSON"),
        ([SECRET], "is not a JSON object"),
    ],
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: object, message: str) -> None:
    assert message in refusal(write(tmp_path, content))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(b"\xff" + SECRET.encode())
    assert "is not JSON" in refusal(path)


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "config.json").endswith("cannot be read: No such file or directory")


@pytest.mark.parametrize("value", [MISSING, None, "", 7, ["x"]])
@pytest.mark.parametrize("field", ["region", "access_key_id"])
def test_a_wrong_text_is_shown(tmp_path: Path, field: str, value: object) -> None:
    shown = None if value is MISSING else value
    assert f"{field} is {shown!r}: a text is wanted" in refusal(write(tmp_path, changed(field, value)))


@pytest.mark.parametrize("value", [MISSING, "", 7, [SECRET], {"key": SECRET}])
def test_a_wrong_key_is_named_and_not_shown(tmp_path: Path, value: object) -> None:
    assert "secret_access_key is " in refusal(write(tmp_path, changed("secret_access_key", value)))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("certificates", MISSING, "certificates is None: a list of certificates is wanted"),
        ("certificates", [], "certificates is []: a list of certificates is wanted"),
        ("certificates", {}, "certificates is {}: a list of certificates is wanted"),
        ("certificates", ["x"], "certificates is 'x': an object with secret, entry and names is wanted"),
        ("ca_file", 7, "ca_file is 7: a text is wanted"),
        ("endpoint", "", "endpoint is '': an https:// URL is wanted"),
        ("endpoint", 7, "endpoint is 7: an https:// URL is wanted"),
        ("endpoint", {"s3": "https://x/"}, "endpoint: 's3' is no field of it; the fields are monitoring, "),
        (
            "endpoint",
            {"monitoring": "http://aws.test/"},
            "endpoint is 'http://aws.test/': an https:// URL is",
        ),
        ("endpoint", {"monitoring": None}, "endpoint is None: an https:// URL is wanted"),
        ("endpoint", ["https://x/"], "endpoint is ['https://x/']: an https:// URL is wanted"),
        ("metric_namespace", "", "metric_namespace is '': a text is wanted"),
        ("endpoint", "http://aws.test/", "endpoint is 'http://aws.test/': an https:// URL is wanted"),
        ("endpoint", "http://127.0.0.1.evil.test/", "an https:// URL is wanted"),
        ("endpoint", "http://127.0.0.1:80@evil.test:80/", "an https:// URL is wanted"),
        ("endpoint", "https://key@evil.test/", "an https:// URL is wanted"),
        ("endpoint", "https://", "an https:// URL is wanted"),
        ("endpoint", "https://[::1/", "an https:// URL is wanted"),
        ("endpoint", "file:///etc/passwd", "endpoint is 'file:///etc/passwd': an https:// URL is wanted"),
        ("regoin", "x", "'regoin' is no field of it; the fields are access_key_id, ca_file, "),
    ],
)
def test_a_wrong_field_is_named_with_its_value(
    tmp_path: Path, field: str, value: object, message: str
) -> None:
    assert message in refusal(write(tmp_path, changed(field, value)))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("secret", None, "secret is None: a text is wanted"),
        ("entry", 7, "entry is 7: a text is wanted"),
        ("names", "nas.example.com", "names is 'nas.example.com': a list of host names is wanted"),
        ("names", [], "names is []: a list of host names is wanted"),
        ("names", [""], "names is ['']: a list of host names is wanted"),
        ("names", [None], "names is [None]: a list of host names is wanted"),
        ("domains", [], "certificates: 'domains' is no field of it; the fields are assign, entry, names, "),
        ("assign", "some", "assign is 'some': one of auto, all, default, none is wanted, or a list"),
        ("assign", [], "assign is []: one of auto"),
        ("assign", [7], "assign is [7]: one of auto"),
    ],
)
def test_a_wrong_field_of_a_certificate_is_named_with_its_value(
    tmp_path: Path, field: str, value: object, message: str
) -> None:
    path = write(tmp_path, changed("certificates", [CERTIFICATE, {**CERTIFICATE, field: value}]))
    assert message in refusal(path)
