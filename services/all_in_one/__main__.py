"""`python -m all_in_one` is the command `isodose`."""

from all_in_one.command import app

app()
