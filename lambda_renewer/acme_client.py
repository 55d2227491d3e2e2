"""The acme library's network, mended where it gets in the way, and the requests of RFC 8555 over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import requests
from acme import client, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import DeserializationError
from josepy.interfaces import JSONDeSerializable
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from .clock import Deadline, back_off, retry_after_seconds
from .errors import AcmeError, OrderFailed, Problem, describe_problem

_Resource = TypeVar("_Resource", messages.Directory, messages.Order, messages.Authorization)

_USER_AGENT = "synology-https"
_BAD_NONCE_TRIES = 20
_REQUEST_SECONDS = 30
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


class AcmeClient:
    """One account at one certificate authority: requests as RFC 8555 names them, one a method."""

    def __init__(self, directory_url: str, key: JWKEC, *, ca_root: str | None = None) -> None:
        """Fetch the directory (section 7.1.1).

        Args:
            directory_url: https URL of the directory.
            key: the account key.
            ca_root: path of a PEM file with the roots that verify the directory's HTTPS, or None.

        Raises:
            AcmeError: the authority cannot be reached, or the answer is no directory.
        """
        self._network = Network(
            key=key,
            alg=ES256,
            verify_ssl=ca_root or True,  # type: ignore[arg-type]  # requests takes a path too
            user_agent=_USER_AGENT,
            timeout=_REQUEST_SECONDS,
        )
        self.directory_url = directory_url
        self.directory = _read(messages.Directory, self._reached(lambda: self._network.get(directory_url)))

    def profiles(self) -> dict[str, str]:
        """Return the profiles that the directory offers, name -> description; empty where it has none."""
        return dict(self.directory.meta.profiles or {})

    def terms_of_service(self) -> str | None:
        """Return the URL of the authority's terms of service, if it has any."""
        url = self.directory.meta.terms_of_service
        return str(url) if url else None

    def new_account(self, *, contact: str | None, terms_agreed: bool) -> str:
        """Make the account, or find it by its key (section 7.3.1), and sign with it from now on.

        Returns:
            The account URL, the `kid` of all further requests.
        """
        fields: dict[str, Any] = {"terms_of_service_agreed": terms_agreed} if terms_agreed else {}
        if contact:
            fields["contact"] = (f"mailto:{contact}",)
        kid = self._location(self._post("newAccount", messages.NewRegistration(**fields)))
        self.use_account(kid)
        return kid

    def use_account(self, kid: str) -> None:
        """Sign with the known account `kid` from now on; takes no request."""
        self._network.account = messages.RegistrationResource(uri=kid, body=messages.Registration())

    def new_order(self, domains: tuple[str, ...], *, profile: str | None) -> messages.OrderResource:
        """Ask for a certificate (section 7.4)."""
        identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in domains]
        fields = {"profile": profile} if profile else {}
        response = self._post("newOrder", messages.NewOrder(identifiers=identifiers, **fields))
        return messages.OrderResource(body=_read(messages.Order, response), uri=self._location(response))

    def authorization(self, url: str) -> messages.Authorization:
        """Fetch an authorization (section 7.5)."""
        return _read(messages.Authorization, self._post(url, None))

    def dns01_value(self, challenge: messages.ChallengeBody) -> str:
        """Return the TXT value: the digest of the key authorization (section 8.4)."""
        return str(challenge.chall.validation(self._network.key))

    def answer(self, challenge: messages.ChallengeBody) -> None:
        """Tell the authority that the challenge is ready (section 7.5.1)."""
        self._post(challenge.uri, challenge.chall.response(self._network.key))

    def finalize(self, order: messages.OrderResource, csr: Any) -> None:
        """Send the certificate signing request (section 7.4)."""
        self._post(order.body.finalize, messages.CertificateRequest(csr=csr))

    def poll_order(
        self, order: messages.OrderResource, wanted: messages.Status, deadline: Deadline
    ) -> messages.Order:
        """Poll the order until it has the status `wanted`, heeding Retry-After (section 7.1.6).

        Raises:
            OrderFailed: it became invalid; the names that failed are named.
            DeadlineExceeded: the authority took too long.
        """
        pauses = back_off(_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS)
        while True:
            deadline.sleep(next(pauses), waiting_for=f"the order to become {wanted.name}")
            response = self._post(order.uri, None)
            body = _read(messages.Order, response)
            if body.status == messages.STATUS_INVALID:
                raise OrderFailed(f"the order became invalid: {self._explain(body)}")
            if body.status in {wanted, messages.STATUS_VALID}:
                return body
            asked = retry_after_seconds(response.headers.get("Retry-After"))
            if asked:
                deadline.sleep(asked, waiting_for=f"the authority's Retry-After of {asked:.0f} s")

    def certificate(self, url: str) -> str:
        """Download the full chain as PEM (section 7.4.2)."""
        return self._post(url, None).text

    def _explain(self, order: messages.Order) -> str:
        """Say which names failed and why: the order itself does not name them."""
        reasons = []
        for url in order.authorizations or ():
            authorization = self._post(url, None).json()
            for challenge in authorization.get("challenges", ()):
                if challenge.get("error"):
                    name = authorization.get("identifier", {}).get("value", "a name")
                    wildcard = "*." if authorization.get("wildcard") else ""
                    reasons.append(describe_problem(challenge["error"], name=f"{wildcard}{name}"))
        if not reasons and order.error:
            reasons.append(describe_problem(order.error.to_json()))
        return "; ".join(reasons) or "the authority gave no reason"

    def _post(self, where: str, body: JSONDeSerializable | None) -> requests.Response:
        try:
            url = where if where.startswith("https:") else str(self.directory[where])
            new_nonce_url = str(self.directory["newNonce"])
        except KeyError as error:
            raise AcmeError(f"the directory {self.directory_url} lacks {error} (RFC 8555)") from None
        return self._reached(lambda: self._network.post(url, body, new_nonce_url=new_nonce_url))

    def _location(self, response: requests.Response) -> str:
        try:
            return response.headers["Location"]
        except KeyError:
            raise AcmeError(f"{response.url} answered without the Location header (RFC 8555)") from None

    def _reached(self, send: Callable[[], requests.Response]) -> requests.Response:
        try:
            return send()
        except requests.RequestException as error:
            raise AcmeError(
                f"the certificate authority at {self.directory_url} cannot be reached: {error}. "
                "The schedule tries again by itself."
            ) from error
        except errors.Error as error:
            raise AcmeError(
                f"{self.directory_url} did not answer as RFC 8555 says: {type(error).__name__}: {error}"
            ) from error


def _read(kind: type[_Resource], response: requests.Response) -> _Resource:
    try:
        document = response.json()
        if not isinstance(document, dict):
            raise ValueError("no JSON object")  # noqa: TRY004 - one kind of failure for the reader
        resource: _Resource = kind.from_json(document)
    except (ValueError, DeserializationError) as error:
        raise AcmeError(
            f"{response.url} did not answer with the {kind.__name__.lower()} of RFC 8555: {error}"
        ) from error
    return resource
