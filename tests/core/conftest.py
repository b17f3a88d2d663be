"""Pure functions need no deadline; a busy machine must not fail a property."""

from hypothesis import settings

settings.register_profile("pure", deadline=None)
settings.load_profile("pure")
