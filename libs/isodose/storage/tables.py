"""Every table, once: FHIR resources, patient records, guidance, outbox, consumed positions, dead letters."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Serial = BigInteger().with_variant(Integer(), "sqlite")
Instant = DateTime(timezone=True)

schema_reach = Table(
    "schema_reach",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("serves_from", String(32), nullable=False),
)
"""One row: the schema that is there, and the oldest schema whose code still works on it."""

resource = Table(
    "resource",
    metadata,
    Column("type", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("last_version", Integer, nullable=False),
    Column("last_updated", String(24), nullable=False),
    Column("source_updated", String(32)),
    Column("patient_id", String(64)),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("origin", String(8), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "patient_id", "type", "id"),
    Index(None, "type", "last_updated"),
)
"""The current version of each resource; instants are FHIR's text in UTC, so their order is the text's."""

resource_version = Table(
    "resource_version",
    metadata,
    Column("type", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("method", String(8), nullable=False),
    Column("last_updated", String(24), nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("body", Text, nullable=False),
    Index(None, "last_updated", "type", "id", "version"),
)
"""Every version; its index is the order of the history of everything."""

search_index = Table(
    "search_index",
    metadata,
    Column("type", String(64), nullable=False),
    Column("id", String(64), nullable=False),
    Column("param", String(32), nullable=False),
    Column("system", String(255)),
    Column("value", String(255)),
    Column("low", Double),
    Column("high", Double),
    Column("text", String(255)),
)
"""One row per searchable value: tokens and references in system and value, dates and numbers in low, high."""
Index("ix_search_index_id", search_index.c.id, search_index.c.type)
_HAS_VALUE, _HAS_RANGE = search_index.c.value.is_not(None), search_index.c.low.is_not(None)
Index(
    "ix_search_index_word",
    *(search_index.c[name] for name in ("value", "param", "type")),
    postgresql_ops={"value": "varchar_pattern_ops"},
    sqlite_where=_HAS_VALUE,
    postgresql_where=_HAS_VALUE,
)
Index(
    "ix_search_index_range",
    *(search_index.c[name] for name in ("type", "param", "low")),
    sqlite_where=_HAS_RANGE,
    postgresql_where=_HAS_RANGE,
)

conditional_identity = Table(
    "conditional_identity",
    metadata,
    Column("type", String(64), primary_key=True),
    Column("criteria", String(512), primary_key=True),
    Column("id", String(64), nullable=False),
)
"""What a conditional create asked for: one row per identity, locked while somebody creates it."""

patient_record = Table(
    "patient_record",
    metadata,
    Column("patient_id", String(64), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
)

merged_patient = Table(
    "merged_patient",
    metadata,
    Column("patient_id", String(64), primary_key=True),
    Column("survivor", String(64), nullable=False),
    Index(None, "survivor"),
)
"""Patients who were merged into another, whose record is used in their place."""

guidance = Table(
    "guidance",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("patient_id", String(64), primary_key=True),
    Column("record_version", BigInteger, nullable=False),
    Column("knowledge_version", String(64), nullable=False),
    Column("on_date", Date, nullable=False),
    Column("digest", Text, nullable=False),
    Column("due_on", Date),
    Column("state", String(32), nullable=False, server_default=""),
    Index(None, "service", "due_on"),
    Index(None, "service", "knowledge_version"),
    Index(None, "service", "state"),
)

decision = Table(
    "decision",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("patient_id", String(64), primary_key=True),
    Column("record_version", BigInteger, primary_key=True, autoincrement=False),
    Column("knowledge_version", String(64), primary_key=True),
    Column("on_date", Date, primary_key=True),
    Column("decided_at", String(24), nullable=False),
    Column("digest", String(64), nullable=False),
)
"""Every decision that was stored, and when first; `guidance` holds the last of each service and patient."""

record_version = Table(
    "record_version",
    metadata,
    Column("patient_id", String(64), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)
"""The records that decisions were made on, each version once."""

knowledge_version = Table(
    "knowledge_version",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("content", Text, nullable=False),
)
"""The knowledge that decisions were made with; `content` is that of `Knowledge.text`."""

day_pass = Table(
    "day_pass",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("on_date", Date, nullable=False),
    Column("knowledge_version", String(64), nullable=False),
    Column("after_patient", String(64), nullable=False),
    Column("failed", Integer, nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("traceparent", String(64)),
)
"""How far each service has come with the patients that a day or new knowledge asks for."""

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("topic", String(128), nullable=False),
    Column("key", Text),
    Column("value", LargeBinary),
    Column("headers", Text, nullable=False, default="{}"),
    Column("created_at", Instant, nullable=False),
    Column("published_at", Instant),
    sqlite_autoincrement=True,
)
_UNPUBLISHED = outbox.c.published_at.is_(None)
Index("ix_outbox_unpublished", outbox.c.seq, sqlite_where=_UNPUBLISHED, postgresql_where=_UNPUBLISHED)
Index("ix_outbox_published_at", outbox.c.published_at)

consumed_position = Table(
    "consumed_position",
    metadata,
    Column("group", String(128), primary_key=True),
    Column("topic", String(128), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

worklist_row = Table(
    "worklist_row",
    metadata,
    Column("patient_id", String(64), primary_key=True),
    Column("options", Text),
    Column("plans", Text),
    Column("alerts", Text),
    Column("changed", BigInteger, nullable=False),
    Index(None, "changed"),
)
"""What the clinic page says of each patient: a part for each decision service, empty until it told one."""

worklist_need = Table(
    "worklist_need",
    metadata,
    Column("patient_id", String(64), primary_key=True),
    Column("need", String(16), primary_key=True),
    Column("weight", BigInteger, nullable=False),
    Column("leads", Boolean, nullable=False),
    Index(None, "need", "weight", "patient_id"),
)
"""What needs action for each patient; the lightest of a patient's needs leads."""
_LEADS = worklist_need.c.leads
Index(
    "ix_worklist_need_leads",
    worklist_need.c.weight,
    worklist_need.c.patient_id,
    sqlite_where=_LEADS,
    postgresql_where=_LEADS,
)

