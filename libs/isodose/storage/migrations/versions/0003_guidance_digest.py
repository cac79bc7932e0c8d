"""Guidance keeps the digest of what was decided instead of its text, and is found by knowledge version."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = "ix_guidance_service_knowledge_version"


def upgrade() -> None:
    op.execute("UPDATE guidance SET content = ''")
    op.execute("ALTER TABLE guidance RENAME COLUMN content TO digest")
    op.create_index(INDEX, "guidance", ["service", "knowledge_version"])


def downgrade() -> None:
    op.drop_index(INDEX, "guidance")
    op.execute("ALTER TABLE guidance RENAME COLUMN digest TO content")
