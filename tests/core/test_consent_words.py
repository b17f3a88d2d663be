"""Words by which a person stops messages or starts them again: a whole message, in the languages of the channel."""

import pytest

from hailgate.core.consent_words import WORDS, find_wish


@pytest.mark.parametrize(
    ("text", "languages", "wanted"),
    [
        ("STOP", ["en"], False),
        (" stop! ", ["en"], False),
        ("Unsubscribe.", ["en"], False),
        ("start", ["en"], True),
        ("Please stop by at nine", ["en"], None),
        ("stop it please", ["en"], None),
        ("non-stop", ["en"], None),
        ("PARAR", ["en"], None),
        ("Parar", ["en", "pt"], False),
        ("quero  receber", ["pt"], True),
        ("Désabonner", ["fr"], False),
        ("abmelden", ["de"], False),
        ("BAJA", ["es"], False),
        ("No bot!", ["en"], False),
        ("nur Menschen", ["de"], False),
        ("Stop \U0001f6d1", ["en"], False),
        ("\u00abSTOP\u00bb", ["en"], False),
        ("\uff33\uff34\uff2f\uff30", ["en"], False),
        ("st\u200bop", ["en"], False),
        ("stop .", ["en"], False),
        ("\u00a1Baja!", ["es"], False),
        ("Nao quero receber", ["pt"], False),
        ("arreter", ["fr"], False),
        ("ARRE\u0302TER", ["fr"], False),
        ("M\u2019abonner", ["fr"], True),
        ("so humano", ["pt"], False),
        ("STOP", ["de"], False),
        ("stop?", ["en"], None),
        ("start\uff1f", ["en"], None),
        ("\U0001f6d1", ["en"], None),
        ("there is no bot here", ["en"], None),
        ("stop", [""], None),
        ("", ["en"], None),
        ("stop " * 1000, ["en"], None),
    ],
)
def test_only_a_whole_message_counts(text, languages, wanted):
    wish = find_wish(text, languages)
    assert (wish and wish.wanted) == wanted


@pytest.mark.parametrize("language", WORDS)
def test_what_a_person_is_told_names_a_word_that_undoes_it(language):
    words = WORDS[language]
    assert any(word.upper() in words.stopped for word in words.start)
    assert any(word.upper() in words.started for word in words.stop)
    assert len(words.stop | words.start | words.refuse) == len(words.stop) + len(words.start) + len(words.refuse)


@pytest.mark.parametrize("language", WORDS)
def test_in_every_language_the_word_that_all_know_stops_messages(language):
    assert find_wish("Stop", [language]).wanted is False