worklist_change = Table(
    "worklist_change",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)
"""One row: the number of the last change, which whoever writes holds until commit."""

worklist_session = Table(
    "worklist_session",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("content", Text, nullable=False),
    Column("seen", Double, nullable=False),
    Column("until", Double, nullable=False),
    Index(None, "until"),
)
"""Who has signed in, or is about to, under the digest of what the browser holds; seconds since 1970."""

used_token = Table(
    "used_token",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("until", Double, nullable=False),
    Index(None, "until"),
)
"""Tokens of CDS calls that were used, as the digest of issuer and jti, until nobody would believe them."""

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("group", String(128), nullable=False),
    Column("topic", String(128), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", Text),
    Column("value", LargeBinary),
    Column("headers", Text, nullable=False, default="{}"),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed_at", Instant, nullable=False),
    Column("replayed_at", Instant),
    Column("dismissed_at", Instant),
    Column("reason", Text),
    Index(None, "group", "topic", "partition", "offset", unique=True),
    sqlite_autoincrement=True,
)
"""Events set aside, until they are replayed or dismissed; `reason` is the operator's, for the latter."""

audit_event = Table(
    "audit_event",
    metadata,
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("recorded", String(24), nullable=False),
    Column("action", String(1), nullable=False),
    Column("subtype", String(32), nullable=False),
    Column("outcome", String(2), nullable=False),
    Column("agent", String(255), nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Index(None, "recorded"),
)
"""Who asked for what, without gaps in `seq`; each `digest` is over the body and the digest before it."""

audit_patient = Table(
    "audit_patient",
    metadata,
    Column("patient_id", String(64), primary_key=True),
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
)
"""The patients that an AuditEvent is about."""

job = Table(
    "job",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("asked_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("failed_at", Instant),
    Column("error", String(255), nullable=False),
)
"""What is to be done at another system, one row per thing; `version` grows when it is asked for again."""
_TO_DO = job.c.failed_at.is_(None)
Index("ix_job_due_at", job.c.due_at, sqlite_where=_TO_DO, postgresql_where=_TO_DO)

ehr_subscription = Table(
    "ehr_subscription",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("reference", String(255), nullable=False),
    Column("criteria", Text, nullable=False),
    Column("topic", String(255), nullable=False),
    Column("content", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("heard_at", Instant),
    Column("swept_at", Instant),
    Column("seen", BigInteger),
    Column("missing", Text, nullable=False),
    Column("gaps", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)
"""A Subscription of ours at the EHR: `seen` is the highest event number, `missing` the ranges below it that
did not come, `gaps` how many events were ever found missing."""

patient_read = Table(
    "patient_read",
    metadata,
    Column("patient_id", String(64), primary_key=True),
    Column("since", String(32), nullable=False),
)
"""From when on a patient's record is to be read at the EHR the next time."""

bulk_export = Table(
    "bulk_export",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("feed", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("status_url", Text, nullable=False),
    Column("since", String(40)),
    Column("transaction_time", String(40)),
    Column("needs_token", Boolean, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    sqlite_autoincrement=True,
)
"""Each Bulk Data export that was asked for; `feed` is what it was asked for, the same for every run."""

bulk_file = Table(
    "bulk_file",
    metadata,
    Column("export", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("type", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("etag", Text, nullable=False, server_default=""),
    Column("offset", BigInteger, nullable=False, server_default="0"),
    Column("lines", BigInteger, nullable=False, server_default="0"),
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Column("unchanged", BigInteger, nullable=False, server_default="0"),
    Column("done", Boolean, nullable=False, server_default=false()),
)
"""The files of an export, how far each is read in bytes and lines, and what became of its lines."""

bulk_line = Table(
    "bulk_line",
    metadata,
    Column("export", BigInteger, primary_key=True),
    Column("file", Integer, primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("place", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("text", Text),
)
"""Lines that were not kept, with the reason; `text` while a line waits for what it refers to."""

bulk_patient = Table(
    "bulk_patient",
    metadata,
    Column("export", BigInteger, primary_key=True),
    Column("patient_id", String(64), primary_key=True),
)
"""Patients whose records have yet to follow what was read of them."""

written_back = Table(
    "written_back",
    metadata,
    Column("type", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("patient_id", String(64), nullable=False),
    Column("remote", String(160), nullable=False),
    Column("etag", String(128), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("tried", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("status", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("unanswered", Text, nullable=False, server_default=""),
    Index(None, "patient_id"),
    Index(None, "state"),
)
"""What of the results, and of the patients they are about, is at the EHR: where, what was last sent, and what
may have arrived although no answer came."""

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("asked", Text, nullable=False),
    Column("access", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("told_at", Instant),
)
"""Who is told of new results, by the id of the Subscription: what was asked for, its headers included, with
which rights, and how far they were told."""

subscriber_event = Table(
    "subscriber_event",
    metadata,
    Column("subscription_id", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("focus", String(160), nullable=False),
    Column("context", Text, nullable=False),
    Column("patient_id", String(64), nullable=False),
    Index(None, "at"),
)
