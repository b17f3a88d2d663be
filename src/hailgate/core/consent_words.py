"""Consent words: what a person writes who wants no messages but answers, wants them again, or wants no assistant.

Only a message that is one of the words and nothing else counts: "stop" is a wish, "please stop by at nine" is none.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple


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
        frozenset({"parar", "pare", "descadastrar", "cancelar inscrição", "não quero receber"}),
        frozenset({"voltar a receber", "inscrever", "quero receber"}),
        frozenset({"sem robô", "sem robo", "sem assistente", "sem ia", "só humano"}),
        "Você não receberá mais mensagens nossas, só respostas às suas. Escreva QUERO RECEBER para voltar.",
        "Você voltará a receber nossas mensagens. Escreva PARAR para cancelar.",
        "A partir de agora, uma pessoa vai responder você aqui.",
    ),
    "es": ConsentWords(
        frozenset({"baja", "darme de baja", "parar", "alto"}),
        frozenset({"alta", "darme de alta", "suscribir"}),
        frozenset({"sin robot", "sin asistente", "sin ia", "solo humano"}),
        "No recibirá más mensajes nuestros, solo respuestas a los suyos. Escriba ALTA para recibirlos de nuevo.",
        "Volverá a recibir nuestros mensajes. Escriba BAJA para cancelarlos.",
        "A partir de ahora le responderá una persona aquí.",
    ),
    "de": ConsentWords(
        frozenset({"stopp", "abmelden", "abbestellen", "abmeldung"}),
        frozenset({"anmelden", "anmeldung"}),
        frozenset({"kein bot", "kein roboter", "kein assistent", "keine ki", "nur menschen"}),
        "Sie bekommen keine Nachrichten mehr von uns, nur Antworten auf Ihre. Mit ANMELDEN bekommen Sie sie wieder.",
        "Sie bekommen unsere Nachrichten wieder. Mit ABMELDEN beenden Sie das.",
        "Ab jetzt antwortet Ihnen hier ein Mensch.",
    ),
    "fr": ConsentWords(
        frozenset({"arrêter", "arret", "désabonner", "desabonner", "me désabonner"}),
        frozenset({"abonner", "m'abonner", "reprendre"}),
        frozenset({"pas de robot", "pas d'assistant", "pas d'ia", "sans robot"}),
        "Vous ne recevrez plus de messages de notre part, sauf nos réponses. Écrivez ABONNER pour les recevoir.",
        "Vous recevrez à nouveau nos messages. Écrivez ARRÊTER pour y mettre fin.",
        "Désormais, une personne vous répondra ici.",
    ),
}
LONGEST: Final = max(len(word) for words in WORDS.values() for word in words.stop | words.start | words.refuse)


class Wish(NamedTuple):
    """What a person wrote that they want, and what to tell them then; of messages, or of the ``assistant``."""

    wanted: bool
    told: str
    assistant: bool = False


def find_wish(text: str, languages: Iterable[str]) -> Wish | None:
    """None where the message as a whole is no word of these languages. A full stop or exclamation mark may end it."""
    if len(text) > 2 * LONGEST:
        return None
    said = " ".join(text.casefold().split()).rstrip(".!")
    for language in languages:
        words = WORDS.get(language)
        if words and said in words.stop:
            return Wish(False, words.stopped)
        if words and said in words.start:
            return Wish(True, words.started)
        if words and said in words.refuse:
            return Wish(False, words.refused, assistant=True)
    return None
