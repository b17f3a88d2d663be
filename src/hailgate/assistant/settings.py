"""Assistant settings: what an owner says of an assistant, read as it was typed and kept as one immutable version.

A version holds keys, so it is stored sealed and shown without them (`describe_settings`).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from hailgate.assistant.tools import Tool, check_tools
from hailgate.core.errors import InputError

SCRIPTED: Final = "scripted"
# One deadline covers the whole answer; a single call of a model must leave room for a second one.
LONGEST_CALL_S: Final = 20.0
LONGEST_REPLY: Final = 4000
MOST_LINES: Final = 200
LONGEST_PATTERN: Final = 500


class ScriptRule(Struct, frozen=True):
    """What a message must hold (a regular expression, any case), what is said then, and whether a person takes over.

    ``say`` names a pattern of the tenant's in place of ``reply``: its variables are the groups of the expression that
    have their names, and ``values``.
    """

    pattern: str
    reply: str = ""
    hand_over: bool = False
    say: str = ""
    values: dict[str, str] = {}

    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)


class ModelChoice(Struct, frozen=True, kw_only=True):
    """One model at one vendor. ``base_url`` is empty where the vendor's own address is meant."""

    vendor: str
    model: str
    api_key: str = ""
    base_url: str = ""

    def __repr__(self) -> str:
        return f"<ModelChoice {self.vendor} {self.model}>"


def _about(title: str, description: str, least: float | None = None, most: float | None = None) -> Meta:
    return Meta(title=title, description=description, ge=least, le=most)


class AssistantSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides how an assistant answers. Durations in seconds, lengths in characters."""

    vendor: Annotated[str, _about("Vendor", "`scripted`, `openai`, `anthropic`, `compatible` or a vendor by name.")]
    model: Annotated[str, _about("Model", "The vendor's name of the model.")] = ""
    api_key: Annotated[str, _about("API key", "The vendor's key; sealed, never shown.")] = ""
    base_url: Annotated[str, _about("Address", "Of an OpenAI-compatible server, such as Ollama or vLLM.")] = ""
    second_vendor: Annotated[str, _about("Second vendor", "Asked where the first fails.")] = ""
    second_model: Annotated[str, _about("Second model", "The vendor's name of the model.")] = ""
    second_api_key: Annotated[str, _about("Second API key", "Sealed, never shown.")] = ""
    second_base_url: Annotated[str, _about("Second address", "As the first.")] = ""
    instructions: Annotated[str, _about("Instructions", "Who the assistant is, what it may say, when it stops.")] = ""
    temperature: Annotated[float, _about("Temperature", "0 is steady, 2 is wild.", least=0, most=2)] = 0.3
    max_tokens: Annotated[int, _about("Most tokens", "Of one answer.", least=16, most=8000)] = 600
    timeout_s: Annotated[float, _about("Time-out", "Of one call of a model.", least=1, most=LONGEST_CALL_S)] = 10.0
    reply_limit: Annotated[int, _about("Longest answer", "In characters.", least=40, most=LONGEST_REPLY)] = 1000
    context_messages: Annotated[int, _about("Messages of context", "The latest ones.", least=1, most=MOST_LINES)] = 20
    summary: Annotated[bool, _about("Summary", "Of what was said before the messages of context.")] = True
    context_ttl_s: Annotated[float, _about("Context ends", "After this long without a message.", least=60)] = 86_400.0
    reset_words: Annotated[tuple[str, ...], _about("Reset words", "A message of one of them begins anew.")] = (
        "/reset",
    )
    language: Annotated[str, _about("Language", "Of its own sentences: en, pt, es, de, fr.")] = "en"
    disclosure: Annotated[str, _about("Disclosure", "What the first answer begins with; empty for the usual one.")] = ""
    emergency_words: Annotated[tuple[str, ...], _about("Emergency words", "Bring a person at once.")] = ()
    emergency_reply: Annotated[str, _about("Emergency answer", "Said at once, with the local number.")] = ""
    person_words: Annotated[tuple[str, ...], _about("Words for a person", "Bring a person.")] = ("human", "person")
    file_vendors: Annotated[
        tuple[str, ...], _about("Vendors of files", "Who may see pictures and PDFs that people send; nobody if empty.")
    ] = ()
    thanks_words: Annotated[tuple[str, ...], _about("Thanks", "Messages of them alone get the reaction below.")] = ()
    thanks_reaction: Annotated[str, _about("Reaction to thanks", "An emoji; empty to answer in words.")] = ""
    blocked_phrases: Annotated[tuple[str, ...], _about("Blocked phrases", "Never said; a person goes on.")] = ()
    allowed_hosts: Annotated[tuple[str, ...], _about("Allowed hosts", "That an answer may link to.")] = ()
    in_groups: Annotated[bool, _about("In groups", "Answers there where it is mentioned.")] = False
    mention_words: Annotated[tuple[str, ...], _about("Mention", "What calls it in a group; its name if empty.")] = ()
    messages_per_day: Annotated[int, _about("Messages a day", "Of the assistant; 0 is no limit.", least=0)] = 0
    messages_per_contact: Annotated[int, _about("Messages a day and contact", "0 is no limit.", least=0)] = 50
    tokens_per_day: Annotated[int, _about("Tokens a day", "Of the assistant; 0 is no limit.", least=0)] = 0
    tools: Annotated[tuple[Tool, ...], _about("Tools", "What a model may ask for, in JSON.")] = ()
    script: Annotated[tuple[ScriptRule, ...], _about("Script", "Rules of the scripted assistant.")] = ()

    def __repr__(self) -> str:
        return f"<AssistantSettings {self.vendor} {self.model}>"

    @property
    def is_scripted(self) -> bool:
        return self.vendor == SCRIPTED

    @property
    def history_lines(self) -> int:
        """How many messages a turn has to read: what is to be summarised next stands before those that are shown."""
        return self.context_messages * (2 if self.summary and not self.is_scripted else 1)

    @property
    def says_patterns(self) -> bool:
        return self.is_scripted and any(rule.say for rule in self.script)

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """The models to ask, the first one first."""
        first = ModelChoice(vendor=self.vendor, model=self.model, api_key=self.api_key, base_url=self.base_url)
        if not self.second_vendor:
            return (first,)
        second = ModelChoice(
            vendor=self.second_vendor,
            model=self.second_model,
            api_key=self.second_api_key,
            base_url=self.second_base_url,
        )
        return (first, second)


JSON_LISTS: Final = {"script": "rules with pattern and reply or say", "tools": "tools with name, mode and parameters"}
LISTS: Final = frozenset({
    "reset_words", "emergency_words", "person_words", "thanks_words", "mention_words", "blocked_phrases",
    "allowed_hosts", "file_vendors",
})  # fmt: skip
SECRETS: Final = frozenset({"api_key", "second_api_key"})
# Where a key may be left out, since the server is the owner's own.
KEYLESS: Final = frozenset({"compatible", "ollama"})


def parse_settings(given: Mapping[str, object]) -> AssistantSettings:
    """Texts, as a command line or a form has them, or JSON values. Raises InputError naming the setting."""
    known = {field.name for field in msgspec.structs.fields(AssistantSettings)}
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known))
            raise InputError(f"{name[:64]}: is no setting of an assistant; there are: {listed}.", field=name[:64])
    values = {name: _spread(name, value) for name, value in given.items()}
    try:
        settings = msgspec.convert(values, AssistantSettings, strict=False)
    except msgspec.ValidationError as wrong:
        field = _field_of(wrong)
        raise InputError(f"{field or 'settings'}: {_rule_of(wrong)}.", field=field) from None
    check_settings(settings)
    return settings


def check_settings(settings: AssistantSettings) -> None:
    """Raises InputError where the settings do not go together."""
    if settings.is_scripted:
        for place, rule in enumerate(settings.script):
            _check_pattern(rule, f"script[{place}].pattern")
            if bool(rule.reply) == bool(rule.say):
                field = f"script[{place}].reply"
                raise InputError(f"{field}: needs either words here, or a pattern's name in say.", field=field)
        return
    check_tools(settings.tools)
    for choice, prefix in zip(settings.choices, ("", "second_"), strict=False):
        if not choice.model:
            raise InputError(f"{prefix}model: is missing; name the vendor's model.", field=f"{prefix}model")
        if choice.vendor == "compatible" and not choice.base_url:
            raise InputError(
                f"{prefix}base_url: is missing; a compatible server needs its address.", field=f"{prefix}base_url"
            )
        if not choice.api_key and choice.vendor not in KEYLESS:
            raise InputError(f"{prefix}api_key: is missing; {choice.vendor} needs one.", field=f"{prefix}api_key")


def describe_settings(settings: AssistantSettings) -> dict[str, object]:
    """As it may be shown: keys are only said to be there. Defaults are left out."""
    usual = msgspec.to_builtins(AssistantSettings(vendor=""))
    shown = {
        name: "***" if name in SECRETS else value
        for name, value in msgspec.to_builtins(settings).items()
        if value != usual[name]
    }
    if settings.tools:
        masked = (msgspec.structs.replace(tool, secret="***" if tool.secret else "") for tool in settings.tools)
        shown["tools"] = msgspec.to_builtins(list(masked))
    return shown


def _spread(name: str, value: object) -> object:
    """A list typed as words with commas between them; a script and tools typed as JSON."""
    if not isinstance(value, str):
        return value
    if name in JSON_LISTS:
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise InputError(f"{name}: is not JSON: a list of {JSON_LISTS[name]}.", field=name) from None
    if name in LISTS:
        return [word.strip() for word in value.split(",") if word.strip()]
    return value.strip() if name != "instructions" else value


def _check_pattern(rule: ScriptRule, field: str) -> None:
    if len(rule.pattern) > LONGEST_PATTERN:
        raise InputError(f"{field}: may hold {LONGEST_PATTERN} characters.", field=field)
    try:
        rule.compiled()
    except re.error:
        raise InputError(f"{field}: is no regular expression.", field=field) from None


def _field_of(wrong: msgspec.ValidationError) -> str | None:
    found = re.search(r"`\$\.([a-z_]+)", str(wrong)) or re.search(r"required field `([a-z_]+)`", str(wrong))
    return found.group(1) if found else None


def _rule_of(wrong: msgspec.ValidationError) -> str:
    return str(wrong).split(" - at ")[0].rstrip(".").replace("`", "").lower()
