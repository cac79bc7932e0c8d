"""PostgreSQL compresses long texts with LZ4 where it has it: with pglz an event took five times the CPU."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LONG = (
    ("outbox", "value"),
    ("resource", "body"),
    ("resource_version", "body"),
    ("patient_record", "content"),
    ("audit_event", "body"),
)


def upgrade() -> None:
    _compress("lz4")


def downgrade() -> None:
    _compress("default")


def _compress(method: str) -> None:
    """What is stored already stays as it is and can be read."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    offered = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    if connection.execute(text(offered)).scalar():
        for table, column in LONG:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION {method}")
