"""The schema of a version to come: our migrations, and one more of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import indent

from isodose.storage.schema import MIGRATIONS, revisions

NOW, SOON, LATER = (f"{int(revisions(MIGRATIONS)[-1]) + ahead:04}" for ahead in range(3))
"""The schema of this code, and the two that follow."""


def written(folder: Path, does: str, revision: str = SOON, serves_from: str = NOW) -> Path:
    """Our migrations, and one to come that does this."""
    if not folder.exists():
        shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = f"{int(revision) - 1:04}"
    (folder / "versions" / f"{revision}_to_come.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "from isodose.storage.migrations.expanding import create_index_beside\n"
        f'revision, down_revision, serves_from = "{revision}", "{before}", "{serves_from}"\n'
        f"def upgrade():\n{indent(does, '    ')}\n"
    )
    return folder


NEXT = """\
op.add_column("resource", sa.Column("colour", sa.String(8)))
op.add_column("outbox", sa.Column("weight", sa.Integer, nullable=False, server_default="1"))
op.create_table("shape", sa.Column("id", sa.Integer, primary_key=True), sa.Column("kind", sa.Text))
op.create_index("ix_shape_kind", "shape", ["kind"])
create_index_beside("ix_resource_colour", "resource", ["colour"])
"""
