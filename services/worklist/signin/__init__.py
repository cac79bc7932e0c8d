"""Signing in at the EHR: SMART App Launch 2, from the EHR or from here, and the sessions that follow."""
