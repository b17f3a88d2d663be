"""Pure functions need no deadline; a busy machine must not fail a property."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("providers.conformance")

settings.register_profile("providers", deadline=None)
settings.load_profile("providers")
