"""The calls to AWS that a run makes, and what is tried again."""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import time
from base64 import b64encode
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, NamedTuple, Sequence
from urllib.parse import unquote, urlencode, urlsplit

from . import __version__
from .answer import Answer
from .config import Config
from .errors import AwsError, AwsRefused, ClockWrong
from .sigv4 import sign
from .tls import trusting, trusting_as_needed

TRIES = 5
REFUSED_TRIES = 3  # IAM refuses a good key now and then
LONGEST_SECONDS = 60.0  # no request is tried again later than this; IAM spreads a new key within seconds
PAUSE_SECONDS = 0.5  # doubled at each further try, with full jitter
_LONGEST_PAUSE_SECONDS = 8.0
_TIMEOUT_SECONDS = 30
_DAY_SECONDS = 86_400
_LARGEST_ANSWER = 1_000_000  # a secret has 64 KiB at most
_LARGEST_SKEW = timedelta(days=1)  # with more, certificates would be judged wrongly too
_RELEASED = datetime(2026, 11, 1, tzinfo=timezone.utc)  # no right clock is earlier
_SET_CLOCK = "Set it in Control Panel > Regional Options > Time, or wait until NTP does"
_EXPIRED, _NOT_YET_VALID, _OTHER_NAME = 10, 9, 62  # X509_V_ERR_… of OpenSSL's x509_vfy.h


class Metric(NamedTuple):
    """One value of one certificate.

    Attributes:
        name: `LifeLeft`, from 0 to 1, or `DaysLeft`.
        certificate: the certificate's name, the value of the dimension `certificate`.
        value: without unit.
    """

    name: str
    certificate: str
    value: float


