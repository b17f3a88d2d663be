"""Assistants: what composes answers. A tenant's own are versions of settings; one is built in."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hailgate.assistant.contract import Composer
from hailgate.assistant.model_assistant import ModelAssistant
from hailgate.assistant.model_processes import CallsModels
from hailgate.assistant.scripted import BUILT_IN_SETTINGS, ScriptedAssistant
from hailgate.assistant.settings import SCRIPTED, AssistantSettings

# Where a tenant has no assistant of that name.
BUILT_IN: Final[Mapping[str, Composer]] = MappingProxyType({SCRIPTED: ScriptedAssistant(SCRIPTED, BUILT_IN_SETTINGS)})


def make_assistant(
    name: str, settings: AssistantSettings, models: CallsModels, private_targets: Sequence[str] = ()
) -> Composer:
    """From one version of its settings."""
    if settings.is_scripted:
        return ScriptedAssistant(name, settings)
    return ModelAssistant(name, settings, models, private_targets=private_targets)
