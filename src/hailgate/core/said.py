"""What was said, however it was typed: one spelling for words that are looked for in what people write."""

import re
import unicodedata
from typing import Final

# Telephones put typographic signs in the place of those on a keyboard.
_TYPOGRAPHIC: Final = str.maketrans("\u2018\u2019\u02bc\u00b4`\u2010\u2011\u2012\u2013\u2014\u2212", "'''''------")
_MARKS: Final = re.compile("[\u0300-\u036f\ufe00-\ufe0f]")
# Scripts whose words stand without spaces between them, or with particles at their ends.
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def visible(text: str) -> str:
    """Without characters that nobody sees."""
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def fold_said(text: str) -> str:
    """Without capitals, accents, other forms of the same letters, characters that nobody sees and doubled spaces."""
    plain = unicodedata.normalize("NFKC", visible(text).translate(_TYPOGRAPHIC)).casefold()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", plain))
    return " ".join(unicodedata.normalize("NFC", bare).split())


def as_whole_word(folded: str) -> str:
    """A regular expression of a folded word that stands for itself."""
    before = "" if _UNSPACED.match(folded[0]) else r"(?<!\w)"
    after = "" if _UNSPACED.match(folded[-1]) else r"(?!\w)"
    return f"{before}{re.escape(folded)}{after}"
