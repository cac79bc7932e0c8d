"""The work-up of an irradiated lesion that changes: tests, the state it is in, the next best step."""
