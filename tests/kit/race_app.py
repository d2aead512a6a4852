"""What Gunicorn serves in the races: a step's app, as the environment describes it.

Started by itself it is a sender of emails, which sends when a line comes.

`RACE_STEP` is the step's directory, or that of a copy; `RACE_CONFIG` is what
`create_app` takes, as JSON.
"""

import json
import os
import sys
from importlib import import_module

from qrcode import QRCode

# Nobody scans these: draw them without looking for the prettiest mask.
QRCode.best_mask_pattern = lambda code: 0

sys.path.insert(0, os.environ["RACE_STEP"])

door = import_module("app").create_app(json.loads(os.environ["RACE_CONFIG"]))


def app(environ, start_response):
    """Answer as the step does, and say which process it was."""

    def start(status, headers, *failure):
        return start_response(
            status, [*headers, ("X-Worker", str(os.getpid()))], *failure
        )

    return door(environ, start)


if __name__ == "__main__":
    print("ready", flush=True)
    for _ in sys.stdin:
        print(door.test_cli_runner().invoke(args=["send-mail"]).output)
        print("done", flush=True)
    sys.exit()

print("ready", file=sys.stderr, flush=True)
