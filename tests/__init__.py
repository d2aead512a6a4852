"""One suite for every stage of the tutorial; each folder says what it is about."""
