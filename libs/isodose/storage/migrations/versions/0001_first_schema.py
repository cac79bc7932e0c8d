"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "search_index",
    "resource_version",
    "resource",
    "patient_record",
    "outbox",
    "guidance",
    "dead_letter",
    "consumed_position",
    "conditional_identity",
)


def upgrade() -> None:
    _conditional_identity()
    _consumed_position()
    _dead_letter()
    _guidance()
    _outbox()
    _patient_record()
    _resource()
    _resource_version()
    _search_index()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _conditional_identity() -> None:
    op.create_table(
        "conditional_identity",
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("criteria", sa.String(length=512), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("type", "criteria", name="pk_conditional_identity"),
    )


def _consumed_position() -> None:
    op.create_table(
        "consumed_position",
        sa.Column("group", sa.String(length=128), nullable=False),
        sa.Column("topic", sa.String(length=128), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group", "topic", "partition", name="pk_consumed_position"),
    )


def _dead_letter() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("group", sa.String(length=128), nullable=False),
        sa.Column("topic", sa.String(length=128), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_dead_letter_group_topic_partition_offset",
        "dead_letter",
        ["group", "topic", "partition", "offset"],
        unique=True,
    )


def _guidance() -> None:
    op.create_table(
        "guidance",
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("record_version", sa.BigInteger(), nullable=False),
        sa.Column("knowledge_version", sa.String(length=64), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date()),
        sa.PrimaryKeyConstraint("service", "patient_id", name="pk_guidance"),
    )
    op.create_index("ix_guidance_service_due_on", "guidance", ["service", "due_on"], unique=False)


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(length=128), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("seq", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_published_at", "outbox", ["published_at"], unique=False)
    op.create_index(
        "ix_outbox_unpublished",
        "outbox",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("published_at IS NULL"),
        postgresql_where=sa.text("published_at IS NULL"),
    )


def _patient_record() -> None:
    op.create_table(
        "patient_record",
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", name="pk_patient_record"),
    )


def _resource() -> None:
    op.create_table(
        "resource",
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("last_updated", sa.String(length=24), nullable=False),
        sa.Column("source_updated", sa.String(length=32)),
        sa.Column("patient_id", sa.String(length=64)),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("type", "id", name="pk_resource"),
    )
    op.create_index("ix_resource_patient_id_type", "resource", ["patient_id", "type"], unique=False)
    op.create_index("ix_resource_type_last_updated", "resource", ["type", "last_updated"], unique=False)


def _resource_version() -> None:
    op.create_table(
        "resource_version",
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("last_updated", sa.String(length=24), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("type", "id", "version", name="pk_resource_version"),
    )


def _search_index() -> None:
    op.create_table(
        "search_index",
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("param", sa.String(length=32), nullable=False),
        sa.Column("system", sa.String(length=255)),
        sa.Column("value", sa.String(length=255)),
        sa.Column("low", sa.Double()),
        sa.Column("high", sa.Double()),
        sa.Column("text", sa.String(length=255)),
    )
    op.create_index("ix_search_index_id", "search_index", ["id", "type"], unique=False)
    op.create_index(
        "ix_search_index_range",
        "search_index",
        ["type", "param", "low"],
        unique=False,
        sqlite_where=sa.text("low IS NOT NULL"),
        postgresql_where=sa.text("low IS NOT NULL"),
    )
    op.create_index(
        "ix_search_index_value",
        "search_index",
        ["value", "param", "type"],
        unique=False,
        sqlite_where=sa.text("value IS NOT NULL"),
        postgresql_where=sa.text("value IS NOT NULL"),
    )
