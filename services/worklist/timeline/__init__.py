"""The picture of a patient: everything dated on one axis of days, to scale, with a table of the same."""
