"""Which treatment options suit this patient, how strongly, on what evidence, and what is missing."""
