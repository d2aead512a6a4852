"""Visitors whom nobody planned, and the model that knows what has to happen."""
