"""Every text of the console is in every catalogue, in the form in which programs read it."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation.template import templatize

import hailgate.console
from hailgate.core.content import preview
from hailgate.delivery_codes import list_texts

CONSOLE = Path(hailgate.console.__file__).parent
CATALOGUES = sorted((CONSOLE / "locale").glob("*/LC_MESSAGES/django.mo"))
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext"}
QUOTED = r"""(u?'(?:\\.|[^'\\])*'|u?"(?:\\.|[^"\\])*")"""
CALL = re.compile(rf"gettext\({QUOTED}(?:, *{QUOTED})?")
PLACE = re.compile(r"%\((\w+)\)s")


def texts_of_code(code: str) -> set[str]:
    """What is marked for translation: the first argument, and the plural where there is one."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in MARKS
        for argument in call.args[: 2 if call.func.id == "ngettext" else 1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def texts_of_template(source: str) -> set[str]:
    """As Django's own `makemessages` reads a template: what is left of it are calls."""
    return {
        ast.literal_eval(quoted) for call in CALL.finditer(templatize(source)) for quoted in call.groups() if quoted
    }


def texts() -> set[str]:
    found = texts_of_code(Path(preview.__code__.co_filename).read_text(encoding="utf-8"))
    found |= set(list_texts())
    for path in CONSOLE.rglob("*.py"):
        found |= texts_of_code(path.read_text(encoding="utf-8"))
    for path in CONSOLE.rglob("*.html"):
        found |= texts_of_template(path.read_text(encoding="utf-8"))
    return found


def catalogue(path: Path) -> gettext.GNUTranslations:
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


def test_there_is_a_catalogue_for_every_language_beside_english() -> None:
    languages = {path.parts[-3].replace("_", "-").lower() for path in CATALOGUES}
    assert languages == {code for code, _ in settings.LANGUAGES} - {"en"}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_no_text_is_untranslated_and_none_lost_its_places(path: Path) -> None:
    known = {}
    for key, translated in catalogue(path)._catalog.items():
        known.setdefault(key[0] if isinstance(key, tuple) else key, []).append(translated)
    wanted = texts()
    assert len(wanted) > 150
    plurals = {text for text in wanted if text not in known}
    assert {text for text in plurals if not _is_plural(text, path)} == set()
    for text, translations in known.items():
        for translated in translations:
            assert translated
            assert set(PLACE.findall(translated)) == set(PLACE.findall(text))


def _is_plural(text: str, path: Path) -> bool:
    """The plural of another text: catalogues keep it under the singular."""
    return f'msgid_plural "{text}"' in path.with_suffix(".po").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_what_was_compiled_is_what_was_written(path: Path) -> None:
    written = path.with_suffix(".po").read_text(encoding="utf-8")
    strings = [ast.literal_eval(quoted) for quoted in re.findall(r'^msgstr(?:\[\d\])? (".+")$', written, re.MULTILINE)]
    compiled = [text for key, text in catalogue(path)._catalog.items() if key]
    assert sorted(text for text in strings if text) == sorted(compiled)


@pytest.mark.parametrize(
    ("wanted", "language", "words"),
    [("pt-BR,pt;q=0.9,en;q=0.5", "pt-br", "Caixa de entrada"), ("de,en;q=0.5", "en", "Inbox"), ("fr", "en", "Inbox")],
)
def test_the_browsers_preference_chooses_the_language(owner, channel, wanted, language, words) -> None:
    page = owner.text("conversations", **{"Accept-Language": wanted})
    assert f'<html lang="{language}">' in page
    assert f"<h1>{words}</h1>" in page
