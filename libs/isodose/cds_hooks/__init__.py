"""CDS Hooks 2.0: discovery, calls answered from prefetch, feedback, and how findings read on a card."""
