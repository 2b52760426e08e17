"""What is shipped: the wheel holds the tree, nothing else, and imports without side effects."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import absentia

ROOT = Path(__file__).parents[1]
FOLDERS = ("cli", "data", "models", "inference", "experiments")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def shipped(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder, without notebooks and hidden folders."""
    paths = (path.relative_to(ROOT) for path in folder.rglob(pattern))
    return sorted(
        path
        for path in paths
        if "notebooks" not in path.parts and not any(part.startswith(".") for part in path.parts)
    )


def run_python(code: str, *, cwd: Path, path: Path) -> str:
    """Run code in a new interpreter that has ``path`` before everything installed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the tree, so that the checkout stays as it is."""
    copy = tmp_path_factory.mktemp("tree")
    for path in ROOT.glob("*"):
        if path.is_file():
            shutil.copy(path, copy)
    for folder in (*FOLDERS, "tests"):
        shutil.copytree(
            ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run(
        [*command, str(copy)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_packages_are_the_folders_with_an_init():
    found = {"absentia"}
    for folder in FOLDERS:
        inits = shipped(ROOT / folder, "__init__.py")
        found |= {".".join(("absentia", *path.parent.parts)) for path in inits}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


def test_wheel_holds_every_module_and_nothing_else(names):
    here = [path.relative_to(ROOT) for path in ROOT.glob("*.py")]
    for folder in FOLDERS:
        here += shipped(ROOT / folder, "*.py")
    expected = {f"absentia/{path.as_posix()}" for path in here}
    assert {name for name in names if name.endswith(".py")} == expected


def test_wheel_holds_the_data_files(names):
    tables = [path for folder in FOLDERS for path in shipped(ROOT / folder, "*.toml")]
    expected = {f"absentia/{path.as_posix()}" for path in tables} | {"absentia/py.typed"}
    assert expected <= names
    assert not [name for name in names if "/tests/" in name]


def test_metadata(metadata, names):
    version = metadata["Version"]
    assert version == absentia.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert f"absentia-{version}.dist-info/licenses/LICENSE" in names
    arviz = [need for need in metadata.get_all("Requires-Dist") if need.startswith("arviz")]
    assert len(arviz) == 2
    assert any("<1" in need and 'python_version < "3.12"' in need for need in arviz)
    assert any(">=1.0" in need and 'python_version >= "3.12"' in need for need in arviz)


def test_citation_is_of_this_version():
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {absentia.__version__}" in lines


def test_constraints_are_for_every_python_that_is_supported():
    """Debian 12 has Python 3.11.2; a pin that asks for more cannot be installed there."""
    asked = SpecifierSet(PROJECT["project"]["requires-python"])
    pythons = [f"3.{minor}.0" for minor in range(8, 20) if asked.contains(f"3.{minor}.0")]
    assert len(pythons) == 3
    checked = 0
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        try:
            found = distribution(name).metadata
        except PackageNotFoundError:
            continue
        if found["Version"] == version and found["Requires-Python"]:
            checked += 1
            allowed = SpecifierSet(found["Requires-Python"])
            assert all(map(allowed.contains, pythons)), f"{line} is for {allowed}"
    assert checked > 50


def test_constraints_hold_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            pin = line.split(";")[0]
            name, equals, version = pin.partition("==")
            assert name, line
            assert equals, line
            assert version[0].isdigit(), line
            assert not set("@/+ ") & set(pin), line


SIDE_EFFECTS = """
import random, warnings
import arviz, matplotlib, numpy, pandas, pyro, scipy.stats, sklearn, torch, tqdm, typer, xarray

pyro.set_rng_seed(3)
pyro.param("kept", torch.ones(2))

def state():
    generator = numpy.random.get_state()
    return {
        "torch seed": torch.get_rng_state().tolist(),
        "torch dtype": torch.get_default_dtype(),
        "torch threads": torch.get_num_threads(),
        "torch gradients": torch.is_grad_enabled(),
        "numpy seed": (generator[1].tolist(), generator[2:]),
        "python seed": random.getstate(),
        "Pyro settings": pyro.settings.get(),
        "parameters": sorted(pyro.get_param_store().keys()),
        "warnings": list(warnings.filters),
        "matplotlib": dict(matplotlib.rcParams),
    }

before = state()
import absentia
after = state()
changed = [name for name in before if before[name] != after[name]]
assert not changed, f"import absentia changed: {changed}"
print(absentia.__file__, absentia.__version__)

import importlib, pkgutil
for module in pkgutil.walk_packages(absentia.__path__, "absentia."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
    print(module.name)
"""


@pytest.mark.slow
def test_import_changes_no_global_state_and_every_module_imports(unpacked, tmp_path):
    where, version, *modules = run_python(SIDE_EFFECTS, cwd=tmp_path, path=unpacked).split()
    assert (where, version) == (str(unpacked / "absentia" / "__init__.py"), absentia.__version__)
    assert {f"absentia.{folder}" for folder in FOLDERS} <= set(modules)


ON_FIRST_USE = """
import sys
import absentia
from absentia.cli import app

def loaded(*libraries):
    return [name for name in libraries if name in sys.modules]

for command in ([], ["inspect"], ["impute"], ["report"]):
    app([*command, "--help"], standalone_mode=False)
    assert not loaded("torch", "pyro", "pandas", "scipy"), command

# a table of numbers, levels and dates is described without torch
app(["inspect", "table.csv"], standalone_mode=False)
assert not loaded("torch", "pyro", "scipy", "sklearn", "matplotlib")

# what derives from a class of scikit-learn, or returns objects of xarray, needs them
# and plots are drawn by matplotlib, those of the report too
for name in set(absentia.__all__) - {"MNARImputer", "to_arviz", "plots", "report"}:
    getattr(absentia, name)
assert loaded("torch", "pyro")

# a first fit waits for nothing but torch, Pyro and pandas, and not for torch's compiler
import warnings
warnings.simplefilter("ignore")
table = absentia.IncompleteData.from_numpy([[1.0, 2.0], [2.0, float("nan")], [4.0, 1.0]] * 4)
for model, how in ((absentia.NotMIWAEPPCA, {"steps": 20}), (absentia.NotMIWAE, {"steps": 2})):
    fitted = absentia.fit(model(table, seed=0), table, progress=False, **how)
    absentia.impute(fitted, table, 20)
print(loaded(
    "sklearn", "matplotlib", "arviz", "scipy.stats", "scipy.optimize", "xarray", "formulaic",
    "torch._dynamo",
))
"""


DRAWN = """
import sys
from absentia.cli import app
app(["inspect", "table.csv", "--out", "drawn"], standalone_mode=False)
print([name for name in ("torch", "pyro", "scipy", "sklearn") if name in sys.modules])
"""


def write_table(path):
    lines = [
        f"{k * 0.7},{'yes' if k % 3 else 'no'},{'' if k > 8 else k},2024-05-{10 + k}"
        for k in range(12)
    ]
    path.write_text("\n".join(["a,b,c,d", *lines]))


def test_the_picture_of_a_table_is_drawn_without_torch(unpacked, tmp_path):
    write_table(tmp_path / "table.csv")
    printed = run_python(DRAWN, cwd=tmp_path, path=unpacked)
    assert printed.splitlines()[-1] == "[]"
    assert (tmp_path / "drawn" / "missingness.png").exists()


def test_libraries_are_imported_where_they_are_used(unpacked, tmp_path):
    write_table(tmp_path / "table.csv")
    printed = run_python(ON_FIRST_USE, cwd=tmp_path, path=unpacked)
    assert printed.splitlines()[-1] == "[]"


def test_every_public_name_is_found_and_others_are_not():
    from absentia import data, inference

    for module in (absentia, data, inference):
        assert set(module.__all__) <= set(dir(module))
        for name in module.__all__:
            assert getattr(module, name) is not None
        with pytest.raises(AttributeError, match="no_such_name"):
            module.no_such_name  # noqa: B018
