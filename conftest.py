"""The kit is a pytest plugin: this loads it, and what the site's tests share."""

import pytest

# a helper that finds something wrong says as much about it as a test
pytest.register_assert_rewrite("tests.kit", "tests.concurrency", "tests.recipes")

pytest_plugins = ["tests.kit.plugin", "tests.kit.fixtures", "tests.site.built_site"]
