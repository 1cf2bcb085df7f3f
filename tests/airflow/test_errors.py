from __future__ import annotations

import hashlib
import socket
import zipfile
from datetime import timedelta
from ipaddress import ip_address

import pytest
from airflow.sdk import DAG, BaseNotifier, task
from airflow.sdk.definitions.retry_policy import RetryAction, RetryDecision
from airflow.serialization.serialized_objects import DagSerialization
from airflow_runs import connect
from exported import CONN, archive, archives, arm, export, read
from origin import http_origin

from airflow_provider_assets.destinations import open_destination
from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.landing import LandingOptions
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.retry_policy import ArchiveRetryPolicy
from airflow_provider_assets.sansio import errors
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Downloads are given up sooner: the pauses between attempts double each time."""
    monkeypatch.setitem(LandingOptions.__init__.__kwdefaults__, "attempts", 3)


# fault -> arguments, error, what its message says
WAITS = {
    "job:failed,error=quota of the account": (
        {},
        errors.JobFailedError,
        ["ended as failure", "quota of the account", "a retry submits it again"],
    ),
    "job:canceled": ({}, errors.JobCancelledError, ["clear the task to submit it again"]),
    "job:stuck": (
        {"timeout": 1.0},
        errors.JobTimeoutError,
        [
            "at the deadline",
            "raise `timeout` (or execution_timeout)",
            "clear the archive task to submit it again",
        ],
    ),
    "poll:401,after=1": (
        {},
        errors.AuthenticationError,
        ["HTTP 401", "check the credentials and permissions of connection 'scenario_default'"],
    ),
    "poll:reset,after=1": (
        {},
        errors.VendorUnavailableError,
        ["got no answer", "check the connection's base_url, the network and any proxy"],
    ),
    "poll:500html,after=1": ({}, errors.VendorUnavailableError, ["HTTP 500"]),
    "poll:200html,after=1": (
        {},
        (errors.VendorUnavailableError, errors.ProtocolError),
        ["expected a JSON object, got text/html"],
    ),
}


@MODES
@pytest.mark.parametrize("fault", WAITS)
def test_a_wait_that_ends_badly_says_what_to_do(airflow, sandbox, fault, deferrable):
    arguments, expected, texts = WAITS[fault]
    arm(sandbox, fault)
    run = airflow(lambda: archive(deferrable=deferrable, **arguments))
    assert run.state == "failed"
    assert isinstance(run.error, expected), repr(run.error)
    assert [text for text in texts if text not in str(run.error)] == []
    assert sandbox.stats()["totals"]["accepted"] == 1


@MODES
def test_wrong_credentials_fail_at_once_and_name_the_connection(
    airflow, sandbox, monkeypatch, deferrable
):
    wrong = {**sandbox.scenario["connection"], "password": "no-secret"}
    connect(monkeypatch, "scenario_default", wrong)
    run = airflow(lambda: archive(deferrable=deferrable, retries=3))
    assert type(run.error) is errors.AuthenticationError
    assert "check the credentials and permissions of connection 'scenario_default'" in str(
        run.error
    )
    assert len(run.tries) == 1
    assert sandbox.stats()["totals"]["submits"] == 0


@MODES
def test_an_unreachable_vendor_is_tried_again_and_then_told(
    airflow, sandbox, monkeypatch, deferrable
):
    nowhere = {"base_url": "http://127.0.0.1:9/v1"}
    connect(monkeypatch, "scenario_default", {**sandbox.scenario["connection"], "extra": nowhere})
    run = airflow(lambda: archive(deferrable=deferrable, retries=1))
    assert type(run.error) is errors.VendorUnavailableError
    assert "check the connection's base_url, the network and any proxy" in str(run.error)
    assert len(run.tries) == 2


def test_plain_http_to_another_machine_is_refused(airflow, sandbox, monkeypatch):
    outside = {"base_url": "http://192.0.2.1/v1"}
    connect(monkeypatch, "scenario_default", {**sandbox.scenario["connection"], "extra": outside})
    run = airflow(lambda: archive(retries=3))
    assert type(run.error) is errors.InvalidRequestError
    assert "allow_http" in str(run.error)


def test_a_connection_of_another_type_is_refused(airflow, sandbox, monkeypatch):
    connect(monkeypatch, "scenario_default", {"conn_type": "http", "host": "x.test"})
    run = airflow(lambda: archive(retries=3))
    assert type(run.error) is errors.InvalidRequestError
    assert "belongs to no vendor; known types are" in str(run.error)
    assert len(run.tries) == 1


# --- landing ---------------------------------------------------------------------------------

AGAIN = "clear the archive task to export again"
DOWNLOADS = {
    "download:corrupt@900": (errors.IntegrityError, "is damaged"),
    "download:truncate@0": (errors.TransferInterruptedError, "closed early"),
    "download:404": (errors.ArchiveExpiredError, AGAIN),
    "download:expired": (errors.AuthenticationError, AGAIN),
}


@pytest.mark.parametrize("fault", DOWNLOADS)
def test_a_download_that_stays_broken_publishes_nothing(airflow, sandbox, folder, fault):
    expected, text = DOWNLOADS[fault]
    sandbox.fault(fault)
    run = airflow(export(folder.as_uri()))
    assert run.states["export.land[0]"] == "failed"
    assert type(run.error) is expected
    assert text in str(run.error)
    assert archives(read(folder)) == {}
    assert sandbox.stats()["totals"]["accepted"] == 1


@pytest.mark.parametrize("fault", ["download:reset@2000:1", "download:500:1"])
def test_a_download_that_recovers_lands_whole(airflow, sandbox, folder, fault):
    sandbox.fault(fault)
    run = airflow(export(folder.as_uri()))
    assert run.state == "success", run.tries
    (data,) = archives(read(folder)).values()
    (manifest,) = run.results("export.land")
    served = sandbox.archive(manifest["facts"]["job_id"])
    assert hashlib.sha256(data).hexdigest() == served["sha256"]


@pytest.mark.parametrize(
    ("name", "template", "remedy"),
    [
        ("max_items", "{{ 'many' }}", "must be a positive whole number"),
        ("select", "{{ {'modelId': 'm'} }}", "render_template_as_native_obj"),
        ("window", "{{ [1, 2] }}", "a timedelta, or a pair of datetimes"),
        ("plans", "{{ None }}", "a folder must be absolute"),
    ],
)
def test_a_template_that_renders_to_a_wrong_text_is_named_before_the_vendor_is_asked(
    airflow, sandbox, name, template, remedy
):
    run = airflow(lambda: archive(**{name: template}))
    assert type(run.error) is errors.InvalidRequestError
    assert name in str(run.error)
    assert remedy in str(run.error)
    assert sandbox.stats()["totals"]["requests"] == 0


def test_what_is_none_in_a_run_only_does_not_widen_the_export(airflow, sandbox):
    """It would be the whole window, or the whole account."""
    none, proxy = "{{ params.none }}", "{{ prev_data_interval_end_success }}"
    given = [
        ("items", {"items": none}),
        ("select", {"select": none}),
        ("select.modelId", {"select": {"modelId": none, "type": None}}),
        ("window", {"window": none}),
        ("window[0]", {"window": (none, "{{ logical_date }}")}),
        ("window[0]", {"window": [proxy, None]}),
        ("max_items", {"max_items": none}),
    ]

    def build():
        @task
        def nothing():
            return None

        @task
        def open_filter():
            return {"modelId": None, "types": ["upscale"]}

        @task
        def open_start():
            return [None, "2026-01-07T00:00:00Z"]

        @task.asset_archive(conn_id=CONN)
        def chosen():
            return {"items": None}

        @task.asset_archive(conn_id=CONN)
        def filtered():
            return {"select": {"modelId": None}, "window": (None, "2026-01-07T00:00:00Z")}

        chosen()
        filtered()
        archive(task_id="found", items=nothing())
        archive(task_id="filter", select=open_filter())
        archive(task_id="span", window=open_start())
        for number, (_, arguments) in enumerate(given):
            archive(task_id=f"task_{number}", **arguments)

    run = airflow(build, render_template_as_native_obj=True, params={"none": None})
    texts = {one.task_id: str(one.error) for one in run.tries}
    named = {name: text.partition(":")[0] for name, text in texts.items()}
    expected = {f"task_{number}": name for number, (name, _) in enumerate(given)}
    both = "select.modelId, window[0]"
    tasks = {"chosen": "items", "filtered": both, "found": "items", "filter": "select.modelId"}
    assert named == {**expected, **tasks, "span": "window[0]"}
    assert "items={} exports nothing" in texts["found"]
    assert sandbox.stats()["totals"]["requests"] == 0


def test_what_a_mapping_takes_from_a_task_does_not_widen_the_export_either(airflow, sandbox):
    def build():
        @task
        def spans():
            return [[None, "2026-01-07T00:00:00Z"]]

        @task
        def nothing():
            return [None]

        @task
        def filters():
            return [{"select": {"modelId": None}}]

        tested = AssetArchiveOperator.partial
        given = {"conn_id": CONN, "dry_run": True}
        tested(task_id="span", **given).expand(window=spans())
        tested(task_id="found", **given).expand(items=nothing())
        tested(task_id="filter", **given).expand_kwargs(filters())
        tested(task_id="open", **given).expand(window=[(None, "2025-12-01T00:00:00Z")])

    run = airflow(build)
    named = {one.task_id: str(one.error).partition(":")[0] for one in run.tries}
    assert named == {"span": "window[0]", "found": "items", "filter": "select.modelId"}
    assert run.states["open[0]"] == "success"


def test_what_the_dag_leaves_open_and_one_of_items_and_select_may_be_none_in_a_run(
    airflow, sandbox
):
    def build():
        archive(items="{{ none }}", select={"modelId": None}, window=None, max_items=None)
        archive(task_id="open", window=(None, "{{ logical_date }}"), dry_run=True)

    run = airflow(build, render_template_as_native_obj=True)
    assert run.state == "success", run.tries


def test_a_download_is_not_redirected_into_the_own_network(airflow, sandbox, folder):
    sandbox.fault("download:redirect,to=http://169.254.169.254/latest/meta-data/")
    run = airflow(export(folder.as_uri(), landing_args={"retries": 3}))
    assert type(run.error) is errors.InvalidRequestError
    assert "169.254.169.254" in str(run.error)
    assert "allow_private_downloads" in str(run.error)
    assert archives(read(folder)) == {}


@pytest.mark.parametrize("allowed", [False, True])
def test_a_private_download_host_needs_the_leave_of_the_connection(
    airflow, sandbox, folder, monkeypatch, allowed
):
    connection = sandbox.scenario["connection"]
    extra = {**connection["extra"], "allow_private_downloads": allowed, "allow_http": True}
    connect(monkeypatch, "scenario_default", {**connection, "extra": extra})
    with http_origin(host=own_address()) as gateway:
        sandbox.fault(f"download:redirect,to={gateway.url}/export.zip")
        run = airflow(export(folder.as_uri()))
    assert ("allow_private_downloads" in str(run.error)) is not allowed
    assert bool(gateway.seen) is allowed


def own_address() -> str:
    """An address of this machine that is not loopback, and not public."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no network")
        address = str(probe.getsockname()[0])
    if ip_address(address).is_global:
        pytest.skip("this machine has a public address only")
    return address


