"""The replicas of a service remember together which tokens of CDS calls were used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_token",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("ix_used_token_until", "used_token", ["until"])


def downgrade() -> None:
    op.drop_table("used_token")
