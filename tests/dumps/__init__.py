"""Databases of earlier steps, as somebody may bring them along."""
