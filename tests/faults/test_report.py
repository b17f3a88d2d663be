"""What a run says of itself."""

import json

import msgspec

from .checker import Verdict
from .report import Report, Result, add_up


def result(**facts):
    return Result(**({"id": "R01", "seed": 7, "database": "sqlite"} | facts))


def test_sums_are_over_all_lines_and_name_what_did_not_pass():
    results = [result(accepted=3, kills=2), result(database="postgresql", accepted=4, lost=1, passed=False)]
    sums = add_up(results)
    assert (sums["scenarios"], sums["accepted"], sums["lost"], sums["kills"]) == (2, 7, 1, 2)
    assert sums["failed"] == ["R01 postgresql cloud"]


def test_a_verdict_is_added_to_what_was_counted_before():
    counted = result(accepted=10, unexpected=1)
    counted.take(Verdict(accepted=5, delivered=4, lost=1, p99_ms=3.0))
    assert (counted.accepted, counted.delivered, counted.lost, counted.unexpected) == (15, 4, 1, 1)
    assert (counted.offences, counted.p99_ms) == (2, 3.0)


def test_each_line_names_the_words_of_the_contract_and_the_last_line_is_the_total(capsys):
    report = Report(None)
    report.add(result(accepted=1, delivered=1))
    assert report.close()
    first, last = capsys.readouterr().out.splitlines()
    words = "id seed accepted delivered lost duplicated reordered unknown unexpected recovered"
    assert " ".join(json.loads(first)).startswith(words)
    assert json.loads(last.removeprefix("TOTAL "))["delivered"] == 1


def test_a_run_that_did_not_pass_does_not_hold():
    report = Report(None)
    report.add(result(passed=False))
    assert not report.close()


def test_a_resumed_run_knows_what_passed_before_and_repeats_the_rest(tmp_path):
    path = tmp_path / "results.jsonl"
    written = Report(path)
    written.add(result())
    written.add(result(database="postgresql", passed=False))
    assert list(Report(path).earlier()) == [("R01", "sqlite", "cloud", 7, 1.0)]


def test_a_result_survives_its_own_line():
    original = result(notes={"points": 21}, broken=["a rule"])
    assert msgspec.json.decode(msgspec.json.encode(original), type=Result) == original
