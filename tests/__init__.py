"""The suite, and the names of the attacks, which the site reads without pytest."""

from contextlib import suppress

with suppress(ImportError):
    import pytest

    # Helpers explain what fails in them as tests do.
    pytest.register_assert_rewrite("tests.kit", "tests.concurrency", "tests.recipes")
