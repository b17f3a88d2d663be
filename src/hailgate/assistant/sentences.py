"""Sentences that an assistant says of itself, in the languages that it knows: never a model's words."""

from typing import Final, NamedTuple

from hailgate.assistant.settings import AssistantSettings


class Sentences(NamedTuple):
    """``disclosure`` stands before the first answer; ``apology`` where none could be given."""

    disclosure: str
    apology: str
    person: str
    limit: str
    emergency: str
    voice: str
    anew: str
    confirm: str
    yes: str
    no: str
    done: str
    declined: str
    expired: str
    undone: str
    flood: str


SENTENCES: Final = {
    "en": Sentences(
        "I am an automated assistant.",
        "Sorry, I cannot answer right now. A person will get back to you here.",
        "I am passing you on to a person. Somebody will write to you here.",
        "I have answered as much as I may today. A person will get back to you here.",
        "This sounds urgent. Please call the emergency number of your country now. A person has been told.",
        "I cannot listen to recordings. A person will get back to you here.",
        "Let us begin anew. What can I do for you?",
        "Please confirm:",
        "Yes",
        "No",
        "Done.",
        "All right, I will not do it.",
        "That question is no longer open. Please ask me again.",
        "That did not work. A person will get back to you here.",
        "You are writing faster than I can answer. Please wait a few minutes and write again.",
    ),
    "pt": Sentences(
        "Sou um assistente automático.",
        "Desculpe, não consigo responder agora. Uma pessoa vai falar com você aqui.",
        "Vou passar você para uma pessoa. Alguém vai escrever aqui.",
        "Já respondi o máximo que posso hoje. Uma pessoa vai falar com você aqui.",
        "Isso parece urgente. Ligue agora para o número de emergência do seu país. Uma pessoa foi avisada.",
        "Não consigo ouvir gravações. Uma pessoa vai falar com você aqui.",
        "Vamos começar de novo. Como posso ajudar?",
        "Por favor, confirme:",
        "Sim",
        "Não",
        "Feito.",
        "Tudo bem, não vou fazer isso.",
        "Essa pergunta não está mais aberta. Peça de novo, por favor.",
        "Não funcionou. Uma pessoa vai falar com você aqui.",
        "Você está escrevendo mais rápido do que consigo responder. Espere alguns minutos e escreva de novo.",
    ),
    "es": Sentences(
        "Soy un asistente automático.",
        "Lo siento, ahora no puedo responder. Una persona le escribirá aquí.",
        "Le paso con una persona. Alguien le escribirá aquí.",
        "Hoy ya respondí todo lo que puedo. Una persona le escribirá aquí.",
        "Esto parece urgente. Llame ahora al número de emergencias de su país. Una persona ya fue avisada.",
        "No puedo escuchar grabaciones. Una persona le escribirá aquí.",
        "Empecemos de nuevo. ¿En qué puedo ayudarle?",
        "Por favor, confirme:",
        "Sí",
        "No",
        "Hecho.",
        "De acuerdo, no lo haré.",
        "Esa pregunta ya no está abierta. Pídalo otra vez, por favor.",
        "No funcionó. Una persona le escribirá aquí.",
        "Escribe más rápido de lo que puedo responder. Espere unos minutos y escriba de nuevo, por favor.",
    ),
    "de": Sentences(
        "Ich bin ein automatischer Assistent.",
        "Entschuldigung, ich kann gerade nicht antworten. Ein Mensch meldet sich hier.",
        "Ich gebe Sie an einen Menschen weiter. Jemand schreibt Ihnen hier.",
        "Ich habe heute so viel geantwortet, wie ich darf. Ein Mensch meldet sich hier.",
        "Das klingt dringend. Rufen Sie jetzt die Notrufnummer Ihres Landes an. Ein Mensch ist verständigt.",
        "Ich kann Aufnahmen nicht hören. Ein Mensch meldet sich hier.",
        "Fangen wir neu an. Was kann ich für Sie tun?",
        "Bitte bestätigen Sie:",
        "Ja",
        "Nein",
        "Erledigt.",
        "Gut, ich lasse es.",
        "Diese Frage ist nicht mehr offen. Bitte fragen Sie noch einmal.",
        "Das hat nicht geklappt. Ein Mensch meldet sich hier.",
        "Sie schreiben schneller, als ich antworten kann. Bitte schreiben Sie in einigen Minuten wieder.",
    ),
    "fr": Sentences(
        "Je suis un assistant automatique.",
        "Désolé, je ne peux pas répondre maintenant. Une personne vous écrira ici.",
        "Je vous passe une personne. Quelqu'un vous écrira ici.",
        "J'ai répondu autant que je le peux aujourd'hui. Une personne vous écrira ici.",
        "Cela semble urgent. Appelez maintenant le numéro d'urgence de votre pays. Une personne est prévenue.",
        "Je ne peux pas écouter les enregistrements. Une personne vous écrira ici.",
        "Recommençons. Que puis-je faire pour vous ?",
        "Veuillez confirmer :",
        "Oui",
        "Non",
        "C'est fait.",
        "D'accord, je ne le fais pas.",
        "Cette question n'est plus ouverte. Veuillez la poser à nouveau.",
        "Cela n'a pas marché. Une personne vous écrira ici.",
        "Vous écrivez plus vite que je ne peux répondre. Écrivez à nouveau dans quelques minutes.",
    ),
}


def disclosure_of(settings: AssistantSettings) -> str:
    """What a first message says of who wrote it."""
    return settings.disclosure or sentences_of(settings.language).disclosure


def sentences_of(language: str) -> Sentences:
    """Of the language or its family (`pt_BR` is `pt`); English where it is not known."""
    return SENTENCES.get(language.replace("-", "_").partition("_")[0].lower(), SENTENCES["en"])