def test_an_expired_link_is_asked_for_again(airflow, sandbox, folder):
    sandbox.fault("download:expired:1")
    run = airflow(export(folder.as_uri()))
    assert run.state == "success", run.tries
    assert sandbox.stats()["totals"]["accepted"] == 1
    assert len([s for s in sandbox.stats()["faults"] if s["served"]]) == 1


def test_a_landing_that_fails_is_retried_without_a_new_submit(airflow, sandbox, folder):
    sandbox.fault("download:corrupt@900:1")
    run = airflow(export(folder.as_uri(), landing_args={"retries": 1}))
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [errors.IntegrityError]
    assert zipfile.is_zipfile(next(folder.glob("*.zip")))
    assert sandbox.stats()["totals"]["accepted"] == 1


def test_a_destination_that_is_not_known_is_named(airflow, sandbox):
    run = airflow(export("ftp://somewhere/else", landing_args={"retries": 3}))
    assert type(run.error) is errors.InvalidRequestError
    assert "No filesystem registered for scheme ftp" in str(run.error)
    assert len(run.tries) == 1


def test_a_folder_with_two_slashes_is_no_machine_of_that_name():
    with pytest.raises(errors.InvalidRequestError, match="slashes: file:///tmp/landed/"):
        open_destination("file://tmp/landed/")


