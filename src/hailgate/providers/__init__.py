"""The providers that Hailgate speaks: one visible tuple, plus an entry-point group for third parties."""

from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from hailgate.core.errors import ConfigurationError, InputError
from hailgate.providers import cloud, evolution, twilio, wppconnect
from hailgate.providers.spec import CONTRACT, AnyProviderSpec, ProviderSpec

ENTRY_POINTS = "hailgate.providers"

PROVIDERS: tuple[AnyProviderSpec, ...] = (cloud.SPEC, evolution.SPEC, wppconnect.SPEC, twilio.SPEC)


def get_provider(name: str) -> AnyProviderSpec:
    """Raise InputError, with the names there are, for a provider that nobody installed."""
    installed = _installed()
    if name not in installed:
        listed = ", ".join(sorted(installed))
        raise InputError(f"Provider {name[:64]!r} is unknown; there are: {listed}.", field="provider")
    return installed[name]


def list_providers() -> Collection[AnyProviderSpec]:
    return _installed().values()


@cache
def _installed() -> Mapping[str, AnyProviderSpec]:
    specs = {spec.name: spec for spec in PROVIDERS}
    for point in entry_points(group=ENTRY_POINTS):
        spec = _load(point)
        if specs.setdefault(spec.name, spec) is not spec:
            raise ConfigurationError([f"Two installed providers are called {spec.name!r}."])
    return specs


def _load(point: EntryPoint) -> AnyProviderSpec:
    named = f"Entry point {point.name!r} of {ENTRY_POINTS}"
    try:
        spec = point.load()
    except Exception as broken:  # foreign code: one for another contract often cannot even be imported
        raise ConfigurationError(
            [f"{named} cannot be loaded ({type(broken).__name__}): {broken}. {_WANTED}"]
        ) from broken
    if not isinstance(spec, ProviderSpec):
        raise ConfigurationError([f"{named} is not a ProviderSpec. {_WANTED}"])
    if spec.contract != CONTRACT:
        raise ConfigurationError([f"{named} was written for contract {spec.contract}. {_WANTED}"])
    return spec


_WANTED = f"This version takes plug-ins written for contract {CONTRACT}: install such a version, or remove it."
