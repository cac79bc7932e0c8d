"""Everything a site may choose, in one frozen object: the only reader of the environment.

Each field `x` is the variable `ISODOSE_X`, except where an alias says otherwise.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

CANONICAL_BASE = "https://isodose.example/fhir"


def _parted(value: Any) -> Any:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parted)]
Numbers = Annotated[dict[str, int], NoDecode, BeforeValidator(_read)]


class Settings(BaseSettings):
    """Settings of one service, or of all services in one process. Lists are written with commas."""

    model_config = SettingsConfigDict(
        env_prefix="ISODOSE_", frozen=True, extra="ignore", populate_by_name=True
    )

    database_url: str = Field(
        default="",
        description="sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME; empty: a file per service",
    )
    event_log_url: str = Field(
        default="",
        description="sqlite:///FILE or kafka://HOST:PORT[,HOST:PORT]; empty: events.db",
    )
    kafka_tls: bool = Field(default=False, description="speak TLS with Kafka")
    kafka_ca_file: Path | None = Field(
        default=None,
        description="a PEM file with who may vouch for Kafka's certificates; empty: the system's",
    )
    kafka_cert_file: Path | None = Field(
        default=None, description="a PEM file with the certificate to show to Kafka; empty: none"
    )
    kafka_key_file: Path | None = Field(
        default=None, description="a PEM file with the key of that certificate"
    )
    kafka_sasl: Literal["", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="",
        description="how to sign in at Kafka: SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; empty: not",
    )
    kafka_user: str = Field(default="", description="name for SCRAM, client id for OAUTHBEARER")
    kafka_secret_file: Path | None = Field(
        default=None, description="a file with the password for SCRAM, the client secret for OAUTHBEARER"
    )
    kafka_token_url: str = Field(default="", description="where tokens for OAUTHBEARER are given")
    kafka_scope: str = Field(default="", description="scope to ask for with OAUTHBEARER; empty: none")
    kafka_replication: int | None = Field(
        default=None,
        ge=1,
        description="copies of each topic; empty: the brokers' default. From three on, two must have "
        "an event before it counts",
    )
    data_dir: Path = Field(
        default=Path("var/isodose"), description="where SQLite files are kept when no URL is given"
    )
    auth: Literal["none", "smart"] = Field(
        default="none",
        description="none: on loopback only; smart: every request about patients needs an access token",
    )
    smart_issuer: str = Field(
        default="", description="issuer (`iss`) of the access tokens that are taken; empty: none is"
    )
    smart_jwks_url: str = Field(default="", description="where the issuer publishes its keys, a JWK set")
    smart_jwks_file: Path | None = Field(
        default=None, description="a file with the issuer's keys, instead of fetching them"
    )
    smart_introspection_url: str = Field(
        default="",
        description="where the issuer is asked about tokens that are no JWT (RFC 7662); empty: nobody is",
    )
    smart_introspection_secret_file: Path | None = Field(
        default=None, description="a file with NAME:SECRET, by which the issuer knows who asks about tokens"
    )
    smart_token_url: str = Field(default="", description="where clients get tokens; they are told so")
    smart_authorize_url: str = Field(
        default="", description="where users sign in, if they do; clients are told so"
    )
    smart_audience: Names = Field(
        default=(), description="audiences (`aud`) that are taken; empty: the FHIR address of the service"
    )
    smart_patient_claim: str = Field(
        default="patient", description="claim of a token that holds the patient in the launch context"
    )
    smart_launch_issuers: Names = Field(
        default=(),
        description="FHIR servers (`iss`) whose users may sign in to the worklist; the first is the usual",
    )
    smart_client_id: str = Field(
        default="", description="as which the worklist is registered there; empty: nobody signs in to it"
    )
    smart_client_secret_file: Path | None = Field(
        default=None, description="a file with the secret of that client, if it has one"
    )
    smart_client_key_file: Path | None = Field(
        default=None, description="a file with the private JWK of that client, if it proves itself by a key"
    )
    smart_launch_scopes: Names = Field(
        default=("openid", "fhirUser", "user/*.rs"),
        description="scopes to ask for when someone signs in; those that are granted say what they may do",
    )
    session_idle_minutes: int = Field(
        default=20, gt=0, description="a session of the worklist ends after so long without a click"
    )
    session_hours: int = Field(default=10, gt=0, description="and after so long in any case")
    service_key_file: Path | None = Field(
        default=None,
        description="a file with a secret of at least 32 bytes that the services share to call one another",
    )
    cds_clients_file: Path | None = Field(
        default=None,
        description="a YAML file of the CDS clients that are trusted; their calls are then signed",
    )
    cds_url: str = Field(
        default="",
        description="address before /cds-services, the audience of CDS calls; empty: the public one",
    )
    cors_origins: Names = Field(default=(), description="origins of web pages that may call; empty: none")
    requests_per_minute: int = Field(
        default=0, ge=0, description="requests a minute that one caller may make, else 429; 0: no limit"
    )
    refusals_per_minute: int = Field(
        default=300,
        ge=0,
        description="requests a minute that one address may make without a token that holds, else 429 for "
        "all but tokens known already; 0: no limit",
    )
    proxies: Names = Field(
        default=("127.0.0.1",),
        description="addresses or networks of proxies whose X-Forwarded-For is believed",
    )
    audit_key_file: Path | None = Field(
        default=None, description="a file with a secret for the chain of audit events; empty: plain digests"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="port to listen on; empty: 8000 for all in one, else 8001 to 8005 by service",
    )
    public_url: str = Field(
        default="",
        description="address under which this service is reached, without /fhir; empty: host and port",
    )
    canonical_base: str = Field(default=CANONICAL_BASE, description="base of the code systems defined here")
    knowledge_enable: Names = Field(default=(), description="knowledge entries to run beyond the default")
    working_calendar: str = Field(
        default="",
        description="working days to which surveillance windows move: a country (`DE`) or a part of one "
        "(`DE-BY`); empty: every day",
    )
    task_days: Numbers = Field(
        default={},
        description="local policy: days within which a kind of surveillance task is done where no source "
        'gives a day, as JSON (`{"treatment": 7, "work-up": 14}`); empty: the task says that there is none',
    )
    ehr_fhir_servers: Names = Field(
        default=(), description="FHIR servers of EHRs that CDS calls may name; empty: none is asked"
    )
    ehr_fhir_url: str = Field(
        default="", description="FHIR base of the EHR that is read after its notifications; empty: none"
    )
    ehr_token_url: str = Field(default="", description="the token endpoint of that EHR; empty: no token")
    ehr_client_id: str = Field(default="", description="as which Isodose is registered at that EHR")
    ehr_key_file: Path | None = Field(
        default=None, description="a file with the private JWK of that client (SMART Backend Services)"
    )
    ehr_scope: str = Field(default="system/*.rs", description="scope to ask that EHR for")
    ehr_requests_per_minute: int = Field(
        default=600, ge=0, description="requests a minute to that EHR by one process; 0: no limit"
    )
    subscriber_origins: Names = Field(
        default=(),
        description="origins (`https://host:port`) that Subscriptions may name as endpoint; empty: none",
    )
    subscriber_key_file: Path | None = Field(
        default=None,
        description="a file with secrets, one a line, that seal the headers of Subscriptions in the "
        "database: the first seals, all open; empty: the headers stand there in clear",
    )
    write_back_types: Names = Field(
        default=(),
        description="types of results that are written to that EHR, of CarePlan, ServiceRequest, Task, "
        "RiskAssessment, DetectedIssue, RequestGroup, GuidanceResponse; empty: none",
    )
    write_back_erasure: bool = Field(
        default=False,
        description="erasing a patient deletes at that EHR what was written there; else it is named",
    )
    notification_secret_file: Path | None = Field(
        default=None,
        description="a file with the secrets by which the EHR's notifications are known, one a line: the "
        "first is given to the EHR, all are taken; empty: only access tokens that may write",
    )
    ehr_timeout_s: float = Field(default=2.0, gt=0, description="how long a CDS call waits for the EHR")
    demonstration_day: dt.date | None = Field(
        default=None, description="fixed decision day, for demonstrations; empty: today"
    )
    max_body_bytes: int = Field(default=20_000_000, gt=0, description="larger requests are refused with 413")
    relay_interval_s: float = Field(default=0.05, gt=0, description="how often the outbox is looked at")
    handler_attempts: int = Field(default=5, ge=1, description="tries of an event before it is a dead letter")
    handler_backoff_s: float = Field(
        default=0.2, ge=0, description="wait after the first failed try; doubles each time"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least serious message that is logged"
    )
    ehr_ingestion_url: str = Field(
        default="http://127.0.0.1:8001",
        description="for the worklist, and for events that were too large to send; without /fhir",
    )
    eligibility_scoring_url: str = Field(
        default="http://127.0.0.1:8002", description="for the worklist, without /fhir"
    )
    are_surveillance_url: str = Field(
        default="http://127.0.0.1:8003", description="for the worklist, without /fhir"
    )
    ici_steroid_alerts_url: str = Field(
        default="http://127.0.0.1:8004", description="for the worklist, without /fhir"
    )
    worklist_url: str = Field(
        default="", description="where cards link to; empty: /worklist under the public address"
    )
    otlp_endpoint: str = Field(
        default="",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="where traces are sent; empty: nowhere",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_not_set(cls, value: Any, info: ValidationInfo) -> Any:
        """Compose and ConfigMaps leave a variable empty that is not set; `Path("")` would be a directory."""
        default = cls.model_fields[str(info.field_name)].default
        may_be_left_open = default is None or isinstance(default, Path | dict)
        return default if value == "" and may_be_left_open else value

    @field_validator("public_url", "canonical_base", "worklist_url", "cds_url", "ehr_fhir_url", mode="after")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("event_log_url")
    @classmethod
    def _of_a_known_log(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "kafka://")):
            raise ValueError("use sqlite:///FILE or kafka://HOST:PORT")
        return value

    def today(self) -> dt.date:
        """The decision day: the demonstration day where one is set, else the day on the local clock."""
        return self.demonstration_day or dt.datetime.now().astimezone().date()

    def for_service(self, name: str, port: int) -> Settings:
        """These settings with what `name` uses where a choice was left open: port, files, public address."""
        database = self.database_url or f"sqlite:///{self.data_dir / name}.db"
        event_log = self.event_log_url or f"sqlite:///{self.data_dir / 'events'}.db"
        own_port = self.port or port
        public = self.public_url or f"http://{self.host}:{own_port}"
        return self.model_copy(
            update={
                "database_url": database,
                "event_log_url": event_log,
                "port": own_port,
                "public_url": public,
                "worklist_url": self.worklist_url or f"{public}/worklist",
                "cds_url": self.cds_url or public,
            }
        )


def as_markdown() -> str:
    """The page of all settings: variable, default, meaning. `python -m isodose.settings` prints it."""
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable; nothing else is read from the environment. A value that",
        "does not fit stops the start with a line that names the variable. Lists are written with commas.",
        "A path that is left empty is not set, nor is a number or a day that has no default here.",
        "",
        "Written by `python -m isodose.settings > docs/settings.md`; a test holds it to the code.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        variable = field.validation_alias or f"ISODOSE_{name.upper()}"
        lines.append(f"| `{variable}` | {_default(field.default)} | {field.description} |")
    return "\n".join([*lines, ""])


def _default(value: Any) -> str:
    written = ",".join(value) if isinstance(value, tuple) else value
    return "" if written in ("", None) else f"`{written}`"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
