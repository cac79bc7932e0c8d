"""Isodose: decision support for stereotactic radiosurgery of brain metastases."""
