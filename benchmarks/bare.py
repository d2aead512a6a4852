"""A Flask page with nothing behind it, to compare others with."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    """Return as much text as the protected page."""
    return "x" * 900
