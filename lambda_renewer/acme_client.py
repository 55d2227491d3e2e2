"""The acme library's network, mended where it gets in the way, and the requests of RFC 8555 over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from acme import client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import DeserializationError
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import field as json_field
from josepy.jwa import ES256, ES384, RS256, JWASignature
from josepy.jwk import JWKEC, JWKRSA
from requests.utils import parse_header_links

from .clock import retry_after_seconds
from .directory import REQUEST_SECONDS, USER_AGENT, Directory
from .errors import AcmeError, OrderFailed, Problem, describe_problem
from .keys import topmost_issuer
from .waiting import Deadline, back_off

AccountKey = JWKEC | JWKRSA
_Resource = TypeVar("_Resource", messages.Order, messages.Authorization)

_BAD_NONCE_TRIES = 20
_CONFLICT = 409
_P384_BITS = 384
_LIVE_AUTHORIZATION = {"pending", "valid"}
# The first poll straight after answering a challenge is always `pending`; slow validation takes seconds.
_FIRST_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 2.0


def make_account_key() -> JWKEC:
    """Return a new account key: P-256, for ES256."""
    return JWKEC(key=ec.generate_private_key(ec.SECP256R1()))


class Network(client.ClientNetwork):
    """ACME's signed requests: every fresh nonce is kept, every problem keeps its headers.

    The library retries badNonce once and drops the nonce that came with the error, turns each 409 into a
    ConflictError without content, and loses Retry-After.
    """

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        response = super()._send_request(method, url, *args, **kwargs)
        if not response.ok and self.REPLAY_NONCE_HEADER in response.headers:
            self._add_nonce(response)
        return response

    @classmethod
    def _check_response(
        cls, response: requests.Response, content_type: str | None = None
    ) -> requests.Response:
        if response.ok:
            return super()._check_response(response, content_type)
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            document = {"detail": f"{response.reason}, without a problem document"}
        raise Problem(
            document,
            status=response.status_code,
            url=str(response.url),
            retry_after=retry_after_seconds(response.headers.get("Retry-After")),
        )

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """POST a signed object; a refused nonce is replaced by the one that came with the refusal."""
        for _ in range(_BAD_NONCE_TRIES):
            try:
                return self._post_once(*args, **kwargs)
            except Problem as problem:
                if problem.code != "badNonce":
                    raise
                refused = problem
        raise refused


@dataclass(frozen=True)
class ExternalAccount:
    """Credentials of External Account Binding (RFC 8555 section 7.3.4).

    Attributes:
        kid: key identifier that the authority gave.
        hmac_key: its MAC key, base64url.
    """

    kid: str
    hmac_key: str = field(repr=False)


class AcmeClient:
    """One key at one certificate authority: requests as RFC 8555 names them, one a method.

    Each raises AcmeError where the authority cannot be reached or does not answer as the RFC says, and
    Problem where it refuses.

    Attributes:
        kid: the account URL, once an account is used.
    """

    def __init__(self, directory: Directory, key: AccountKey, *, ca_root: str | None = None) -> None:
        """Sign with `key`.

        Args:
            directory: the directory, as `fetch_directory` returns it.
            key: the account key, or a certificate's own key for `revoke`.
            ca_root: path of a PEM file with the roots that verify the authority's HTTPS, or None.
        """
        self._network = Network(
            key=key,
            alg=_algorithm(key),
            verify_ssl=ca_root or True,  # type: ignore[arg-type]  # requests takes a path too
            user_agent=USER_AGENT,
            timeout=REQUEST_SECONDS,  # type: ignore[arg-type]  # requests takes fractions too
        )
        self._key = key
        self._directory = directory
        self.kid: str | None = None

    def new_account(
        self, *, contact: str | None, terms_agreed: bool, external: ExternalAccount | None = None
    ) -> str:
        """Make the account, or find it by its key (section 7.3.1), and sign with it from now on.

        Returns:
            The account URL, the `kid` of all further requests.
        """
        fields: dict[str, Any] = {"terms_of_service_agreed": terms_agreed} if terms_agreed else {}
        if contact:
            fields["contact"] = (f"mailto:{contact}",)
        if external is not None:
            fields["external_account_binding"] = messages.ExternalAccountBinding.from_data(
                account_public_key=self._key.public_key(),
                kid=external.kid,
                hmac_key=external.hmac_key,
                directory=messages.Directory({"newAccount": self._url("newAccount")}),
            )
        kid = _location(self._post(self._url("newAccount"), messages.NewRegistration(**fields)))
        self.use_account(kid)
        return kid

    def use_account(self, kid: str) -> None:
        """Sign with the known account `kid` from now on; takes no request."""
        self.kid = kid
        self._network.account = messages.RegistrationResource(uri=kid, body=messages.Registration())

    def new_order(
        self, domains: tuple[str, ...], *, profile: str | None, replaces: str | None
    ) -> messages.OrderResource:
        """Ask for a certificate (section 7.4), in place of the one whose ARI identifier is `replaces`.

        An authority that does not like `replaces` is asked once more without it: it counts a pending order
        as a replacement (RFC 9773 section 5), and a run that died after newOrder would lock itself out.
        """
        fields: dict[str, Any] = {
            "identifiers": [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in domains]
        }
        if profile:
            fields["profile"] = profile
        try:
            response = self._post(self._url("newOrder"), _new_order(fields, replaces))
        except Problem as problem:
            if not replaces or not _is_about_replaces(problem):
                raise
            response = self._post(self._url("newOrder"), _new_order(fields, None))
        return messages.OrderResource(body=_read(messages.Order, response), uri=_location(response))

    def order(self, url: str) -> messages.OrderResource:
        """Fetch an order (section 7.1.3)."""
        return messages.OrderResource(body=_read(messages.Order, self._post(url, None)), uri=url)

    def authorization(self, url: str) -> messages.Authorization:
        """Fetch an authorization (section 7.5).

        Raises:
            OrderFailed: it can no longer become valid (section 7.1.6).
        """
        response = self._post(url, None)
        fields = _object(response)
        if fields.get("status") not in _LIVE_AUTHORIZATION:
            raise OrderFailed(
                f"an authorization is {fields.get('status')}: {_explain(fields) or _name(fields)}. "
                "The next run makes a new order."
            )
        return _read(messages.Authorization, response)

    def dns01_value(self, challenge: messages.ChallengeBody) -> str:
        """Return the TXT value: the digest of the key authorization (section 8.4)."""
        return str(challenge.chall.validation(self._key))

    def answer(self, challenge: messages.ChallengeBody) -> float:
        """Say that the challenge is ready (section 7.5.1); return the Retry-After in seconds."""
        return _asked(self._post(challenge.uri, challenge.chall.response(self._key)))

    def finalize(self, order: messages.OrderResource, csr: x509.CertificateSigningRequest) -> float:
        """Send the certificate signing request (section 7.4); return the Retry-After in seconds."""
        return _asked(self._post(order.body.finalize, messages.CertificateRequest(csr=csr)))

    def poll_order(
        self,
        order: messages.OrderResource,
        wanted: messages.Status,
        deadline: Deadline,
        *,
        asked: float = 0.0,
    ) -> messages.Order:
        """Poll the order until it has the status `wanted`, heeding Retry-After (section 7.1.6).

        Args:
            order: to poll.
            wanted: the status to wait for.
            deadline: of the run.
            asked: seconds that the authority asked to wait before the first poll.

        Raises:
            OrderFailed: it became invalid; the names that failed are named.
            DeadlineExceeded: the authority took too long.
        """
        pauses = back_off(_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS)
        while True:
            if asked:
                deadline.sleep(asked, waiting_for=f"the authority's Retry-After of {asked:.0f} s", asked=True)
            else:
                deadline.sleep(next(pauses), waiting_for=f"the order to become {wanted.name}")
            response = self._post(order.uri, None)
            body = _read(messages.Order, response)
            if body.status == messages.STATUS_INVALID:
                raise OrderFailed(f"the order became invalid: {self._why_invalid(body)}")
            if body.status in {wanted, messages.STATUS_VALID}:
                return body
            asked = _asked(response)

    def certificate(self, url: str, *, preferred_chain: str | None = None) -> str:
        """Download the full chain as PEM (section 7.4.2).

        Args:
            url: of the certificate.
            preferred_chain: the chain whose topmost certificate has this issuer's common name is taken, where
                the authority offers it, by default or as an alternate.
        """
        response = self._post(url, None)
        if preferred_chain is None or topmost_issuer(response.text) == preferred_chain:
            return response.text
        for link in parse_header_links(response.headers.get("Link", "")):
            if link.get("rel") == "alternate":
                alternate = self._post(link["url"], None).text
                if topmost_issuer(alternate) == preferred_chain:
                    return alternate
        return response.text

    def revoke(self, leaf: x509.Certificate, reason: int) -> None:
        """Revoke a certificate (section 7.6); one that is revoked already is no failure.

        Signed by the account, or by the certificate's own key where this client has that and no account.
        """
        try:
            self._post(self._url("revokeCert"), messages.Revocation(certificate=leaf, reason=reason))
        except Problem as problem:
            if problem.code != "alreadyRevoked":
                raise

    def _why_invalid(self, order: messages.Order) -> str:
        """Say which names failed and why: the order itself does not name them."""
        reasons = [_explain(_object(self._post(url, None))) for url in order.authorizations or ()]
        if not any(reasons) and order.error:
            reasons = [describe_problem(order.error.to_json())]
        return "; ".join(filter(None, reasons)) or "the authority gave no reason"

    def _post(self, url: str, body: JSONDeSerializable | None) -> requests.Response:
        try:
            return self._network.post(url, body, new_nonce_url=self._url("newNonce"))
        except requests.RequestException as error:
            raise AcmeError(
                f"the certificate authority cannot be reached at {url}: {error}. "
                "The schedule tries again by itself."
            ) from error
        except errors.Error as error:
            raise AcmeError(
                f"{url} did not answer as RFC 8555 says: {type(error).__name__}: {error}"
            ) from error

    def _url(self, resource: str) -> str:
        url = self._directory.get(resource)
        if not isinstance(url, str):
            raise AcmeError(f"the directory has no {resource} (RFC 8555 section 7.1.1)")
        return url


class _ReplacingOrder(messages.NewOrder):
    """A new order with the field of RFC 9773 section 5, which the library does not have."""

    replaces: str = json_field("replaces", omitempty=True)


def _new_order(fields: Mapping[str, Any], replaces: str | None) -> messages.NewOrder:
    return _ReplacingOrder(replaces=replaces, **fields) if replaces else messages.NewOrder(**fields)


def _is_about_replaces(problem: Problem) -> bool:
    """Tell whether `replaces` may be the reason: replaced already, another account's, not known.

    Pebble (2.10) answers 500 "could not find an order for the given certificate" where the serial's DER
    begins with a zero byte: one certificate in 256.
    """
    detail = problem.detail.lower()
    return (
        problem.status == _CONFLICT
        or problem.code in {"alreadyReplaced", "malformed", "unauthorized"}
        or any(words in detail for words in ("replac", "given certificate"))
    )


def _algorithm(key: AccountKey) -> JWASignature:
    if isinstance(key, JWKRSA):
        return RS256
    return ES384 if key.key.key_size == _P384_BITS else ES256


def _asked(response: requests.Response) -> float:
    return retry_after_seconds(response.headers.get("Retry-After")) or 0.0


def _location(response: requests.Response) -> str:
    try:
        return response.headers["Location"]
    except KeyError:
        raise AcmeError(f"{response.url} answered without the Location header (RFC 8555)") from None


def _object(response: requests.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise AcmeError(f"{response.url} answered no JSON object (RFC 8555)")
    return document


def _read(kind: type[_Resource], response: requests.Response) -> _Resource:
    try:
        resource: _Resource = kind.from_json(_object(response))
    except DeserializationError as error:
        raise AcmeError(
            f"{response.url} did not answer with the {kind.__name__.lower()} of RFC 8555: {error}"
        ) from error
    return resource


def _name(authorization: Mapping[str, Any]) -> str:
    identifier = authorization.get("identifier")
    name = identifier.get("value") if isinstance(identifier, Mapping) else "a name"
    return f"{'*.' if authorization.get('wildcard') else ''}{name}"


def _explain(authorization: Mapping[str, Any]) -> str:
    """Return what an authorization's challenges failed with, and for which name; empty if they did not."""
    problems = [one["error"] for one in authorization.get("challenges") or () if one.get("error")]
    return "; ".join(describe_problem(problem, name=_name(authorization)) for problem in problems)
