"""Payloads of the other providers: adding a file adds a test."""

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "fixtures"


def load(provider: str, name: str) -> Any:
    return json.loads((FIXTURES / provider / name).read_text())


def folder(provider: str, name: str) -> dict[str, Any]:
    """Every document of a folder, by the name of its file."""
    paths = sorted((FIXTURES / provider / name).glob("*.json"))
    return {path.stem: load(provider, f"{name}/{path.name}") for path in paths}


def webhooks(provider: str) -> dict[str, bytes]:
    """Every body that would be posted; a file that is a list is a sequence of requests."""
    bodies = {}
    for name, document in folder(provider, "webhooks").items():
        for number, body in enumerate(document if isinstance(document, list) else [document]):
            bodies[f"{name}[{number}]"] = json.dumps(body).encode()
    return bodies
