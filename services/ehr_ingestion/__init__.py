"""The clinical record comes in over FHIR; the one record per patient is kept; results are folded back in."""
