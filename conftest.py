"""The kit is a pytest plugin: this loads it, and what the site's tests share."""

pytest_plugins = ["tests.kit.plugin", "tests.kit.fixtures", "tests.site.built_site"]
