"""What the page *Try it here* is made of, and how it is packed."""
