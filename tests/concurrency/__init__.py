"""Many requests at once, and servers that die."""
