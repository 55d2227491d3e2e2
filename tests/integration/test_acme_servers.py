"""Both ACME servers, each with real dns-01 validation through our DNS server."""

from __future__ import annotations

import base64
import json
import os
import ssl
import urllib.error
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from acme import errors
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import VerificationError

from local_cloud import acme as acme_servers
from local_cloud.acme import Acme2Certifier, AcmeServer, Pebble, find_acme_server
from local_cloud.acme.certificates import make_authority
from local_cloud.acme.server import fetch
from local_cloud.dns_server import DnsServer
from local_cloud.system_programs import ProgramMissing
from tests.acme_issuance import connect, issue, verify
from tests.fake_route53 import FakeRoute53

BUILD = Path(__file__).parents[2] / "build"
LIFETIME = 45 * 86_400 + 1_800  # long enough for the day that Pebble adds around two thirds
DOMAINS = ["example.com", "*.example.com"]


@pytest.fixture
def route53() -> FakeRoute53:
    return FakeRoute53()


@pytest.fixture
def zone(route53: FakeRoute53) -> str:
    return route53.add_zone("example.com.")


@pytest.fixture
def dns(route53: FakeRoute53) -> Iterator[DnsServer]:
    with DnsServer(route53) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture(params=["pebble", "acme2certifier"])
def server(request: pytest.FixtureRequest, dns: DnsServer, tmp_path: Path) -> Iterator[AcmeServer]:
    chosen: AcmeServer
    if request.param == "pebble":
        # Another Pebble than the machine's, for a check of versions: PEBBLE=path pytest …
        program = os.environ.get("PEBBLE") or request.getfixturevalue("pebble")
        chosen = Pebble(Path(program), tmp_path, dns.port, LIFETIME, nonce_reject_percent=0)
    else:
        chosen = Acme2Certifier(tmp_path, dns.port, LIFETIME, build=BUILD)
    with chosen:
        yield chosen


def test_issues_what_the_issuing_root_verifies(server: AcmeServer, route53: FakeRoute53, zone: str) -> None:
    chain = issue(server, route53, zone, DOMAINS)
    for name in ("example.com", "nas.example.com"):
        verify(chain, server.issuing_root(), name)
    assert chain[1:] == (x509.load_pem_x509_certificates(server.issuing_intermediates().encode()))
    with pytest.raises(VerificationError):
        verify(chain, make_authority("another").certificate_pem(), "example.com")
    leaf = chain[0]
    lifetime = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds()
    assert abs(lifetime - LIFETIME) <= 1
    if server.supports_renewal_info:
        assert 0.64 < renewal_share(server, leaf) < 0.69


def renewal_share(server: AcmeServer, leaf: x509.Certificate) -> float:
    """Return where in the certificate's life the ARI client of the acme library would renew it."""
    moment, _again = connect(server).renewal_time(leaf.public_bytes(Encoding.PEM))
    assert moment is not None
    return (moment - leaf.not_valid_before_utc).total_seconds() / LIFETIME


def test_a_wrong_txt_value_fails(server: AcmeServer, route53: FakeRoute53, zone: str) -> None:
    with pytest.raises(errors.Error) as raised:
        issue(server, route53, zone, DOMAINS, spoil=True)
    assert not isinstance(raised.value, errors.TimeoutError)


def test_the_directory_verifies_against_its_root_only(server: AcmeServer, tmp_path: Path) -> None:
    assert server.directory()["newOrder"].startswith("https://127.0.0.1:")
    assert "newOrder" in fetch(server.directory_url.replace("127.0.0.1", "localhost"), server.ca_root)
    other = tmp_path / "other.pem"
    other.write_text(make_authority("another").certificate_pem())
    with pytest.raises(urllib.error.URLError) as raised:
        fetch(server.directory_url, other)
    assert isinstance(raised.value.reason, ssl.SSLCertVerificationError)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux' /proc")
