"""Clinical meaning of R4, mCODE and CodeX resources: everything known of one patient as a PatientRecord."""

from isodose.mcode.reader import build_record, resources_of

__all__ = ["build_record", "resources_of"]
