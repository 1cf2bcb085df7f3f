"""What is installed with the package, and what its wheel holds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
NAME = "airflow-provider-assets"
BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
# Licences that ask for no more than their text; MPL-2.0 asks for changes of the very files that have it.
PERMISSIVE = re.compile(
    r"(Apache|MIT|(\d-Clause )?BSD|ISC|PSF|Python Software Foundation|Mozilla Public License 2|MPL-2"
    r"|The Unlicense|Artistic|0BSD|Zlib|CC0|HPND)\b.*",
)
# Looks at every use of the network while modules are imported.
WATCHED_IMPORT = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{event}: {arguments}")
import airflow.sdk  # which runs what it likes
sys.addaudithook(watch)
from importlib import import_module
from pkgutil import walk_packages
import airflow_provider_assets as package
names = [one.name for one in walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith("__main__") and ".example_dags" not in name:
        import_module(name)
print(len(names))
"""


def built(folder: Path, moment: float) -> Path:
    """The wheel of a copy of the project whose files are all as old as *moment*."""
    source = folder / "project"
    kept = ("airflow_provider_assets", "dags_examples", "pyproject.toml", "README.md", "LICENSE")
    source.mkdir(parents=True)
    for name in kept:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    for path in source.rglob("*"):
        os.utime(path, (moment, moment))
    command = [sys.executable, "-c", BUILD, str(folder)]
    done = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two wheels of the same source, built in other folders and as if at other times."""
    before = os.umask(0o022)
    try:
        first = built(tmp_path_factory.mktemp("first"), time.time())
        os.umask(0o077)
        return [first, built(tmp_path_factory.mktemp("another") / "place", 1.6e9)]
    finally:
        os.umask(before)


def test_the_same_source_gives_the_same_wheel(wheels: list[Path], figure) -> None:
    first, second = (wheel.read_bytes() for wheel in wheels)
    assert first == second
    figure(f"wheel: {len(first)} bytes, twice the same")


def test_the_wheel_holds_the_package_and_its_examples_and_nothing_else(wheels: list[Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = wheel.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "airflow_provider_assets",
        next(name.partition("/")[0] for name in names if ".dist-info/" in name),
    }
    kinds = {Path(name).suffix for name in names if ".dist-info/" not in name}
    assert kinds <= {".py", ".typed", ".html", ".css", ".js"}
    assert any("example_dags" in name for name in names)
    assert not [name for name in names if "test" in Path(name).parts[1]]


def test_importing_every_module_uses_no_network(tmp_path: Path) -> None:
    # Airflow itself looks for its configuration there.
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 100


def needed(name: str, extras: frozenset[str]) -> dict[str, Distribution]:
    """Everything that is installed because *name* is, by its name; *name* itself is left out."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [(name, extras)]
    while left:
        here = left.pop()
        if here in seen:
            continue
        seen.add(here)
        try:
            found[here[0]] = one = distribution(here[0])
        except PackageNotFoundError:  # of an extra that is not installed here
            continue
        for text in one.requires or ():
            wanted = Requirement(text)
            chosen = here[1] or {""}
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": e}) for e in chosen):
                left.append((canonicalize_name(wanted.name), frozenset(wanted.extras)))
    del found[name]
    return found


def licences(one: Distribution) -> list[str]:
    """The licences among which the user of a distribution can choose."""
    expression = one.metadata.get("License-Expression")
    if expression:
        return str(expression).split(" OR ")
    classifiers = one.metadata.get_all("Classifier") or []
    named = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License")]
    return named or [str(one.metadata.get("License"))[:80]]


def test_whatever_comes_with_the_package_has_a_permissive_licence(figure) -> None:
    extras = frozenset({"s3", "gcs", "azure", "fast", "parquet", "report"})
    found = needed(NAME, extras)
    offered = {name: licences(one) for name, one in found.items()}
    refused = {
        name: given
        for name, given in offered.items()
        if not any(all(map(PERMISSIVE.match, text.split(" AND "))) for text in given)
    }
    assert not refused
    assert {"apache-airflow", "requests", "boto3", "pillow", "pyarrow"} <= found.keys()
    figure(f"licences: {len(found)} packages, all of them permissive")
