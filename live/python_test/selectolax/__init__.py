"""A stand-in for Selectolax, which is written in C."""
