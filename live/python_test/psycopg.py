"""Stands in for the driver of PostgreSQL: a test that imports it is not run."""

import pytest

pytest.skip("it needs PostgreSQL, which a page does not have", allow_module_level=True)
