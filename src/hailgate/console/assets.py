"""Style sheets and scripts: served under a name that changes with them, so that browsers may keep them for ever."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import django

FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static/"


@cache
def static_url() -> str:
    """Django's own files (the admin's) change with its version."""
    digest = hashlib.sha256(django.__version__.encode())
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return f"{PREFIX}{digest.hexdigest()[:16]}/"
