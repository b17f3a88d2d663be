"""`deploy/upgrade` turns units over one by one, and puts the old version back where one of them is not well.

systemd, pip and the programs are stand-ins that say what they were told; `make upgrade-trial` has real ones.
"""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "deploy" / "upgrade"
WORKER, WEB = "hailgate-worker@1.service", "hailgate.service"

SYSTEMCTL = """
echo "systemctl $*" >>"$TOLD"
unit=${@: -1}
case $1 in
  list-units) printf '%s loaded active running\\n' $UNITS ;;
  show) [[ $unit = "$CRASHES" ]] && new && echo $RANDOM || echo 42 ;;
  restart) [[ ! ($2 = "$REFUSED" && -z ${3:-}) ]] || ! new ;;
esac
"""
CURL = """
echo "curl ${@: -1}" >>"$TOLD"
[[ -z $SILENT ]] || ! new
"""
PYTHON = """
mkdir -p "${@: -1}/bin"
for name in pip hailgate; do printf '#!/bin/sh\\n' >"${@: -1}/bin/$name"; chmod 755 "${@: -1}/bin/$name"; done
"""
RUN = """
while [[ $1 = --* ]]; do shift; done
echo "run $(basename "$1") ${*:2}" >>"$TOLD"
[[ -z $BROKEN || $2 != migrate ]]
"""


@pytest.fixture
def upgrade(tmp_path):
    """What it was told to do, how it ended, and which version the link names then."""
    bin_folder, home = tmp_path / "bin", tmp_path / "opt" / "hailgate"
    release = tmp_path / "hailgate-2.0"
    for folder in (bin_folder, home.parent / "hailgate.1.0", release):
        folder.mkdir(parents=True)
    home.symlink_to("hailgate.1.0")
    (release / "a.whl").touch()
    (release / "SHA256SUMS").write_text("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.whl\n")
    for name, text in {"systemctl": SYSTEMCTL, "curl": CURL, "python3": PYTHON, "systemd-run": RUN}.items():
        new = f'new() {{ [[ $(readlink -f "{home}") = *.2.0 ]]; }}'
        (bin_folder / name).write_text(f"#!/bin/bash\n{new}\n{text}")
        (bin_folder / name).chmod(0o755)
    waits = "ready_within=60 steady_for=10"
    assert waits in SCRIPT.read_text()
    script = tmp_path / "upgrade"
    script.write_text(SCRIPT.read_text().replace(waits, "ready_within=2 steady_for=0.1"))

    def upgrade(*units: str, bind: str = "", **faults: str):
        settings, told = tmp_path / "env", tmp_path / "told"
        settings.write_text(bind and f"HAILGATE_BIND={bind}\n")
        environment = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "TOLD": str(told), "UNITS": " ".join(units)}
        environment |= {"HAILGATE_PREFIX": str(home), "HAILGATE_SETTINGS": str(settings)}
        environment |= {"CRASHES": "", "REFUSED": "", "SILENT": "", "BROKEN": ""} | faults
        said = subprocess.run(
            ["bash", script, release], check=False, capture_output=True, text=True, env=environment, timeout=60
        )
        lines = [line for line in told.read_text().splitlines() if not line.startswith(("systemctl show", "curl"))]
        asked = {line for line in told.read_text().splitlines() if line.startswith("curl")}
        return said, lines[1:], asked, home.readlink().name

    return upgrade


PREPARED = ["run hailgate backup", "run hailgate migrate --plan", "run hailgate migrate"]


def test_workers_first_and_each_alone_behind_a_backup_and_the_migrations(upgrade):
    said, told, asked, link = upgrade(WORKER, WEB)
    assert said.returncode == 0, said.stderr
    assert told == [*PREPARED, f"systemctl restart {WORKER}", f"systemctl restart {WEB}"]
    assert (asked, link) == ({"curl http://127.0.0.1:8000/readyz"}, "hailgate.2.0")


@pytest.mark.parametrize(
    ("fault", "unit"),
    [({"SILENT": "yes"}, WEB), ({"CRASHES": WORKER}, WORKER), ({"REFUSED": WORKER}, WORKER), ({"REFUSED": WEB}, WEB)],
    ids=["web is not ready", "worker crashes", "worker is refused", "web is refused"],
)
def test_back_where_a_unit_is_not_well(upgrade, fault, unit):
    said, told, _, link = upgrade(WORKER, WEB, **fault)
    assert (said.returncode, f"{unit} is not well" in said.stderr) == (1, True)
    assert link == "hailgate.1.0"
    assert told[-1] == f"systemctl restart {WORKER} {WEB}"


def test_nothing_is_turned_where_the_migrations_fail(upgrade):
    said, told, _, link = upgrade(WEB, BROKEN="yes")
    assert (said.returncode != 0, link) == (True, "hailgate.1.0")
    assert not [line for line in told if "restart" in line]


@pytest.mark.parametrize(
    ("bind", "asked"),
    [("0.0.0.0:8080", "127.0.0.1:8080"), ("10.0.0.5:8000", "10.0.0.5:8000"), ("[::1]:8000", "[::1]:8000")],
)
def test_readiness_is_asked_where_it_is_bound(upgrade, bind, asked):
    assert upgrade(WEB, bind=bind)[2] == {f"curl http://{asked}/readyz"}
