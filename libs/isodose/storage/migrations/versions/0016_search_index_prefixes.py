"""The beginning of a word is found by an index whatever the collation of the database.

https://www.postgresql.org/docs/current/indexes-opclass.html
"""

from __future__ import annotations

import sqlalchemy as sa

from isodose.storage.migrations.expanding import create_index_beside, drop_index_beside

revision = "0016"
down_revision = "0015"
serves_from = "0015"
branch_labels = None
depends_on = None

WORD, VALUE = "ix_search_index_word", "ix_search_index_value"
_COLUMNS = ["value", "param", "type"]
_WHERE = {f"{dialect}_where": sa.text("value IS NOT NULL") for dialect in ("postgresql", "sqlite")}


def upgrade() -> None:
    create_index_beside(
        WORD, "search_index", _COLUMNS, postgresql_ops={"value": "varchar_pattern_ops"}, **_WHERE
    )
    drop_index_beside(VALUE, "search_index")


def downgrade() -> None:
    create_index_beside(VALUE, "search_index", _COLUMNS, **_WHERE)
    drop_index_beside(WORD, "search_index")