class Aws:
    """Secrets Manager and CloudWatch, asked with the NAS's key.

    Attributes:
        calls: number of requests sent so far.
    """

    def __init__(self, config: Config, *, patient: bool = False, say: Callable[[str], None] = print) -> None:
        """Use the config's region, keys and endpoints.

        Args:
            config: the agent's settings.
            patient: the key may have been made a moment ago: a refusal of it is tried again for a minute, and
                otherwise a few times.
            say: is told what a person may want to know, such as a clock that is corrected.

        Raises:
            ConfigError: `ca_file` cannot be used.
        """
        self._config = config
        self._patient = patient
        self._say = say
        self._keys = list(config.access_keys)
        self._refused_before = ""
        self._skew, self._clock_corrected = timedelta(0), False
        self._tls, self._has_all_roots = trusting_as_needed(config.ca_file), False
        self.calls = 0

    def current_version(self, secret: str) -> str:
        """Return the VersionId that AWSCURRENT stands on, or an empty text where the secret has no version.

        Raises:
            AwsError: AWS could not be reached, or refused.
        """
        stages = self._ask_secrets("DescribeSecret", {"SecretId": secret}).get("VersionIdsToStages")
        listed = stages.items() if isinstance(stages, dict) else ()
        return next((version for version, labels in listed if "AWSCURRENT" in labels), "")

    def current_document(self, secret: str) -> tuple[str, str]:
        """Return the VersionId and the text of AWSCURRENT.

        Raises:
            AwsError: AWS could not be reached, or refused.
        """
        # The key's policy allows this stage, and only if it is named.
        answer = self._ask_secrets("GetSecretValue", {"SecretId": secret, "VersionStage": "AWSCURRENT"})
        version, text = answer.get("VersionId"), answer.get("SecretString")
        if not isinstance(version, str) or not isinstance(text, str):
            raise AwsError(f"GetSecretValue of {secret} answered without a version or a text")
        return version, text

    def put_metrics(self, namespace: str, metrics: Sequence[Metric]) -> None:
        """Send the values, in one PutMetricData.

        Raises:
            AwsError: AWS could not be reached, or refused.
        """
        fields = {"Action": "PutMetricData", "Version": "2010-08-01", "Namespace": namespace}
        for number, metric in enumerate(metrics, 1):
            member = f"MetricData.member.{number}."
            fields[member + "MetricName"] = metric.name
            fields[member + "Value"] = repr(metric.value)
            fields[member + "Dimensions.member.1.Name"] = "certificate"
            fields[member + "Dimensions.member.1.Value"] = metric.certificate
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        self._ask("monitoring", f"PutMetricData to {namespace}", headers, urlencode(fields).encode())

    def clock_skew(self) -> timedelta:
        """Return by how much this NAS's clock was found to be slow, as AWS's answers said."""
        return self._skew

    def _ask_secrets(self, operation: str, fields: dict[str, str]) -> dict[str, Any]:
        what = "{} of {}".format(operation, fields["SecretId"])
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"secretsmanager.{operation}",
        }
        try:
            answer = json.loads(self._ask("secretsmanager", what, headers, json.dumps(fields).encode()))
        except ValueError:
            raise AwsError(f"{what} answered no JSON") from None
        if not isinstance(answer, dict):
            raise AwsError(f"{what} answered no JSON object")
        return answer

    def _ask(self, service: str, what: str, headers: dict[str, str], body: bytes) -> bytes:
        """Send until AWS answers, or refuses for a reason that will stay."""
        url = self._config.endpoints.get(service) or f"https://{service}.{self._config.region}.amazonaws.com/"
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                answer = self._send(service, url, headers, body)
            except (OSError, ValueError, http.client.HTTPException) as error:
                if isinstance(error, ssl.SSLCertVerificationError):
                    if self._has_all_roots or error.verify_code == _OTHER_NAME:
                        raise _untrusted(url, error) from None
                    self._tls, self._has_all_roots = trusting(self._config.ca_file), True
                    tries -= 1
                    continue
                left = began + LONGEST_SECONDS - time.monotonic()
                if tries >= TRIES or left <= 0:
                    raise AwsError(
                        f"AWS could not be asked ({what} at {url}{_by_proxy(url)}): {error}. "
                        "The next run tries again"
                    ) from None
                self._say(f"{what}: {error}, trying again")
                _pause(tries, None, left)
                continue
            left = began + LONGEST_SECONDS - time.monotonic()
            if answer.status == http.client.OK:
                return answer.body
            if answer.is_about_the_clock and not self._clock_corrected:
                self._correct_clock(what, answer)
            elif answer.refuses_key and len(self._keys) > 1:
                refused = self._keys.pop(0).id
                self._say(f"AWS refused the access key {refused} ({answer.code}): trying the second one")
                self._refused_before = f"; the access key {refused} was refused before: {answer.code}"
                tries = 0
            elif left > 0 and self._may_pass(answer, tries):
                self._say(f"{what}: {answer.code}, trying again")
                _pause(tries, answer.retry_after, left)
            else:
                advice = f"; {answer.advice}" if answer.advice else ""
                raise AwsRefused(
                    f"AWS refused {what}: {answer.code}: {answer.message}{advice}{self._refused_before}"
                )

    def _may_pass(self, answer: Answer, tries: int) -> bool:
        if answer.refuses_key:
            return self._patient or tries < REFUSED_TRIES
        return answer.is_passing and tries < TRIES

    def _send(self, service: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        signed = sign(
            url=url,
            body=body,
            headers=headers,
            service=service,
            region=self._config.region,
            access_key_id=self._keys[0].id,
            secret_access_key=self._keys[0].secret,
            timestamp=(_now() + self._skew).strftime("%Y%m%dT%H%M%SZ"),
        )
        signed["User-Agent"] = f"synology-agent/{__version__}"
        signed["Connection"] = "close"
        self.calls += 1
        with closing(_connect(url, self._tls)) as connection:
            connection.request("POST", _path(url), body, signed)
            response = connection.getresponse()
            content = response.read(_LARGEST_ANSWER + 1)
            if len(content) > _LARGEST_ANSWER:
                raise AwsError(f"{url} answered with more than {_LARGEST_ANSWER} bytes, which AWS never does")
            # With a bound, http.client does not mind a body that ends too early.
            if len(content) < int(response.headers.get("Content-Length") or 0):
                raise http.client.IncompleteRead(content)
            return Answer(response.status, response.headers, content)

    def _correct_clock(self, what: str, answer: Answer) -> None:
        date = answer.date
        if date is None:
            raise ClockWrong(f"AWS refused {what} for the NAS's clock: {answer.message}. {_SET_CLOCK}")
        skew = date - _now()
        if abs(skew) > _LARGEST_SKEW:
            raise ClockWrong(
                f"the NAS's clock says {_now():%Y-%m-%d %H:%M} UTC, and AWS's {date:%Y-%m-%d %H:%M}. "
                f"{_SET_CLOCK}"
            )
        self._say(
            f"the NAS's clock is off by {skew.total_seconds():.0f} s: corrected for this run. {_SET_CLOCK}"
        )
        self._skew, self._clock_corrected = skew, True


def life_metrics(certificate: str, not_before: datetime, not_after: datetime, now: datetime) -> list[Metric]:
    """Return what is left of a certificate's life, as a fraction and in days: 0 once it has expired."""
    left = max((not_after - now).total_seconds(), 0.0)
    whole = max((not_after - not_before).total_seconds(), 1.0)
    return [
        Metric("LifeLeft", certificate, round(min(left / whole, 1.0), 4)),
        Metric("DaysLeft", certificate, round(left / _DAY_SECONDS, 2)),
    ]


def _untrusted(url: str, error: ssl.SSLCertVerificationError) -> AwsError:
    now = f"the NAS's clock says {_now():%Y-%m-%d %H:%M} UTC"
    if _now() < _RELEASED:
        return ClockWrong(f"{now}, which is over. {_SET_CLOCK}")
    clock = f", or {now} and is wrong" if error.verify_code in (_EXPIRED, _NOT_YET_VALID) else ""
    return AwsError(
        f"{url}{_by_proxy(url)} shows a certificate that this NAS does not trust ({error.verify_message}): "
        f"an old DSM has old roots, and some proxies have a root of their own{clock}. Update DSM, or name a "
        "PEM file with the missing root as ca_file in the config"
    )


def _connect(url: str, tls: ssl.SSLContext) -> http.client.HTTPConnection:
    """Return a connection, not yet opened, to the URL's host, or to the proxy between."""
    target, proxy = urlsplit(url), _https_proxy(url)
    if target.scheme != "https":  # to 127.0.0.1 alone: config.py saw to it
        return http.client.HTTPConnection(target.netloc, timeout=_TIMEOUT_SECONDS)
    if not proxy:
        return http.client.HTTPSConnection(target.netloc, timeout=_TIMEOUT_SECONDS, context=tls)
    login, _, host = urlsplit(proxy if "://" in proxy else f"//{proxy}").netloc.rpartition("@")
    connection = http.client.HTTPSConnection(host, timeout=_TIMEOUT_SECONDS, context=tls)
    basic = {"Proxy-Authorization": "Basic " + b64encode(unquote(login).encode()).decode()} if login else {}
    connection.set_tunnel(target.netloc, headers=basic)
    return connection


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _https_proxy(url: str) -> str:
    """Return the environment's proxy for the URL, or an empty text; http goes past any proxy."""
    target = urlsplit(url)
    if target.scheme != "https" or not any(name.lower() == "https_proxy" for name in os.environ):
        return ""
    import urllib.request  # noqa: PLC0415 - a tenth of a run's time, and few have a proxy

    proxy = urllib.request.getproxies().get("https", "")
    return "" if urllib.request.proxy_bypass(target.netloc) else proxy


def _by_proxy(url: str) -> str:
    """Name the proxy between, without its password."""
    proxy = _https_proxy(url)
    return " by the proxy {}".format(proxy.rpartition("@")[2]) if proxy else ""


def _pause(tries: int, retry_after: float | None, left: float) -> None:
    longest = min(_LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2 ** (tries - 1))
    jitter = random.uniform(0, longest)  # noqa: S311 - no secret
    time.sleep(min(jitter + (retry_after or 0.0), left))


def _now() -> datetime:
    return datetime.now(timezone.utc)
