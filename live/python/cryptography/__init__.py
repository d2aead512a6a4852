"""A stand-in for cryptography, which is not built for pages: Fernet, and no more."""


def __getattr__(name):
    """Raise ModuleNotFoundError for any other part: PyJWT asks whether it is there."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise ModuleNotFoundError(f"No module named 'cryptography.{name}'")