def test_a_folder_may_name_this_machine(tmp_path):
    for url in (tmp_path.as_uri(), f"file://localhost{tmp_path}/", f"{tmp_path}"):
        assert open_destination(url).store.uri("a") == f"{tmp_path.as_uri()}/a"


# --- what Airflow does with an error ---------------------------------------------------------


def decide(error):
    return archive(task_id="t").retry_policy.evaluate(error, 1, 3, None)


def test_the_retry_policy_believes_what_the_vendor_says():
    assert decide(errors.AuthenticationError("no")).action is RetryAction.FAIL
    assert decide(errors.InvalidRequestError("no")).action is RetryAction.FAIL
    assert decide(errors.ProtocolError("no")).action is RetryAction.FAIL
    assert decide(errors.QuotaExceededError("no")).action is RetryAction.FAIL
    limited = decide(errors.RateLimitedError("slowly", retry_after=41.0))
    assert (limited.action, limited.retry_delay) == (RetryAction.RETRY, timedelta(seconds=41))
    quota = decide(errors.QuotaExceededError("tomorrow", retry_after=3600.0))
    assert (quota.action, quota.retry_delay) == (RetryAction.RETRY, timedelta(hours=1))
    pending = decide(errors.ItemsPendingError("wait", retry_after=300.0))
    assert (pending.action, pending.retry_delay) == (RetryAction.RETRY, timedelta(minutes=5))
    for kind in (errors.PartialArchiveError, errors.JobCancelledError):
        assert decide(kind("a person has to")).action is RetryAction.FAIL
    for kind in (errors.JobFailedError, errors.VendorUnavailableError, errors.IntegrityError):
        assert decide(kind("again")).action is RetryAction.DEFAULT
    assert decide(ValueError("a bug")).action is RetryAction.DEFAULT


