"""A bug that is planted in loaded modules is met by everybody who imported from them."""

import importlib.util
import sys

import pytest

from .planting import Unplantable, plant
from .sites import Room, find_sites
from .touched import tests_of as near_tests_of

SOUND = """
FIND = "SELECT id FROM work WHERE worker_id = %s AND alive ORDER BY id"


def find(rows, lease):
    if lease is None:
        return []
    return sorted(rows)


class Claim:
    def refuse(self, lease):
        if not lease:
            raise ValueError
        return lease
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    file = tmp_path / "planted_here.py"
    file.write_text(SOUND, "utf-8")
    spec = importlib.util.spec_from_file_location("hailgate.planted_here", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "hailgate.planted_here", module)
    return module


def site(was):
    found = find_sites(Room("any", [], []), "planted_here.py", SOUND)
    return next(site for site in found if site.was == was)


def test_a_function_that_was_imported_before_has_the_bug(module):
    find = module.find
    assert find([2, 1], None) == []
    plant(site("lease is None"))
    assert find([2, 1], None) == [1, 2]


def test_so_has_a_method(module):
    claim = module.Claim()
    plant(site("not lease"))
    assert claim.refuse("") == ""


def test_a_statement_that_was_imported_by_name_is_the_changed_one(module, monkeypatch):
    held = sys.modules[__name__]
    monkeypatch.setattr(held, "FIND", module.FIND, raising=False)
    plant(site("ORDER BY id"))
    assert held.FIND.endswith("ORDER BY random()")


def test_what_nobody_has_loaded_is_tried_elsewhere():
    with pytest.raises(Unplantable):
        plant(site("lease is None")._replace(file="never_loaded.py"))


def test_near_files_come_first_and_the_quick_before_the_slow():
    touched = {
        "functions": {"planted_here.py find": ["b.py::slow", "b.py::quick", "a.py::near"]},
        "seconds": {"b.py::slow": 3.0, "b.py::quick": 0.1, "a.py::near": 9.0},
    }
    assert near_tests_of(site("lease is None"), touched, ["a.py"]) == ["a.py::near", "b.py::quick", "b.py::slow"]
