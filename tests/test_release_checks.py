"""What a release is asked for says no where it should: a hole, a package nobody looked at, a licence that binds."""

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


def load(name: str):
    loader = SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


SOUND = {"name": "segno", "version": "1.6.6", "vulns": []}
SKIPPED = {"name": "other", "skip_reason": "Dependency not found"}
OPEN = {"name": "bad", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


@pytest.mark.parametrize(
    ("packages", "faults"),
    [
        ([SOUND], []),
        ([SOUND, SKIPPED], ["other was not looked at: Dependency not found"]),
        ([SKIPPED, OPEN], ["other was not looked at: Dependency not found", "bad 1.0 has PYSEC-1, mended in 1.1"]),
        ([], []),
    ],
)
def test_a_hole_and_a_package_nobody_looked_at_are_faults(packages, faults):
    assert load("find-holes").judge(packages) == faults


def test_a_database_of_holes_that_is_out_of_reach_is_said():
    with pytest.raises(LookupError, match="out of reach"):
        load("find-holes").judge([SKIPPED, SKIPPED])


@pytest.mark.parametrize(
    ("licence", "taken"),
    [
        ("MIT", True), ("LGPL-3.0-only", True), ("GNU Lesser General Public License v3 (LGPLv3)", True),
        ("MIT OR GPL-2.0", True), ("GPL-3.0-or-later", False), ("AGPL-3.0", False),
        ("GNU Affero General Public License v3", False), ("", False),
    ],
)  # fmt: skip
def test_a_licence_that_binds_who_runs_it_is_refused(tmp_path, capsys, licence, taken):
    parts = tmp_path / "sbom.json"
    named = [{"license": {"name": licence}}] if licence else []
    parts.write_text(json.dumps({"components": [{"name": "part", "licenses": named}]}))
    assert (load("check-licences").main([parts]) == 0) is taken
    assert ("part" in capsys.readouterr().err) is not taken
