"""The steps read as one diff after another."""
