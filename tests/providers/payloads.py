"""The Cloud API's payloads: adding a file adds a test."""

import json
from pathlib import Path

META = Path(__file__).parents[1] / "fixtures" / "meta"


def load(name):
    return json.loads((META / name).read_text())


def folder(name):
    """Every document of a folder, by the name of its file."""
    return {path.stem: load(f"{name}/{path.name}") for path in sorted((META / name).glob("*.json"))}


def webhooks():
    """Every body that would be posted; a file that is a list is a sequence of requests."""
    bodies = {}
    for name, document in folder("webhooks").items():
        for number, body in enumerate(document if isinstance(document, list) else [document]):
            if "object" in body:
                bodies[f"{name}[{number}]"] = json.dumps(body).encode()
    return bodies


ERROR_ROWS = load("error_codes.json")["codes"]
