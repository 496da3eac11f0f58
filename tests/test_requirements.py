"""requirements.txt and pyproject.toml ask for the same; requirements.lock is of requirements.txt: every package
pinned, with hashes, from an index that it does not name."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def required(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def locked() -> list[tuple[Requirement, list[str]]]:
    """The entries of the lock file, each with its hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    entries = [entry.split(" --hash=") for entry in re.sub(r"\s*\\\n\s*", " ", lines).splitlines() if entry]
    return [(Requirement(entry), hashes) for entry, *hashes in entries]


def bounds(requirements) -> dict[str, str]:
    """The versions that are allowed, by the package's name."""
    return {canonicalize_name(own.name): str(own.specifier) for own in requirements}


def test_what_is_installed_with_pip_has_the_bounds_of_the_files_of_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: bounds(map(Requirement, own)) for name, own in project["optional-dependencies"].items()}
    beside = extras.pop("train") | extras.pop("cluster")
    stated = [bounds(map(Requirement, project["dependencies"])), *extras.values()]
    assert {name: own for part in stated for name, own in part.items()} == bounds(
        required("requirements.txt")
    )
    assert sum(map(len, stated)) == len(required("requirements.txt"))  # each stands in one place only
    # These stand with the tests: the page and the README's commands do without, but for tiles and clusters.
    assert beside.items() <= bounds(required("tests/requirements.txt")).items()


@pytest.mark.parametrize("direct", required("requirements.txt"), ids=lambda direct: direct.name)
def test_each_requirement_is_locked_at_a_version_that_it_allows(direct):
    entries = [
        entry for entry, _ in locked() if canonicalize_name(entry.name) == canonicalize_name(direct.name)
    ]
    assert any(entry.marker is None or entry.marker.evaluate() for entry in entries)
    for entry in entries:
        (pin,) = entry.specifier
        assert direct.specifier.contains(pin.version, prereleases=True)


def test_each_locked_package_has_one_version_and_hashes_and_no_address():
    for entry, hashes in locked():
        assert [pin.operator for pin in entry.specifier] == ["=="], entry
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), entry
        assert entry.url is None, entry
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_says_how_it_is_made():
    head = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()[1]
    assert "uv pip compile --universal --python-version 3.11 --generate-hashes" in head
    assert "requirements.txt -o requirements.lock" in head