@pytest.mark.parametrize("seconds", [6 * 3600 + 1, 1e15, 1e308])
def test_the_retry_policy_waits_no_longer_than_a_quota_may_take(seconds):
    closed = decide(errors.VendorUnavailableError("for ever", retry_after=seconds))
    assert (closed.action, closed.retry_delay) == (RetryAction.RETRY, timedelta(hours=6))
    assert decide(errors.QuotaExceededError("no", retry_after=seconds)).action is RetryAction.FAIL


@pytest.mark.parametrize("kind", [errors.QuotaExceededError, errors.VendorUnavailableError])
def test_a_vendor_that_asks_for_no_time_is_retried_after_the_delay_of_the_task(kind):
    now = decide(kind("now", retry_after=0.0))
    assert (now.action, now.retry_delay) == (RetryAction.RETRY, None)


def test_the_retry_policy_can_be_built_upon():
    class Mine(ArchiveRetryPolicy):
        def evaluate(self, exception, try_number, max_tries, context=None):
            if isinstance(exception, errors.JobFailedError):
                return RetryDecision.fail(reason="one is enough")
            return super().evaluate(exception, try_number, max_tries, context)

    own = Mine()
    assert own.evaluate(errors.JobFailedError("no"), 1, 3).action is RetryAction.FAIL
    assert own.evaluate(errors.AuthenticationError("no"), 1, 3).action is RetryAction.FAIL
    assert own.evaluate(errors.IntegrityError("no"), 1, 3).action is RetryAction.DEFAULT


def test_a_retry_policy_of_the_dag_or_of_the_task_is_left_alone():
    own = archive(task_id="t").retry_policy
    with DAG("policies", schedule=None, default_args={"retry_policy": own}):
        assert archive(task_id="of_the_dag").retry_policy is own
        landing = ArchiveToObjectStorageOperator(task_id="land", archive={}, destination="/tmp")
        assert landing.retry_policy is own
    assert archive(task_id="t", retry_policy=own).retry_policy is own


def landing(**arguments):
    """The landing of a mapped task, as its run makes it."""
    mapped = ArchiveToObjectStorageOperator.partial(
        task_id="land", destination="/tmp", **arguments
    ).expand(archive=[{}])
    return mapped.unmap({"archive": {}})


