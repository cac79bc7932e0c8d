"""The value sets: one readable file each, concept by concept, with the source of every code."""
