"""What a step promises, as a visitor sees it."""
