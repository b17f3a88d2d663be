"""Consent words: what a person writes who wants no messages but answers, wants them again, or wants no assistant.

Only a message that is one of the words and nothing else counts: "stop" is a wish, "please stop by at nine" is none.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from hailgate.core.said import fold_said


class ConsentWords(NamedTuple):
    """``refuse`` are words of who wants no assistant. The sentences are told once the wish is on record."""

    stop: frozenset[str]
    start: frozenset[str]
    refuse: frozenset[str]
    stopped: str
    started: str
    refused: str


WORDS: Final = {
    "en": ConsentWords(
        frozenset({"stop", "stop all", "unsubscribe", "opt out", "opt-out"}),
        frozenset({"start", "subscribe", "opt in", "opt-in"}),
        frozenset({"no bot", "no bots", "no robot", "no assistant", "no ai", "human only"}),
        "You will get no messages from us except answers to yours. Write START to get them again.",
        "You will get our messages again. Write STOP to end them.",
        "A person will answer you here from now on.",
    ),
    "pt": ConsentWords(
        frozenset({"stop", "parar", "pare", "descadastrar", "cancelar inscrição", "não quero receber"}),
        frozenset({"voltar a receber", "inscrever", "quero receber"}),
        frozenset({"sem robô", "sem assistente", "sem ia", "só humano"}),
        "Você não receberá mais mensagens nossas, só respostas às suas. Escreva QUERO RECEBER para voltar.",
        "Você voltará a receber nossas mensagens. Escreva PARAR para cancelar.",
        "A partir de agora, uma pessoa vai responder você aqui.",
    ),
    "es": ConsentWords(
        frozenset({"stop", "baja", "darme de baja", "parar", "alto"}),
        frozenset({"alta", "darme de alta", "suscribir"}),
        frozenset({"sin robot", "sin asistente", "sin ia", "solo humano"}),
        "No recibirá más mensajes nuestros, solo respuestas a los suyos. Escriba ALTA para recibirlos de nuevo.",
        "Volverá a recibir nuestros mensajes. Escriba BAJA para cancelarlos.",
        "A partir de ahora le responderá una persona aquí.",
    ),
    "de": ConsentWords(
        frozenset({"stop", "stopp", "abmelden", "abbestellen", "abmeldung"}),
        frozenset({"anmelden", "anmeldung"}),
        frozenset({"kein bot", "kein roboter", "kein assistent", "keine ki", "nur menschen"}),
        "Sie bekommen keine Nachrichten mehr von uns, nur Antworten auf Ihre. Mit ANMELDEN bekommen Sie sie wieder.",
        "Sie bekommen unsere Nachrichten wieder. Mit ABMELDEN beenden Sie das.",
        "Ab jetzt antwortet Ihnen hier ein Mensch.",
    ),
    "fr": ConsentWords(
        frozenset({"stop", "arrêter", "arrêt", "désabonner", "me désabonner"}),
        frozenset({"abonner", "m'abonner", "reprendre"}),
        frozenset({"pas de robot", "pas d'assistant", "pas d'ia", "sans robot"}),
        "Vous ne recevrez plus de messages de notre part, sauf nos réponses. Écrivez ABONNER pour les recevoir.",
        "Vous recevrez à nouveau nos messages. Écrivez ARRÊTER pour y mettre fin.",
        "Désormais, une personne vous répondra ici.",
    ),
}
LONGEST: Final = max(len(word) for words in WORDS.values() for word in words.stop | words.start | words.refuse)
# Signs and emoji around a word leave it what it is; a question mark makes a question of it.
_AROUND: Final = re.compile(r"^[^\w?]+|[^\w?]+$")
_FOLDED: Final = {
    language: tuple(frozenset(map(fold_said, spelt)) for spelt in (words.stop, words.start, words.refuse))
    for language, words in WORDS.items()
}


class Wish(NamedTuple):
    """What a person wrote that they want, of messages or of the ``assistant``.

    ``told`` is what to tell them then; empty where somebody else has.
    """

    wanted: bool
    told: str
    assistant: bool = False


def find_wish(text: str, languages: Iterable[str]) -> Wish | None:
    """None where the message as a whole is no word of these languages, with or without accents, signs and emoji."""
    if len(text) > 2 * LONGEST:
        return None
    said = _AROUND.sub("", fold_said(text))
    for language in languages:
        stop, start, refuse = _FOLDED.get(language, ((), (), ()))
        if said in stop:
            return Wish(False, WORDS[language].stopped)
        if said in start:
            return Wish(True, WORDS[language].started)
        if said in refuse:
            return Wish(False, WORDS[language].refused, assistant=True)
    return None
