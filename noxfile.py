"""The tests on every Airflow and every Python that the package supports: ``make compat``.

``nox --list`` names the sessions, and ``nox -s "compat-3.12(airflow='3.2.2')" -- tests/airflow`` runs some
tests in one of them.
"""

from __future__ import annotations

import re

import nox

# The newest patch of each minor version, and a day soon after its release. What it needs is installed as of
# that day, since old releases do not start with all that has come since: the constraints that Airflow
# publishes with a release serve the same purpose.
AIRFLOWS = {"3.1.8": "2026-03-15", "3.2.2": "2026-06-03", "3.3.2": "2026-10-01"}
PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = [
    found[1]
    for one in PROJECT["project"]["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one))
]
TESTS = ["tests/airflow", "tests/sansio", "tests/vendors", "tests/network", "tests/triggers"]
MARKS = "not (long or hostile or chaos or cluster or pages)"

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True


@nox.session(python=PYTHONS)
@nox.parametrize("airflow", list(AIRFLOWS))
def compat(session: nox.Session, airflow: str) -> None:
    """Run the tests that an Airflow or a Python can change, or those that are named after ``--``."""
    wanted = f"apache-airflow=={airflow}"
    session.install("--exclude-newer", AIRFLOWS[airflow], ".", wanted)
    session.install("--group", "test", wanted)
    # Warnings of what Airflow has deprecated since are no errors on an older one.
    session.run(
        "python", "-m", "pytest", "-o", "filterwarnings=default", "-n", "2", "--dist", "worksteal",
        *(session.posargs or ["-m", MARKS, *TESTS]),
    )  # fmt: skip
