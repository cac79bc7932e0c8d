"""The commands of `isodose`, by what they are for."""
