"""One dns-01 issuance with the acme library's own high-level path, for tests of the ACME servers."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from acme import challenges, crypto_util, messages
from acme.client import ClientNetwork, ClientV2
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from local_cloud.acme import AcmeServer
from tests.fake_route53 import FakeRoute53


def connect(server: AcmeServer) -> ClientV2:
    key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    network = ClientNetwork(key=key, alg=ES256, verify_ssl=str(server.ca_root), timeout=15)  # type: ignore[arg-type]  # a path is taken too
    acme = ClientV2(ClientV2.get_directory(server.directory_url, network), network)
    acme.new_account(messages.NewRegistration.from_data(email="a@example.com", terms_of_service_agreed=True))
    return acme


def issue(
    server: AcmeServer,
    route53: FakeRoute53,
    zone: str,
    domains: list[str],
    *,
    spoil: bool = False,
    acme: ClientV2 | None = None,
) -> list[x509.Certificate]:
    """Return the issued chain, leaf first, ordered with a new account unless `acme` has one.

    `spoil` puts wrong TXT values in place of the right ones.
    """
    acme = acme or connect(server)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    profile = "classic" if server.supports_profiles else None
    order = acme.new_order(crypto_util.make_csr(key, domains), profile=profile)
    values: dict[str, list[str]] = defaultdict(list)
    answers = []
    for authorization in order.authorizations:
        body = next(one for one in authorization.body.challenges if isinstance(one.chall, challenges.DNS01))
        response, value = body.response_and_validation(acme.net.key)
        name = body.chall.validation_domain_name(authorization.body.identifier.value) + "."
        values[name].append(f'"{"wrong" if spoil else value}"')
        answers.append((body, response))
    for name, quoted in values.items():
        route53.put(zone, name, "TXT", *quoted)
    for body, response in answers:
        acme.answer_challenge(body, response)
    done = acme.poll_and_finalize(order, deadline=datetime.now() + timedelta(seconds=30))
    return x509.load_pem_x509_certificates(done.fullchain_pem.encode())


def verify(chain: list[x509.Certificate], root_pem: str, name: str) -> None:
    """Raise VerificationError unless the chain ends in the root and is for `name`."""
    store = Store(x509.load_pem_x509_certificates(root_pem.encode()))
    verifier = PolicyBuilder().store(store).time(datetime.now(UTC)).build_server_verifier(x509.DNSName(name))
    verifier.verify(chain[0], chain[1:])
