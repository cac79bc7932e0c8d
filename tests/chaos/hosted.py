"""The services, each replica on a host of its own, asked with tokens: an open door is for loopback only."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from chaos.network import Network
from processes import NAMES, Services

ISSUER = "https://ehr.example/auth"
AUDIENCE = "https://isodose.example.org/fhir"
PORT = 8001


@dataclass(frozen=True)
class Keys:
    """Where the services find the keys of who issues tokens, and those they know one another by."""

    settings: Mapping[str, str]
    header: Mapping[str, str]
    audit: bytes

    @classmethod
    def made(cls, directory: Path) -> Keys:
        key = ECKey.generate_key("P-384", {"kid": "k", "use": "sig"})
        files = {name: directory / name for name in ("jwks.json", "service.key", "audit.key")}
        audit = secrets.token_hex(32)
        files["jwks.json"].write_text(json.dumps(KeySet([key]).as_dict(private=False)))
        files["service.key"].write_text(secrets.token_hex(32))
        files["audit.key"].write_text(audit)
        settings = {
            "ISODOSE_AUTH": "smart",
            "ISODOSE_SMART_ISSUER": ISSUER,
            "ISODOSE_SMART_AUDIENCE": AUDIENCE,
            "ISODOSE_SMART_TOKEN_URL": f"{ISSUER}/token",
            "ISODOSE_SMART_JWKS_FILE": str(files["jwks.json"]),
            "ISODOSE_SERVICE_KEY_FILE": str(files["service.key"]),
            "ISODOSE_AUDIT_KEY_FILE": str(files["audit.key"]),
        }
        return cls(settings, {"authorization": f"Bearer {_token(key)}"}, audit.encode())


def _token(key: ECKey) -> str:
    now = int(time.time())
    said = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ehr", "client_id": "ehr", "iat": now, "exp": now + 36_000,
        "scope": "system/*.cruds",
    }  # fmt: skip
    header = {"alg": "ES384", "kid": "k", "typ": "JWT"}
    return jwt.encode(header, said, key, algorithms=["ES384"])


def environments(
    names: list[str], network: Network, log_url: str, new_database: Callable[[], str], keys: Keys
) -> dict[str, dict[str, str]]:
    """Of each replica; those of one service share its database."""
    databases = {name: new_database() for name in names if "#" not in name}
    urls = {f"ISODOSE_{name.upper()}_URL": f"http://{network.address(name)}:{PORT}" for name in databases}
    common = {"ISODOSE_EVENT_LOG_URL": log_url, "ISODOSE_DEMONSTRATION_DAY": "2026-11-23", **urls}
    return {
        name: common
        | dict(keys.settings)
        | {
            "ISODOSE_HOST": network.address(name),
            "ISODOSE_PORT": str(PORT),
            "ISODOSE_DATABASE_URL": databases[name.partition("#")[0]],
        }
        for name in names
    }


def replicas(names: tuple[str, ...] = NAMES, twice: tuple[str, ...] = NAMES) -> list[str]:
    """The names of the processes: one for each service, and a second where there is to be one."""
    return [*names, *(f"{name}#2" for name in twice)]


class HostedServices(Services):
    """The processes, each begun on its host."""

    def __init__(self, environments: Mapping[str, Mapping[str, str]], logs: Path, network: Network) -> None:
        super().__init__(environments, logs)
        self._network = network

    def start(self, name: str) -> None:
        with self._network.at(name):
            super().start(name)
