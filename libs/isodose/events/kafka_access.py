"""How the platform gets at a Kafka that asks who is there: TLS, and SASL with SCRAM or OAUTHBEARER.

https://kafka.apache.org/documentation/#security · https://datatracker.ietf.org/doc/html/rfc6749#section-4.4
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from kafka.net.compat import KafkaNetClient
from kafka.net.sasl.oauth import AbstractTokenProvider

from isodose.settings import Settings

BOOTSTRAP_MS = 10_000
"""A client that reaches no broker for so long is given up; the library would take three times as long."""
EARLY_S = 30.0
"""A token is renewed this long before it ends."""


def made(kind: Callable[..., Any], **options: Any) -> tuple[Any, KafkaNetClient]:
    """A consumer, producer or admin client, and the connections that it goes through, to be closed after it.

    The library leaves a thread and its sockets behind where a client cannot be made, or cannot leave its
    group: in an outage one more at every attempt. Those that were refused hang in cycles until the garbage
    collector is next due. Raises what `kind` raises.
    """
    nets: list[KafkaNetClient] = []

    def net(**told: Any) -> KafkaNetClient:
        nets.append(KafkaNetClient(**told))
        return nets[-1]

    try:
        return kind(**({"bootstrap_timeout_ms": BOOTSTRAP_MS} | options), kafka_client=net), nets[0]
    except BaseException:
        for one in nets:
            one.close()
        gc.collect()
        raise


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """What a client shows and demands. Files are read whenever a client is made.

    `user` and the secret in `secret_file` are name and password for SCRAM, client id and client secret for
    OAUTHBEARER, whose tokens come from `token_url` by client credentials.
    """

    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    sasl: str = ""
    user: str = ""
    secret_file: Path | None = None
    token_url: str = ""
    scope: str = ""

    def options(self) -> dict[str, Any]:
        """As the client wants to be told. Raises `OSError` without a file or a token."""
        protocol = ("SASL_" if self.sasl else "") + ("SSL" if self.tls else "PLAINTEXT")
        told: dict[str, Any] = {"security_protocol": protocol}
        if self.tls:
            files = {"ssl_cafile": self.ca_file, "ssl_certfile": self.cert_file, "ssl_keyfile": self.key_file}
            told |= {name: str(file) for name, file in files.items() if file is not None}
        if self.sasl:
            told["sasl_mechanism"] = self.sasl
        if self.sasl == "OAUTHBEARER":
            tokens = _Tokens(self)
            tokens.token()
            told["sasl_oauth_token_provider"] = tokens
        elif self.sasl:
            told |= {"sasl_plain_username": self.user, "sasl_plain_password": self.secret()}
        return told

    def secret(self) -> str:
        return self.secret_file.read_text(encoding="utf-8").strip() if self.secret_file else ""


def access_of(settings: Settings) -> KafkaAccess:
    return KafkaAccess(
        tls=settings.kafka_tls,
        ca_file=settings.kafka_ca_file,
        cert_file=settings.kafka_cert_file,
        key_file=settings.kafka_key_file,
        sasl=settings.kafka_sasl,
        user=settings.kafka_user,
        secret_file=settings.kafka_secret_file,
        token_url=settings.kafka_token_url,
        scope=settings.kafka_scope,
    )


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Access tokens of one client, each used until shortly before it ends."""

    def __init__(self, access: KafkaAccess) -> None:
        super().__init__()
        self._access = access
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def token(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                given = self._fetched()
                self._token = str(given["access_token"])
                self._until = time.monotonic() + float(given.get("expires_in", 60)) - EARLY_S
            return self._token

    def extensions(self) -> Mapping[str, str]:
        return {}

    def _fetched(self) -> Mapping[str, Any]:
        asked = {"grant_type": "client_credentials"} | (
            {"scope": self._access.scope} if self._access.scope else {}
        )
        try:
            answer = httpx.post(
                self._access.token_url,
                data=asked,
                auth=(self._access.user, self._access.secret()),
                timeout=10,
            )
            answer.raise_for_status()
            given: Mapping[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ConnectionError(f"no token for Kafka: {type(error).__name__}") from error
        if "access_token" not in given:
            raise ConnectionError("no token for Kafka: the answer holds none")
        return given
