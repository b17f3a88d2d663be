"""Where the demo is: its addresses, and the files in its folder."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

HOST = "127.0.0.1"


class Layout(NamedTuple):
    home: Path
    port: int
    sim_port: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        return cls(Path(environ["HAILGATE_HOME"]), int(environ["HAILGATE_PORT"]), int(environ["HAILGATE_SIM_PORT"]))

    def environment(self, outer: Mapping[str, str]) -> dict[str, str]:
        """For the children. The caller's variables win over our defaults; a `.env` of another installation does not."""
        ours = {
            "HAILGATE_HOME": str(self.home),
            "HAILGATE_PORT": str(self.port),
            "HAILGATE_SIM_PORT": str(self.sim_port),
            "HAILGATE_BIND": f"{HOST}:{self.port}",
            "HAILGATE_PUBLIC_URL": self.url,
            "HAILGATE_DEMO": "true",
        }
        defaults = {
            "HAILGATE_DATABASE_URL": f"sqlite:///{self.home / 'hailgate.db'}",
            "HAILGATE_DRAIN_S": "2",
            "HAILGATE_LOG_FORMAT": "text",
            "HAILGATE_SESSION_IDLE_S": "43200",
            "HAILGATE_PROVIDER_HOSTS": f"{HOST}:{self.sim_port}",
        }
        return {**defaults, **outer, **ours}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def sim_url(self) -> str:
        return f"http://{HOST}:{self.sim_port}"

    @property
    def summary(self) -> Path:
        """For scripts: addresses, API key, channels."""
        return self.home / "demo.json"

    @property
    def header(self) -> Path:
        """For curl: `-H @file`, so that the key is on no command line."""
        return self.home / "demo.header"

    @property
    def registration(self) -> Path:
        """What the simulator has to be told of our channels."""
        return self.home / "demo-simulator.json"

    @property
    def log_folder(self) -> Path:
        return self.home / "log"


def read_document(path: Path) -> Any:
    """None where there is none, or none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, for the owner's eyes alone."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
