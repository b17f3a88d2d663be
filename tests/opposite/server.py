"""Its server, a process of its own: `python -m opposite.server --port N`. What happened is asked for under `/_control`.

It believes every key, knows one account by each name that is used, and holds everything in memory.
"""

import argparse
import asyncio
import base64
import hashlib
import os
import random
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from opposite.provider import SIGNATURE, sign

PAGE = 2
WORDS = ["state", "number", "code", "webhook"]


class Account:
    """One number, its session, what it was given and what it tells."""

    def __init__(self, name: str) -> None:
        self.name, self.state, self.number, self.code, self.webhook = name, "unpaired", "", "", ""
        self.inbox: list[tuple[float, dict[str, str]]] = []
        self.sent: list[dict[str, Any]] = []


class Server:
    """`fault` is what becomes of the next sends: `lose` takes them and resets, `refuse` answers with 422."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._accounts: dict[str, Account] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self.fault, self.mute = "", False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_control/ledger", self.show_ledger),
            web.put("/_control/faults", self.set_faults),
            web.post("/_control/{account}/scan", self.scan),
            web.post("/_control/{account}/drop", self.drop),
            web.post("/_control/{account}/write", self.write),
            web.post("/{account}/send", self.send),
            web.get("/{account}/session", self.session),
            web.post("/{account}/session/{deed}", self.change_session),
            web.get("/{account}/sent", self.list_sent),
            web.get("/{account}/inbox", self.list_inbox),
        ]

    # --- for the business ---------------------------------------------------------------------------------------------

    async def send(self, request: web.Request) -> web.StreamResponse:
        account, said = self._account(request), await request.json()
        if account.state != "open":
            return web.Response(status=409)
        if self.fault == "refuse":
            return web.Response(status=422)
        message_id = f"opp.{random.randrange(16**12):012x}"
        file = base64.b64decode(said.pop("file", ""))
        digest = hashlib.sha256(file).hexdigest() if file else ""
        account.sent.append({**said, "id": message_id, "at": time.time(), "size": len(file), "sha256": digest})
        if self.fault == "lose":
            assert request.transport
            request.transport.abort()
            return web.Response()
        for status in ("sent", "delivered"):
            self._tell(account, event="status", id=message_id, status=status)
        return web.json_response({"id": message_id})

    async def session(self, request: web.Request) -> web.Response:
        account = self._account(request)
        return web.json_response({name: getattr(account, name) or None for name in WORDS})

    async def change_session(self, request: web.Request) -> web.Response:
        account, deed = self._account(request), request.match_info["deed"]
        account.webhook = (await request.json())["webhook"] or account.webhook
        if deed == "start":
            account.state = "open" if account.number else "pairing"
            account.code = "" if account.number else f"opposite@{random.randrange(16**20):x}"
        else:
            account.state, account.code = "closed", ""
            if deed == "log-out":
                account.number, account.state = "", "unpaired"
        return await self.session(request)

    async def list_sent(self, request: web.Request) -> web.Response:
        account, asked = self._account(request), request.query
        found = [one for one in account.sent if one["to"] == asked["to"] and one["at"] >= float(asked["since"])]
        return web.json_response({"messages": found})

    async def list_inbox(self, request: web.Request) -> web.Response:
        account, asked = self._account(request), request.query
        found = [told for at, told in account.inbox if at >= float(asked["since"])]
        start = int(asked["after"])
        more = str(start + PAGE) if start + PAGE < len(found) else None
        return web.json_response({"forms": [urlencode(one) for one in found[start : start + PAGE]], "after": more})

    # --- for the test -------------------------------------------------------------------------------------------------

    async def show_ledger(self, _: web.Request) -> web.Response:
        return web.json_response({name: account.sent for name, account in self._accounts.items()})

    async def set_faults(self, request: web.Request) -> web.Response:
        """`send` as above; with `mute` no webhook is posted at all."""
        asked = await request.json()
        self.fault, self.mute = asked.get("send", ""), asked.get("mute", False)
        return web.Response(status=204)

    async def scan(self, request: web.Request) -> web.Response:
        """A person shows the code to the phone of this number."""
        account = self._account(request)
        account.number, account.code = (await request.json())["number"], ""
        self._change(account, "open")
        return web.Response(status=204)

    async def drop(self, request: web.Request) -> web.Response:
        """The phone loses its connection, which a start brings back."""
        self._change(self._account(request), "closed")
        return web.Response(status=204)

    async def write(self, request: web.Request) -> web.Response:
        """A person writes; of a file `size` random bytes are made, which are told once and not kept."""
        account, asked = self._account(request), await request.json()
        told = {"event": "message", "id": f"in.{random.randrange(16**12):012x}", "at": str(time.time())}
        told |= {name: asked[name] for name in ("from", "text", "kind", "name") if name in asked}
        if size := asked.get("size", 0):
            file = os.urandom(size)
            told |= {"file": base64.b64encode(file).decode(), "sha256": hashlib.sha256(file).hexdigest()}
        kept = {name: value for name, value in told.items() if name != "file"}
        account.inbox.append((time.time(), {"account": account.name, **kept}))
        self._tell(account, **told)
        return web.json_response({"id": told["id"], "sha256": told.get("sha256", "")})

    # --- telling ------------------------------------------------------------------------------------------------------

    def _account(self, request: web.Request) -> Account:
        name = request.match_info["account"]
        return self._accounts.setdefault(name, Account(name))

    def _change(self, account: Account, state: str) -> None:
        account.state = state
        self._tell(account, event="session", state=state)

    def _tell(self, account: Account, **told: str) -> None:
        if account.webhook and not self.mute:
            task = asyncio.create_task(self._post(account.webhook, {"account": account.name, **told}))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _post(self, url: str, told: Mapping[str, str]) -> None:
        """Once: what is not taken is never told again."""
        body = urlencode(told).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", SIGNATURE: sign(self._secret, url, body)}
        try:
            async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers):
                pass
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass


def main() -> None:
    parser = argparse.ArgumentParser("opposite.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret", required=True)
    given = parser.parse_args()
    application = web.Application(client_max_size=256 << 20)
    application.add_routes(Server(given.secret).routes())
    web.run_app(application, host="127.0.0.1", port=given.port, print=None)


if __name__ == "__main__":
    main()
