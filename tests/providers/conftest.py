"""What the conformance suite asserts is told as in a test."""

import pytest

pytest.register_assert_rewrite("providers.conformance")
