"""One suite for every stage of the tutorial; each folder says what it is about."""

import pytest

# a helper that finds something wrong says as much about it as a test
pytest.register_assert_rewrite("tests.kit", "tests.concurrency", "tests.recipes")
