"""Surveillance after radiosurgery: when the next brain MRI is due, and who must not be lost to follow-up."""
