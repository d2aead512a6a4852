"""One suite for every stage of the tutorial, written as a visitor."""
