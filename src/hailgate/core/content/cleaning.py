"""What no database stores, found and replaced."""


def clean_text(text: str) -> str:
    """Replace by U+FFFD what no database stores: NUL and lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if is_unicode(text) else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_storable(text: str) -> bool:
    return "\0" not in text and is_unicode(text)
