"""A name that the suite imports."""


def default_user_agent():
    """Return nothing, because there is no server here to send a request to."""
