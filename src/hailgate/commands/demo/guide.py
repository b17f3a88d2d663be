"""What a visitor is told when the demo is ready."""

import os
from pathlib import Path
from typing import Any

from hailgate.commands.demo.layout import Layout

EXAMPLE_PHONE = "+15550100042"  # Ana, whom the simulator knows from its first day


def tell_guide(layout: Layout, summary: dict[str, Any], took: float) -> str:
    channel = summary["channels"][0]
    return f"""
Hailgate is ready ({took:.1f} s).

  Phones       {layout.sim_url}/   write to {channel["number"]} as Ana and watch the answer arrive
  Console      {summary["sign_in_url"]}
               read along, take over, answer (this link signs you in)
  API          {layout.url}/v1/docs

Then send Ana a message of your own (she must have written first: WhatsApp's 24-hour window):

  curl {layout.url}/v1/messages -H @{_short(layout.header)} -H 'Content-Type: application/json' \\
    -d '{{"channel": "{channel["name"]}", "to": "{EXAMPLE_PHONE}", "type": "text", "text": {{"body": "Hello!"}}}}'

Or buttons, which can be pressed on her phone; its page says what else there is to try:

  curl {layout.url}/v1/messages -H @{_short(layout.header)} -H 'Content-Type: application/json' \\
    -d '{{"channel": "{channel["name"]}", "to": "{EXAMPLE_PHONE}", "type": "interactive", "interactive": {{
      "type": "button", "body": {{"text": "Shall we meet at ten?"}}, "action": {{"buttons": [
        {{"type": "reply", "reply": {{"id": "yes", "title": "Yes"}}}},
        {{"type": "reply", "reply": {{"id": "no", "title": "No"}}}}]}}}}}}'

Try to break it: kill the server while Ana writes. Nothing is lost, nothing comes twice.

  API key and addresses for scripts   {_short(layout.summary)}
  Logs                                {_short(layout.log_folder)}

Ctrl-C ends the demo.
"""


def _short(path: Path) -> str:
    """As one would type it from here."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
