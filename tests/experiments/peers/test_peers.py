"""Peers run as processes of their own, are measured whole, and fail in words."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from absentia.data.errors import InputError
from absentia.experiments import peers
from absentia.experiments.peers import PEERS, environments, run_command, run_peer

HERE = Path(peers.__file__).parent
TABLE = np.array([[1.0, np.nan], [3.0, 4.0], [np.nan, 8.0], [0.1, 0.3]])


def command(folder: Path, code: str) -> list[str]:
    script = folder / "script.py"
    script.write_text("import sys\n" + code, encoding="utf-8")
    return [sys.executable, str(script)]


def test_a_script_completes_the_missing_cells_and_leaves_the_others_as_they_were():
    completed = run_command("mean", [sys.executable, str(HERE / "scripts/peer_mean.py")], TABLE, 0)
    expected = np.where(np.isnan(TABLE), np.nanmean(TABLE, 0), TABLE)
    np.testing.assert_allclose(completed.completed, expected, rtol=1e-14)
    seen = ~np.isnan(TABLE)
    assert (completed.completed[seen] == TABLE[seen]).all()


def test_what_the_whole_process_used_is_measured(tmp_path):
    work = (
        "import shutil, time\n"
        "table = bytearray(200_000_000)\n"
        "while time.process_time() < 0.4: pass\n"
        "assert sys.argv[3:] == ['--seed', '7']\n"
        "shutil.copy(sys.argv[1], sys.argv[2])\n"
    )
    found = run_command("work", command(tmp_path, work), np.ones((2, 1)), 7)
    assert 0.4 <= found.seconds < 2.0
    assert 200 < found.megabytes < 260  # this process, which starts it, has more


def test_a_peer_that_fails_says_why(tmp_path):
    with pytest.raises(InputError, match="'broken' did not complete the table: no such column"):
        run_command("broken", command(tmp_path, "sys.exit('first\\nno such column')"), TABLE, 0)


def test_a_peer_that_is_not_known_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv(environments.FOLDER, str(tmp_path / "peers"))
    with pytest.raises(InputError, match="peer 'amelia' is not one of mean, knn, mice"):
        run_peer("amelia", TABLE, 0)
    assert not (tmp_path / "peers").exists()


def test_an_environment_is_made_once_and_again_when_its_versions_change(tmp_path, monkeypatch):
    made, pins = [], tmp_path / "requirements"
    pins.mkdir()
    (pins / "some.txt").write_text("numpy==1.0\n")
    monkeypatch.setenv(environments.FOLDER, str(tmp_path / "peers"))
    monkeypatch.setattr(environments, "_REQUIREMENTS", pins)

    def make(folder, python, requirements, shares_torch):
        folder.mkdir()
        made.append(requirements.read_text())

    monkeypatch.setattr(environments, "_make", make)
    first, second = environments.environment("some"), environments.environment("some")
    assert first == second == tmp_path / "peers" / "some" / "bin" / "python"
    assert made == ["numpy==1.0\n"]
    (pins / "some.txt").write_text("numpy==2.0\n")
    environments.environment("some")
    assert made == ["numpy==1.0\n", "numpy==2.0\n"]


def test_an_environment_that_cannot_be_made_is_an_error_in_words():
    failing = [sys.executable, "-c", "import sys; sys.exit('no such version')"]
    with pytest.raises(InputError, match=r"the environment of 'some' .* \(no such version\)"):
        environments._run(failing, "some")


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_its_script_and_exact_versions(name):
    peer = PEERS[name]
    tree = ast.parse((HERE / "scripts" / peer.script).read_text(encoding="utf-8"))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "csv_command" in imported
    assert not [module for module in imported if module.startswith("absentia")]
    pins = (HERE / "requirements" / f"{peer.requirements}.txt").read_text(encoding="utf-8")
    assert all("==" in line for line in pins.splitlines())
