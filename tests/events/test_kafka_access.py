"""A Kafka that asks who is there: TLS, SCRAM and OAUTHBEARER against the real broker."""

from __future__ import annotations

import base64
import gc
import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from isodose.events.contract import TOPICS
from isodose.events.kafka_access import KafkaAccess, access_of
from isodose.events.log import LogUnavailable, Record, open_log
from isodose.settings import Settings

pytestmark = pytest.mark.kafka
TOPIC = "isodose.patient-record.v1"
PASSWORD = "let me in"


@pytest.fixture(scope="module")
def scram(kafka_url: str, server_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> KafkaAccess:
    """The access of a user that the broker knows."""
    admin = KafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    user = UserScramCredentialUpsertion("isodose", ScramMechanism.SCRAM_SHA_512, PASSWORD)
    admin.alter_user_scram_credentials([user])
    admin.close()
    secret = tmp_path_factory.mktemp("kafka") / "password"
    secret.write_text(f"{PASSWORD}\n")
    return KafkaAccess(
        tls=True, ca_file=server_dir / "ca.pem", sasl="SCRAM-SHA-512", user="isodose", secret_file=secret
    )


class _TokenEndpoint(BaseHTTPRequestHandler):
    """Gives an unsigned token to the client that knows its secret, as RFC 6749 has it."""

    asked: ClassVar[list[dict[str, list[str]]]] = []

    def do_POST(self) -> None:
        known = base64.b64encode(f"isodose:{PASSWORD}".encode()).decode()
        granted = self.headers["authorization"] == f"Basic {known}"
        self.asked.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.send_response(200 if granted else 401)
        self.end_headers()
        now = int(time.time())
        parts = ({"alg": "none"}, {"sub": "isodose", "iat": now, "exp": now + 300})
        token = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
        answer = {"access_token": f"{token}.", "expires_in": 300} if granted else {"error": "invalid_client"}
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def token_url() -> Iterator[str]:
    _TokenEndpoint.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), _TokenEndpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def travels(
    secured_kafka_url: str, topic_prefix: str
) -> Iterator[Callable[[KafkaAccess], list[bytes | None]]]:
    """Publishes with an access and reads it back with the same one.

    The client leaves the socket of a refused connection to the collector, which comes by here.
    """

    def there_and_back(access: KafkaAccess) -> list[bytes | None]:
        log = open_log(f"{secured_kafka_url}?prefix={topic_prefix}", [TOPICS[TOPIC]], access)
        try:
            log.check()
            log.publish([Record(TOPIC, "p1", b"told")])
            subscription = log.subscribe("g", [TOPIC], lambda topic, partition: None)
            until, found = time.monotonic() + 20, []
            while not found and time.monotonic() < until:
                found = [one.value for one in subscription.poll(0.5)]
            subscription.close()
            return found
        finally:
            log.close()

    yield there_and_back
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_events_travel_over_tls_for_a_user_with_a_password(travels, scram):
    assert travels(scram) == [b"told"]


def test_events_travel_for_a_client_with_a_token(travels, scram, token_url):
    access = replace(scram, sasl="OAUTHBEARER", token_url=token_url, scope="kafka")
    assert travels(access) == [b"told"]
    assert _TokenEndpoint.asked[0] == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


@pytest.mark.parametrize(
    "other",
    [
        {"user": "somebody"},
        {"ca_file": None},
        {"sasl": "OAUTHBEARER", "token_url": "http://127.0.0.1:9/token"},
        {"secret_file": Path("/no/such/file")},
    ],
    ids=["unknown user", "certificate nobody vouches for", "no token", "no password"],
)
def test_a_broker_that_does_not_let_us_in_is_away_and_says_no_secret(travels, scram, other):
    with pytest.raises(LogUnavailable) as caught:
        travels(replace(scram, **other))
    assert PASSWORD not in str(caught.value)


def test_the_settings_say_all_of_it(tmp_path: Path) -> None:
    told = KafkaAccess(True, tmp_path, tmp_path, tmp_path, "OAUTHBEARER", "me", tmp_path, "http://t", "s")
    settings = Settings(
        kafka_tls=True,
        kafka_ca_file=tmp_path,
        kafka_cert_file=tmp_path,
        kafka_key_file=tmp_path,
        kafka_sasl="OAUTHBEARER",
        kafka_user="me",
        kafka_secret_file=tmp_path,
        kafka_token_url="http://t",
        kafka_scope="s",
    )
    assert access_of(settings) == told
    assert access_of(Settings()).options() == {"security_protocol": "PLAINTEXT"}
