"""What a retry says about a submission of which an attempt before it has no job."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from airflow_runs import connect
from exported import CONN, archive

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.batches.ledger import BatchEntry, BatchLedger, RecordedBatches
from airflow_provider_assets.batches.run import BatchRun
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio import errors, waiter
from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.vendors.huawei_roma import HuaweiRoma

pytestmark = pytest.mark.airflow
DOUBT = "An earlier attempt may have submitted batch 1, "


@pytest.fixture(scope="module")
def _roma():
    with running("--vendor", "roma", "--items", "3", "--job-seconds", "0.2") as sandbox:
        yield sandbox


@pytest.fixture
def roma(_roma, monkeypatch: pytest.MonkeyPatch):
    _roma.clear_faults()
    connect(monkeypatch, CONN, _roma.roma["connection"])
    monkeypatch.setattr(waiter, "BUSY_PAUSE_SECONDS", 0.1)
    return _roma


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="Airflow keeps no task state before 3.3")
def test_a_refused_submission_is_not_taken_for_one_that_may_have_been_accepted(
    airflow, capfd, roma, monkeypatch
):
    monkeypatch.setattr(waiter, "BUSY_BUDGET_SECONDS", 0.0)
    roma.fault("submit:busy:1")
    run = airflow(lambda: archive(items={"apps": roma.roma["apps"]}, retries=1))
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [errors.BusyError]
    said = "".join(capfd.readouterr())
    assert "Submitted batch 1" in said
    assert DOUBT not in said


def test_a_submission_waits_for_another_export_no_longer_than_the_timeout(airflow, roma):
    roma.fault("submit:busy:100")
    run = airflow(lambda: archive(items={"apps": roma.roma["apps"]}, timeout=0.5))
    assert [type(one.error) for one in run.tries] == [errors.BusyError]
    assert run.state == "failed"


def test_a_vendor_that_cannot_be_asked_for_a_lost_job_is_not_said_to_have_none(
    airflow, capfd, roma
):
    roma.fault("submit:accept-then-reset:1")
    run = airflow(lambda: archive(items={"apps": roma.roma["apps"]}, retries=1))
    assert run.state == "success", run.tries
    assert DOUBT + "and ROMA Connect cannot be asked for its job" in "".join(capfd.readouterr())


def test_a_vendor_that_was_asked_for_a_lost_job_has_none(airflow, capfd, sandbox):
    sandbox.fault("submit:500:1")
    run = airflow(lambda: archive(retries=1))
    assert run.state == "success", run.tries
    assert DOUBT + "but Scenario has no running or" in "".join(capfd.readouterr())


@dataclass
class Recorded(BatchLedger):
    """A ledger of one batch, in memory."""

    entries: list[BatchEntry] = field(default_factory=list)

    def record(self, entry: BatchEntry) -> None:
        self.entries.append(entry)


@pytest.mark.parametrize(
    ("error", "is_refused"),
    [
        (errors.RateLimitedError("no"), True),
        (errors.BusyError("no"), True),
        (errors.QuotaExceededError("no"), True),
        (errors.AuthenticationError("no"), True),
        (errors.InvalidRequestError("no"), True),
        (errors.VendorUnavailableError("no"), False),
        (errors.ProtocolError("no"), False),
    ],
)
@pytest.mark.parametrize("since", [None, 5.0])
def test_a_refusal_leaves_the_record_as_it_was_and_any_other_failure_is_remembered(
    error, is_refused, since
):
    """An attempt before this one may have been accepted, even if this one was refused."""
    entry = BatchEntry(ArchiveRequest("huawei_roma", {"apps": ("a",)}), since=since)

    def submit(request: ArchiveRequest, *, patience: float) -> None:
        raise error

    hook = SimpleNamespace(
        vendor=SimpleNamespace(spec=HuaweiRoma.spec, can_find=False),
        metrics=SimpleNamespace(submitting=nullcontext),
        find=lambda request, since: None,
        submit=submit,
    )
    ledger = Recorded()
    run = BatchRun(hook, ledger, RecordedBatches(CONN, None, [entry]), logging.getLogger())
    with pytest.raises(type(error)):
        run.start([0])
    assert (ledger.entries[-1] == entry) is is_refused
    assert is_refused or ledger.entries[-1].since > 5.0
