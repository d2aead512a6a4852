"""Security headers."""

from flask import current_app

HSTS_SECONDS = 2 * 365 * 24 * 60 * 60

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # the CSRF check needs it over HTTPS
    "X-Content-Type-Options": "nosniff",
}


def init_app(app):
    app.after_request(add_security_headers)


def add_security_headers(response):
    """Add the headers that forbid what no page of ours needs (OWASP ASVS V3.4)."""
    response.headers.update(SECURITY_HEADERS)
    if current_app.config["SENDS_HSTS"]:
        hsts = f"max-age={HSTS_SECONDS}; includeSubDomains"
        response.headers["Strict-Transport-Security"] = hsts
    return response
