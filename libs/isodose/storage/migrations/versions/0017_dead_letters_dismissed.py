"""A dead letter that an operator gave up is kept with the reason, until its patient is erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
serves_from = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letter", sa.Column("dismissed_at", sa.DateTime(timezone=True)))
    op.add_column("dead_letter", sa.Column("reason", sa.Text))


def downgrade() -> None:
    op.drop_column("dead_letter", "reason")
    op.drop_column("dead_letter", "dismissed_at")
