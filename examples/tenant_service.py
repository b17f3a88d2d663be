"""A tenant service: the few lines that Hailgate asks of a system that knows its tenants and their credentials.

    TENANT_SERVICE_TOKEN=secret python examples/tenant_service.py tenants.json 3007
    HAILGATE_TENANT_SERVICE_URL=http://127.0.0.1:3007 HAILGATE_TENANT_SERVICE_TOKEN=secret hailgate work

``tenants.json`` holds ``{"acme": {"active": true, "channels": [{"provider": "cloud", "number": "15550100000",
"settings": {"phone_number_id": "…", "access_token": "…"}, "rate": 80}]}}`` and is read at every call.
"""

import hmac
import json
import os
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

FOLDER = "/tenants/"


def make_server(tenants: Path, port: int, token: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return self.answer(HTTPStatus.UNAUTHORIZED, {})
            name = unquote(self.path.removeprefix(FOLDER)) if self.path.startswith(FOLDER) else ""
            tenant = json.loads(tenants.read_text(encoding="utf-8")).get(name)
            # 404 says that there is no such tenant. Whatever else goes wrong must be another status.
            if tenant is None:
                return self.answer(HTTPStatus.NOT_FOUND, {})
            return self.answer(HTTPStatus.OK, {"id": name, **tenant})

        def answer(self, status: HTTPStatus, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Who asked for whom is nobody's business."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    make_server(Path(sys.argv[1]), int(sys.argv[2]), os.environ["TENANT_SERVICE_TOKEN"]).serve_forever()
