"""Failures of a job that are nobody's outage have a count: after an outage the first one set it aside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
serves_from = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("job", "failures")
