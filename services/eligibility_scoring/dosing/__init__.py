"""Dose and fractionation: the rules, the advice they add up to for a lesion, and how it is shown."""
