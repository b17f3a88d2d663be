"""Properties about the store use one store for all their examples."""

from hypothesis import HealthCheck, settings

settings.register_profile("accounts", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("accounts")