def test_a_mapped_task_has_the_retry_policy_too_and_keeps_one_of_its_own():
    own = ArchiveRetryPolicy()
    with DAG("mapped", schedule=None):
        assert isinstance(landing().retry_policy, ArchiveRetryPolicy)
    with DAG("mapped_too", schedule=None):
        assert landing(retry_policy=own).retry_policy is own


def test_no_retry_policy_can_be_asked_for():
    assert archive(task_id="t", retry_policy=None).retry_policy is None
    with DAG("none_in_the_task", schedule=None):
        assert landing(retry_policy=False).retry_policy is None
    with DAG("none_in_the_dag", schedule=None, default_args={"retry_policy": None}):
        assert archive(task_id="archive").retry_policy is None
        assert landing().retry_policy is None
    with DAG(
        "none_in_the_task_alone", schedule=None, default_args={"retry_policy": ArchiveRetryPolicy()}
    ):
        assert archive(task_id="archive", retry_policy=None).retry_policy is None
        assert landing(retry_policy=None).retry_policy is None


@pytest.mark.parametrize(
    "arguments", [{"retry_policy": None}, {"landing_args": {"retry_policy": None}}]
)
def test_no_retry_policy_of_an_export_is_none_of_its_landing(arguments):
    with DAG("none_in_the_export", schedule=None) as dag:
        asset_export("export", conn_id="scenario_default", destination="/tmp", **arguments)
    archiving, land = dag.get_task("export.archive"), dag.get_task("export.land")
    assert land.unmap({"archive": {}}).retry_policy is None
    assert not land.has_retry_policy
    is_shared = "retry_policy" in arguments
    assert (archiving.retry_policy is None) is is_shared
    assert DagSerialization.to_dict(dag)


def test_a_failed_job_is_submitted_again_by_a_retry(airflow, sandbox):
    sandbox.fault("job:failed:1")
    run = airflow(lambda: archive(deferrable=True, retries=1))
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [errors.JobFailedError]
    assert sandbox.stats()["totals"]["accepted"] == 2


def test_a_rate_limit_delays_the_retry_by_what_the_vendor_said(airflow, sandbox):
    sandbox.fault("submit:429:4,retry_after=0.3")
    run = airflow(lambda: archive(retries=1, retry_delay=timedelta(hours=1)))
    assert run.state == "success", run.tries
    (first,) = run.tries
    assert type(first.error) is errors.RateLimitedError
    assert sandbox.stats()["totals"]["accepted"] == 1


@MODES
def test_a_sensor_fails_with_the_verdict_on_a_job(airflow, sandbox, deferrable):
    sandbox.fault("job:failed,error=broken pipe")

    def build():
        submitted = archive(wait_for_completion=False)
        AssetArchiveSensor(
            task_id="wait", archives=submitted.output, deferrable=deferrable, poke_interval=0.1
        )

    run = airflow(build)
    assert type(run.error) is errors.JobFailedError
    assert "broken pipe" in str(run.error)


def test_a_kill_before_there_is_a_job_asks_airflow_for_no_connection():
    AssetArchiveOperator(task_id="archive", conn_id="there_is_no_such_connection").on_kill()


def test_a_task_that_was_killed_submits_nothing_more(airflow, sandbox):
    class Killed(AssetArchiveOperator):
        def execute(self, context):
            self.on_kill()  # a signal that comes while the listing is read
            return super().execute(context)

    run = airflow(lambda: Killed(task_id="archive", conn_id=CONN, retries=3))
    assert type(run.error) is errors.JobCancelledError
    assert len(run.tries) == 1
    assert sandbox.stats()["totals"]["accepted"] == 0


def test_a_notifier_may_send_the_error_with_its_remedy(airflow, sandbox):
    sent = []

    class Letter(BaseNotifier):
        template_fields = ("text",)

        def __init__(self, text):
            super().__init__()
            self.text = text

        def notify(self, context):
            sent.append(self.text)

    letter = Letter("{{ ti.task_id }}: {{ exception }}")
    airflow(
        lambda: AssetArchiveOperator(
            task_id="archive", conn_id=CONN, window="since_last", on_failure_callback=letter
        )
    )
    (text,) = sent
    assert text.startswith("archive: ")
    assert "one Asset in the inlets" in text
