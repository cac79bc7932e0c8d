"""FHIR R4 over REST: resources kept as received, judged before they are stored. No clinical meaning.

https://hl7.org/fhir/R4/http.html
"""
