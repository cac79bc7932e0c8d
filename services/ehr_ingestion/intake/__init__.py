"""The intake form: what no EHR codes, asked by a FHIR Questionnaire and extracted to facts (decision 33)."""
