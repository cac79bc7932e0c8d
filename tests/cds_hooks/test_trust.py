"""Only trusted CDS clients are answered: each call carries their signed token, once, for this address."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

from isodose.cds_hooks.trust import CdsClient, CdsTrust, clients_in
from isodose.security.callers import ServiceKey
from isodose.security.keys import FixedKeys

BASE = "https://isodose.example.org"
ISS = "https://ehr.example"
JKU = "https://ehr.example/jwks.json"
EC = ECKey.generate_key("P-384", {"kid": "ec", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
SERVICES = ServiceKey(b"s" * 32)
counter = iter(range(10_000))


@pytest.fixture
def trusting(desk: Any) -> Any:
    keys = FixedKeys(KeySet([EC, RSA]).as_dict(private=False))
    limited = CdsClient(iss="https://limited.example", keys=keys, tenants=frozenset({"north"}))
    desk.trust = CdsTrust([CdsClient(iss=ISS, keys=keys, jku=JKU), limited], BASE, SERVICES)
    return desk


def token(
    path: str = "/cds-services/view",
    key: Key = EC,
    alg: str = "ES384",
    head: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """A token that is right, but for what is changed; None leaves a claim or a header out."""
    said: dict[str, Any] = {
        "iss": ISS, "aud": BASE + path, "iat": 0, "exp": 300, "jti": f"n{next(counter)}", **claims
    }  # fmt: skip
    header = {"alg": alg, "kid": key.kid, "typ": "JWT", **(head or {})}
    now = int(time.time())
    said |= {name: now + said[name] for name in ("iat", "exp", "nbf") if said.get(name) is not None}
    held = [{name: value for name, value in one.items() if value is not None} for one in (header, said)]
    return jwt.encode(held[0], held[1], key, algorithms=[alg])


def called(desk: Any, value: str, service: str = "view") -> int:
    return int(desk.post(service, desk.request(), authorization=f"Bearer {value}").status_code)


def test_both_recommended_algorithms_are_taken(trusting: Any) -> None:
    assert called(trusting, token()) == 200
    assert called(trusting, token(key=RSA, alg="RS384")) == 200
    assert called(trusting, token(head={"jku": JKU})) == 200
    assert called(trusting, token(aud=["https://x.example", f"{BASE}/cds-services/view"])) == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": BASE},
        {"aud": f"{BASE}/cds-services/other"},
        {"aud": None},
        {"exp": -120},
        {"exp": None},
        {"exp": 90_000},
        {"iat": None},
        {"iat": 600},
        {"nbf": 600},
        {"jti": None},
        {"head": {"kid": None}},
        {"head": {"kid": "unknown"}},
        {"head": {"typ": "at+jwt"}},
        {"head": {"jku": "https://attacker.example/jwks.json"}},
        pytest.param({"key": ECKey.generate_key("P-384", {"kid": "ec"})}, id="another key"),
        pytest.param(
            {"key": OctKey.import_key(b"k" * 32, {"kid": "ec"}), "alg": "HS256"}, id="a shared secret"
        ),
    ],
    ids=str,
)
def test_a_token_that_is_not_right_is_refused(changed: dict[str, Any], trusting: Any) -> None:
    answer = trusting.post("view", trusting.request(), authorization=f"Bearer {token(**changed)}")
    assert answer.status_code == 401
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert trusting.calls == []


def test_a_call_without_a_token_is_refused_before_it_is_read(trusting: Any) -> None:
    assert trusting.post("view", b"{nonsense").status_code == 401
    assert trusting.post("view", trusting.request(), authorization="Basic x").status_code == 401
    assert trusting.post("view/feedback", {"feedback": []}).status_code == 401
    assert trusting.get("/cds-services").status_code == 401


def test_a_token_is_used_once(trusting: Any) -> None:
    used = token()
    assert [called(trusting, used), called(trusting, used)] == [200, 401]


def test_a_token_that_failed_elsewhere_is_still_good_where_it_belongs(trusting: Any) -> None:
    meant = token("/cds-services/other")
    assert called(trusting, meant) == 401
    assert called(trusting, meant, "other") == 200


def test_discovery_and_feedback_have_addresses_of_their_own(trusting: Any) -> None:
    right = {"authorization": f"Bearer {token('/cds-services')}"}
    assert trusting.get("/cds-services", **right).status_code == 200
    batch = {"feedback": [{"card": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "outcome": "accepted"}]}
    batch["feedback"][0] |= {
        "outcomeTimestamp": "2026-11-23T10:00:00Z",
        "acceptedSuggestions": [{"id": "d1577c69-dfbe-44ad-ba6d-3e05e953b2eb"}],
    }  # type: ignore[dict-item]
    signed = token("/cds-services/view/feedback")
    assert trusting.post("view/feedback", batch, authorization=f"Bearer {signed}").status_code == 200


def test_a_service_here_may_discover_and_no_more(trusting: Any) -> None:
    own = SERVICES.token("worklist")
    assert trusting.get("/cds-services", authorization=f"Bearer {own}").status_code == 200
    assert called(trusting, own) == 401


def test_only_listed_tenants_may_call_where_they_are_listed(trusting: Any) -> None:
    limited = {"iss": "https://limited.example"}
    assert called(trusting, token(**limited, tenant="north")) == 200
    assert called(trusting, token(**limited, tenant="south")) == 403


def test_each_call_is_told_to_the_audit_with_patient_client_and_outcome(trusting: Any) -> None:
    called(trusting, token())
    called(trusting, "nonsense")
    (good, who), (bad, nobody) = trusting.witnessed
    assert (good.interaction, good.type, good.status, good.patients) == ("cds-call", "view", 200, ("p1",))
    assert who.client == ISS
    assert (bad.status, bad.patients, nobody) == (401, (), None)


def test_the_list_of_clients_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(KeySet([EC]).as_dict(private=False)))
    file = tmp_path / "clients.yaml"
    file.write_text(
        "- {iss: https://a.example, jwks_file: keys.json, tenants: [north]}\n- {iss: https://b.example, jku: https://b.example/k}\n"
    )
    first, second = clients_in(file)
    assert first.keys.find("ec", "ES384").kid == "ec"
    assert (first.tenants, second.jku) == ({"north"}, "https://b.example/k")


@pytest.mark.parametrize(
    "content",
    [
        "iss: x",
        "- {jku: https://x}",
        "- {iss: x}",
        "- {iss: x, colour: red}",
        "- {iss: x, jwks_file: no.json}",
    ],
)
def test_a_list_that_is_wrong_names_the_file(content: str, tmp_path: Path) -> None:
    file = tmp_path / "clients.yaml"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"clients\.yaml|no\.json"):
        clients_in(file)
