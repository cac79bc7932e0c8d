"""Who may listen where, and who may ask for what."""
