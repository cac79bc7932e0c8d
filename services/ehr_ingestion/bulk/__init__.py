"""Whole populations read from an EHR by its Bulk Data export.

https://hl7.org/fhir/uv/bulkdata/export.html
"""
