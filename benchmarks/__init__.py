"""What the last step costs."""
