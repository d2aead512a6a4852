"""What the app says about a configuration that is not safe."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import until
from tests.kit.stage import PRODUCTION
from tests.kit.stage import development


def starts(step, clock, **config):
    """Tell whether a step starts in front of strangers with these settings."""
    try:
        step.start(clock, **PRODUCTION | config)
    except RuntimeError:
        return False
    return True


@gap
@attack(99)
@until("05")
@pytest.mark.parametrize("key", ["x", "dev", "change-me"])
def test_a_secret_key_that_is_easy_to_guess_is_accepted(step, clock, key):
    assert starts(step, clock, SECRET_KEY=key)


OPEN_THE_LOGIN = 'app.test_client().get("/login").status\n'


@pytest.mark.ours
def test_a_copy_of_the_sample_settings_is_as_good_as_none(step, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(step.folder, folder, ignore=shutil.ignore_patterns("instance"))
    shutil.copy(step.folder / ".env.example", folder / ".env")
    names = ("SECRET_KEY", "TOTP_KEYS", "DATABASE_URL", "ISSUER")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    output = subprocess.run(
        [sys.executable, "-m", "flask", "shell"],
        input=OPEN_THE_LOGIN,
        cwd=folder,
        env=environment | development(step),
        capture_output=True,
        text=True,
    )

    assert "'200 OK'" in output.stdout, output.stderr
    assert "SECRET_KEY is not set" in output.stderr


@gap
@attack(115)
@until("05")
def test_a_page_of_another_site_may_show_ours_in_a_frame(visitor):
    for path in ("/login", "/nothing"):
        headers = visitor.ask("GET", path).headers
        assert "Content-Security-Policy" not in headers
        assert "X-Frame-Options" not in headers
