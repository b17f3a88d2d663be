"""Each symptom on the page of troubles is one that a test brings about, and what it quotes is what the program says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "troubleshoot.md"
ROW = re.compile(r"^\| (?!it says|you see|---)(.+?) \| ", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`|\*([^*]+)\*")
SOURCE = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
SAID = SOURCE + SOURCE.replace("_", " ")  # reasons are shown so
OF_THE_SYSTEM = {"Address already in use", "8000", ".0.0.1"}
# Each by the beginning of its symptom.
TRIED = {
    "`cannot listen on": "test_asgi.py::test_an_address_that_is_taken_is_said_in_words",
    "`HAILGATE_SECRET_KEYS is not set": "test_env.py::test_on_postgresql_no_key_is_made",
    "`database: there is none yet`": "commands/test_check.py::test_to_look_makes_no_database_and_no_keys",
    "`… is no setting": "test_env.py::test_a_name_that_is_no_setting_is_told_with_the_nearest",
    "Meta says that": "commands/test_check.py::test_a_webhook_makes_its_round_trip",
    "`401 signature_invalid`": "edge/test_hooks.py::test_another_hooks_signature_is_refused",
    "`404 not_found` for a hook": "edge/test_hooks.py::test_unknown_tokens_are_not_found",
    "webhooks are stored": "commands/test_check.py::test_that_no_worker_runs_is_warned_of",
    "an event is listed as not understood": "messaging/test_applying.py::"
    "test_what_is_not_understood_yet_is_kept_as_it_came",
    "`queued`, and it stays": "console/test_queue.py::test_what_holds_a_channel_is_said",
    "`paused by hand`": "commands/test_channels.py::test_a_list_says_in_words_how_a_channel_is",
    "`provider failing": "commands/test_channels.py::test_a_list_says_in_words_how_a_channel_is",
    "`window_closed`": "pipeline/test_outbound.py::test_outside_the_window_no_text_leaves",
    "`unknown`": "api/test_dead_letters.py::test_an_unknown_one_is_settled_once_and_on_record",
    "sent, with a question mark": "messaging/test_stale.py::test_what_nobody_spoke_of_for_an_hour_is_stale",
    "nothing leaves at all": "pipeline/test_hold.py::test_only_what_stays_inside_goes_on_while_it_is_held",
    "`401 unauthenticated`": "edge/test_send.py::test_a_revoked_key_ends_within_its_five_seconds",
    "`404` on `/metrics`": "edge/test_probes.py::test_metrics_are_hidden_on_an_open_bind_without_a_token",
    "`429`": "edge/test_paces.py::test_a_tenant_that_hands_in_too_much_gets_429_and_nothing_of_it_is_stored",
    "`503`, `store_unavailable`": "edge/test_store_away.py::test_a_message_is_answered_503_and_not_stored",
    "*This page is too old*": "console/test_signing.py::test_no_form_is_taken_from_elsewhere",
    "*Too many attempts*": "console/test_signing.py::test_five_wrong_passwords_lock_out_even_the_right_one",
    "a forgotten password": "commands/test_operators.py::test_a_forgotten_password_is_helped_by_a_link",
    "pages do not update": "edge/test_live.py::test_a_page_is_told_what_changed_in_its_own_view_alone",
    "a server's address is refused": "console/test_setup.py::"
    "test_a_server_inside_is_reached_only_where_the_owner_of_the_installation_listed_it",
}


SYMPTOMS = [row.split(" | ")[0] for row in ROW.findall(PAGE.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_symptom_is_brought_about_by_a_test(symptom: str) -> None:
    [test] = [named for beginning, named in TRIED.items() if symptom.startswith(beginning)]
    file, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_every_test_named_is_of_a_symptom() -> None:
    assert len(SYMPTOMS) == len(TRIED)


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_what_is_quoted_is_what_the_program_says(symptom: str) -> None:
    for quoted in filter(None, (part for found in QUOTED.findall(symptom) for part in found)):
        pieces = re.split(r"[…:,?]| \d|^\d+ ?", quoted)
        assert [piece for piece in map(str.strip, pieces) if piece not in OF_THE_SYSTEM and piece not in SAID] == []
