"""How Gunicorn serves the app; `gunicorn wsgi:app` reads this file by itself."""

import os

# Where it listens is Gunicorn's own default: $PORT, or else 127.0.0.1:8000.

# A process uses one core. Two of them: one answers while the other restarts.
workers = int(os.environ.get("WEB_CONCURRENCY", 2))

# Each thread may be hashing a password, which takes 32 MiB: so all of them take 256.
threads = 4

# A process whose main loop hangs for so long is replaced. Requests may take longer.
timeout = 30  # seconds

# So long a request may still run when Gunicorn ends; platforms kill after 30 seconds.
graceful_timeout = 20  # seconds

# Each request has a connection of its own: none is sent into one that is closing.
keepalive = 0

# No client is believed here about addresses and https: the app counts the PROXIES.
forwarded_allow_ips = ""

# Signals and the service manager are enough; a socket that takes commands is one more
# way in.
control_socket_disable = True

# No access log: a path can be a reset link that still works. The proxy writes one that
# leaves links out.
accesslog = None
