"""The wheel: what is in it, and that the library does the same installed, from another folder, as in the checkout."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pg_core import __version__, sample_path
from pg_core.networks.catalogue import TRAINED

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IN_THE_WHEEL = "pg_core/_assets"
CERTIFY = ["certify", str(sample_path("coffee")), "--model", "cifar10", "--device", "cpu", "--json"]
ASSETS = """
import json, pg_core
from pg_core.evaluation import published, results
from pg_core.networks import TRAINED, imagenet_classes
networks = {name: str(pg_core.load_model(name, "cpu")) for name in TRAINED}
found = [networks, sorted(results.read_all()), len(published.read()), imagenet_classes()]
print(json.dumps([pg_core.__file__, found]))
"""
"""Says where the library is, and what it finds of its weights, results and names."""
WITHOUT = """
import sys
blocked, *arguments = sys.argv[1:]
sys.modules.update(dict.fromkeys(blocked.split(",")))
from pg_core.__main__ import main
sys.exit(main(arguments))
"""
"""The command line where some packages cannot be imported."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder]
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", *options, ROOT], check=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of an environment's programs: the wheel is in it, and beside it the packages that are here."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    where = {"base": str(environment), "platbase": str(environment)}
    programs, packages = (Path(sysconfig.get_path(kind, "venv", where)) for kind in ("scripts", "purelib"))
    options = ["--quiet", "--no-deps", "--no-index", wheel]
    python = programs / "python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *options], check=True)
    here = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "beside.pth").write_text("\n".join(here), encoding="utf-8")
    return programs


def run(*command, folder):
    """What a command prints that knows nothing of the checkout but what it is given."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_wheel_has_the_library_with_each_asset_that_it_reads_and_nothing_else(wheel):
    code = [
        path
        for path in (ROOT / "pg_core").rglob("*")
        if path.suffix == ".py"
        or path.name in ("py.typed", "theory.md", "format.md", "certificate.schema.json")
    ]
    shipped = [f"weights/{name}{suffix}" for name in TRAINED for suffix in (".json", ".safetensors")]
    results = (ROOT / "assets" / "results").rglob("*.*")
    measured = [path.relative_to(ROOT / "assets").as_posix() for path in results]
    expected = {path.relative_to(ROOT).as_posix(): path for path in code} | {
        f"{IN_THE_WHEEL}/{name}": ROOT / "assets" / name
        for name in ("imagenet_classes.csv", *shipped, *measured)
    }
    named = {name for path in code for name in re.findall(r'\basset\("(.+?)"\)', path.read_text("utf-8"))}
    assert named >= {"weights", "results"}
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert sorted(names) == sorted(expected)
        assert all(archive.read(name) == path.read_bytes() for name, path in expected.items())
    for name in named:
        assert any(f"{own}/".startswith(f"{IN_THE_WHEEL}/{name}/") for own in names), name


def test_no_other_way_leads_to_the_assets():
    for path in [*(ROOT / "pg_core").rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        if path != ROOT / "pg_core" / "io" / "assets.py":
            assert '/ "assets"' not in path.read_text(encoding="utf-8"), path


def test_the_licence_and_the_notice_go_with_the_wheel_which_has_the_one_version(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (described,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(described).decode()
        for name in ("LICENSE", "NOTICE"):
            inside = described.replace("METADATA", f"licenses/{name}")
            assert archive.read(inside) == (ROOT / name).read_bytes()
    assert f"\nVersion: {__version__}\n" in metadata
    assert f"\nLicense-Expression: {PROJECT['license']}\n" in metadata
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation


@pytest.mark.parametrize("name", TRAINED)
def test_the_notice_says_what_all_shipped_weights_begin_with(name):
    assert f"{name}.safetensors" in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_a_photo_is_certified_from_another_folder_as_in_the_checkout_and_without_the_extras(
    installed, tmp_path
):
    extras = PROJECT["optional-dependencies"].values()
    optional = {canonicalize_name(Requirement(own).name) for extra in extras for own in extra}
    modules = packages_distributions().items()
    blocked = [name for name, owners in modules if optional & set(map(canonicalize_name, owners))]
    assert {"streamlit", "plotly", "matplotlib", "sklearn"} <= set(blocked)
    there = run(sys.executable, "-m", "pg_core", *CERTIFY, folder=ROOT)
    here = run(installed / "patchguard", *CERTIFY, folder=tmp_path)
    alone = run(installed / "python", "-c", WITHOUT, ",".join(blocked), *CERTIFY, folder=tmp_path)
    assert (there.returncode, there.stderr) == (0, "")
    assert json.loads(there.stdout)["verdict"]
    for same in (here, alone):
        assert (same.returncode, same.stdout, same.stderr) == (0, there.stdout, "")


def test_the_installed_library_finds_the_same_weights_results_and_names(installed, tmp_path):
    there = run(sys.executable, "-c", ASSETS, folder=ROOT)
    here = run(installed / "python", "-c", ASSETS, folder=tmp_path)
    assert (here.returncode, here.stderr) == (0, "")
    (checkout, expected), (environment, found) = json.loads(there.stdout), json.loads(here.stdout)
    assert Path(checkout).parents[1] == ROOT
    assert installed.parent in Path(environment).parents
    assert found == expected


def test_the_installed_command_is_called_by_its_own_name(installed, tmp_path):
    wrong = run(installed / "patchguard", "certify", folder=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("usage: patchguard certify ")