def test_listens_on_loopback_only(server: AcmeServer) -> None:
    sockets = {
        str(one.readlink()) for one in Path(f"/proc/{server.service.pid}/fd").iterdir() if one.is_symlink()
    }
    listening = [
        fields[1].split(":")[0]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets
    ]
    assert listening
    assert set(listening) == {"0100007F"}


def test_a_stopped_server_is_gone_and_a_second_install_does_nothing(
    server: AcmeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    with pytest.raises(OSError):
        server.directory()
    if isinstance(server, Acme2Certifier):
        monkeypatch.setattr("subprocess.run", None)
        acme_servers.acme2certifier.install(BUILD)


@pytest.fixture
def stand_in(dns: DnsServer, tmp_path: Path) -> Iterator[Acme2Certifier]:
    with Acme2Certifier(tmp_path, dns.port, 6 * 86_400, build=BUILD, profiles={"classic": "6"}) as made:
        yield made


def window(server: Acme2Certifier, leaf: x509.Certificate) -> tuple[float, float]:
    """Return when the suggested window begins and ends, in days of the certificate's life."""
    key_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    serial = leaf.serial_number.to_bytes((leaf.serial_number.bit_length() + 8) // 8, "big")
    ari_id = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (key_id, serial))
    answer = json.loads(fetch(f"{server.directory()['renewalInfo']}/{ari_id}", server.ca_root))
    moments = (datetime.fromisoformat(answer["suggestedWindow"][end]) for end in ("start", "end"))
    start, end = ((moment - leaf.not_valid_before_utc).total_seconds() / 86_400 for moment in moments)
    return start, end


def test_what_the_stand_in_revoked_is_to_be_renewed_at_once(
    stand_in: Acme2Certifier, route53: FakeRoute53, zone: str
) -> None:
    """By its holder's wish, by the authority's own, and no other (RFC 9773 section 4.2)."""
    acme = connect(stand_in)
    first, second, third = (issue(stand_in, route53, zone, DOMAINS, acme=acme)[0] for _ in range(3))
    assert window(stand_in, first) == pytest.approx((2.94, 3.06), abs=0.01)
    acme.revoke(first, 4)
    start, end = window(stand_in, first)
    assert 0 <= start < end < 0.001
    assert window(stand_in, second)[0] > 2
    stand_in.revoke_everything()
    for leaf in (first, second, third):
        assert window(stand_in, leaf)[1] < 0.001
    fourth = issue(stand_in, route53, zone, DOMAINS)[0]
    assert window(stand_in, fourth)[0] > 2
    assert len(stand_in.issued()) == 4


def test_the_stand_in_plays_dead_and_comes_back_with_another_lifetime(
    stand_in: Acme2Certifier, route53: FakeRoute53, zone: str
) -> None:
    assert stand_in.directory()["meta"]["profiles"] == {"classic": "6"}
    before = issue(stand_in, route53, zone, DOMAINS)[0]
    stand_in.close()
    with pytest.raises(OSError):
        stand_in.directory()
    stand_in.open()
    stand_in.issue_for(45 * 86_400)
    after = issue(stand_in, route53, zone, DOMAINS)[0]
    assert [(one.not_valid_after_utc - one.not_valid_before_utc).days for one in (before, after)] == [6, 45]
    assert window(stand_in, before)[0] == pytest.approx(0.66 * 6, abs=0.01)  # it goes by what it is told now


def test_the_stand_in_can_do_without_renewal_information(dns: DnsServer, tmp_path: Path) -> None:
    with Acme2Certifier(tmp_path, dns.port, LIFETIME, build=BUILD, renewal_info=False) as made:
        assert not made.supports_renewal_info


def test_without_pebble_the_stand_in_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_programs: object, _build: object) -> dict[str, Path]:
        raise ProgramMissing("none here")

    monkeypatch.setattr(acme_servers.find, "provide", missing)
    assert find_acme_server(tmp_path, 53, LIFETIME, build=BUILD).name == "acme2certifier"
    monkeypatch.setattr(acme_servers.find, "provide", lambda *_: {"pebble": Path("/bin/pebble")})
    assert find_acme_server(tmp_path, 53, LIFETIME, build=BUILD).name == "Pebble"
