"""The last step as it is deployed: its files, and the drill."""
