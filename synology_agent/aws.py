"""The calls to AWS that a run makes, what is tried again, and how refusals read."""

from __future__ import annotations

import email.utils
import http.client
import json
import random
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, NamedTuple, Sequence
from urllib.parse import urlencode

from . import __version__
from .config import Config
from .errors import AwsError, AwsRefused, ClockWrong
from .sigv4 import sign
from .tls import trusting

TRIES = 5
PAUSE_SECONDS = 0.5  # doubled at each further try, with full jitter
_LONGEST_PAUSE_SECONDS = 8.0
_PATIENCE_SECONDS = 60.0  # IAM tells everybody of a new key within seconds
_TIMEOUT_SECONDS = 30
_DAY_SECONDS = 86_400
_LARGEST_ANSWER = 1_000_000
_LARGEST_SKEW = timedelta(days=1)  # with more, certificates would be judged wrongly too
_RELEASED = datetime(2026, 11, 1, tzinfo=timezone.utc)  # no right clock is earlier

_THROTTLED = {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
_KEY_REFUSED = {
    "AccessDenied",
    "AccessDeniedException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_NEW_KEY = (
    "AWS does not know the access key in the config: `python -m synology_setup rotate-key` makes a new one"
)
_WRONG_KEY = "the secret access key in the config is wrong, or the NAS's clock is"
_ADVICE = {
    "AccessDenied": "the NAS's key may not do this: run `pulumi up`, which makes its policy",
    "AccessDeniedException": "the NAS's key may not read it: does `pulumi stack output` show this secret?",
    "ResourceNotFoundException": "there is no such secret: `pulumi up` makes it; name it in the config",
    "UnrecognizedClientException": _NEW_KEY,
    "InvalidClientTokenId": _NEW_KEY,
    "InvalidSignatureException": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
}


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
            patient: the key may have been made a moment ago: a refusal of it is tried again for a minute.
            say: is told what a person may want to know, such as a clock that is corrected.

        Raises:
            ConfigError: `ca_file` cannot be used.
        """
        self._config = config
        self._patient = patient
        self._say = say
        self._keys = list(config.access_keys)
        self._skew = timedelta(0)
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trusting(config.ca_file)), _NoRedirect()
        )
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
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            patience = self._patient and time.monotonic() - began < _PATIENCE_SECONDS
            try:
                answer = self._send(service, what, headers, body)
            except AwsError as error:
                if isinstance(error, ClockWrong) or tries >= TRIES:
                    raise
                _pause(tries, None)
                continue
            if answer.status == http.client.OK:
                return answer.body
            if answer.is_about_the_clock and not self._skew:
                self._correct_clock(what, answer)
                tries = 0
            elif answer.code in _KEY_REFUSED and len(self._keys) > 1:
                self._say(
                    f"AWS refused the access key {self._keys[0].id} ({answer.code}): trying the second one"
                )
                del self._keys[0]
            elif (answer.is_passing and tries < TRIES) or (answer.code in _KEY_REFUSED and patience):
                self._say(f"{what}: {answer.code}, trying again")
                _pause(tries, answer.retry_after)
            else:
                advice = _ADVICE.get(answer.code)
                text = f"AWS refused {what}: {answer.code}: {answer.message}"
                raise AwsRefused(text + (f"; {advice}" if advice else ""))

    def _send(self, service: str, what: str, headers: dict[str, str], body: bytes) -> _Answer:
        url = self._config.endpoints.get(service) or f"https://{service}.{self._config.region}.amazonaws.com/"
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
        request = urllib.request.Request(url, data=body, headers=signed)  # noqa: S310 - config.py saw to it
        self.calls += 1
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                return _Answer(response.status, response.headers, _whole_body(response))
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, error.headers, error.read(_LARGEST_ANSWER))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _unreachable(what, url, getattr(error, "reason", error)) from None

    def _correct_clock(self, what: str, answer: _Answer) -> None:
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
        self._skew = skew


_SET_CLOCK = "Set it in Control Panel > Regional Options > Time, best by NTP"


class _Answer(NamedTuple):
    status: int
    headers: Any
    body: bytes

    @property
    def _problem(self) -> tuple[str, str]:
        """Code and message: JSON from Secrets Manager, XML from CloudWatch."""
        text = self.body.decode("utf-8", errors="replace")
        try:
            found = json.loads(text)
        except ValueError:
            found = {"__type": _between(text, "Code"), "message": _between(text, "Message")}
        if not isinstance(found, dict):
            found = {}
        code = str(found.get("__type") or found.get("code") or "").rsplit("#", 1)[-1]
        return code or f"HTTP {self.status}", str(found.get("message") or found.get("Message") or "")

    @property
    def code(self) -> str:
        return self._problem[0]

    @property
    def message(self) -> str:
        return self._problem[1]

    @property
    def is_passing(self) -> bool:
        too_many, server_error = http.client.TOO_MANY_REQUESTS, http.client.INTERNAL_SERVER_ERROR
        return self.status == too_many or self.status >= server_error or self.code in _THROTTLED

    @property
    def is_about_the_clock(self) -> bool:
        if self.code in ("RequestTimeTooSkewed", "RequestExpired"):
            return True
        return self.code in ("InvalidSignatureException", "SignatureDoesNotMatch") and (
            "Signature expired" in self.message or "Signature not yet current" in self.message
        )

    @property
    def date(self) -> datetime | None:
        return _http_date(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        text = self.headers.get("Retry-After") or ""
        return float(text) if text.isdigit() else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed request is for one host: where that one sends it on, it is a refusal."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def life_metrics(certificate: str, not_before: datetime, not_after: datetime, now: datetime) -> list[Metric]:
    """Return what is left of a certificate's life, as a fraction and in days: 0 once it has expired."""
    left = max((not_after - now).total_seconds(), 0.0)
    whole = max((not_after - not_before).total_seconds(), 1.0)
    return [
        Metric("LifeLeft", certificate, round(min(left / whole, 1.0), 4)),
        Metric("DaysLeft", certificate, round(left / _DAY_SECONDS, 2)),
    ]


def _unreachable(what: str, url: str, reason: object) -> AwsError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        if _now() < _RELEASED:
            return ClockWrong(
                f"the NAS's clock says {_now():%Y-%m-%d %H:%M} UTC, which is over. {_SET_CLOCK}"
            )
        return AwsError(
            f"{url} shows a certificate that this NAS does not trust ({reason.verify_message}). An old DSM "
            "has old roots: update DSM, or name a PEM file with the missing root as ca_file in the config"
        )
    return AwsError(f"AWS could not be asked ({what} at {url}): {reason}. The next run tries again")


def _whole_body(response: http.client.HTTPResponse) -> bytes:
    """Read the body; with a bound, http.client does not mind one that ends too early."""
    body = response.read(_LARGEST_ANSWER)
    if len(body) < int(response.headers.get("Content-Length") or 0):
        raise http.client.IncompleteRead(body)
    return body


def _pause(tries: int, retry_after: float | None) -> None:
    longest = min(_LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2 ** (tries - 1))
    jitter = random.uniform(0, longest)  # noqa: S311 - no secret
    time.sleep(jitter if retry_after is None else min(retry_after, _LONGEST_PAUSE_SECONDS) + jitter)


def _http_date(text: str | None) -> datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text or "").astimezone(timezone.utc)
    except (TypeError, ValueError, IndexError):
        return None


def _between(xml: str, tag: str) -> str:
    return xml.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]


def _now() -> datetime:
    return datetime.now(timezone.utc)
