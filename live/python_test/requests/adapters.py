"""A name that the suite imports."""


class HTTPAdapter:
    """Nothing, because there is no server here to send a request to."""
