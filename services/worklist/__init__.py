"""Pages for the clinical team: reads the other services over FHIR, and decides nothing itself."""
