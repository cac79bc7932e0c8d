"""What was sent to the EHR and never answered is known, so that it is not taken for somebody's change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
serves_from = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("written_back", sa.Column("unanswered", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("written_back", "unanswered")
