"""Results go to the EHR's FHIR server: each once, again when it changes, and never over somebody's change."""
