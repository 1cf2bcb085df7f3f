"""Huawei's own clients against the sandbox: signatures, exports, tokens and projects."""

from __future__ import annotations

import hashlib

import pytest
import requests

from airflow_provider_assets.sandbox import running

roma_sdk = pytest.importorskip("huaweicloudsdkroma.v2")
iam_sdk = pytest.importorskip("huaweicloudsdkiam.v3")
credentials = pytest.importorskip("huaweicloudsdkcore.auth.credentials")
exceptions = pytest.importorskip("huaweicloudsdkcore.exceptions.exceptions")
region = pytest.importorskip("huaweicloudsdkcore.region.region")


@pytest.fixture(scope="module")
def roma():
    with running("--vendor", "roma", "--items", "60", "--job-seconds", "0") as sandbox:
        yield sandbox


def client(sandbox, *, secret=None, project=None):
    connection = sandbox.roma["connection"]
    keys = credentials.BasicCredentials(
        connection["login"],
        secret or connection["password"],
        project or connection["extra"]["project_id"],
    )
    builder = roma_sdk.RomaClient.new_builder().with_credentials(keys)
    return builder.with_endpoint(sandbox.roma["base_url"]).build()


def exported(sandbox, cloud, apps=2, tasks=1):
    body = roma_sdk.AssetExportRequest(
        apps=[roma_sdk.AssetExportRequestApps(id=one) for one in sandbox.roma["apps"][:apps]],
        tasks=[roma_sdk.AssetExportRequestTasks(id=one) for one in sandbox.roma["tasks"][:tasks]],
    )
    instance = sandbox.roma["connection"]["extra"]["instance_id"]
    job_id = cloud.export_asset(roma_sdk.ExportAssetRequest(instance_id=instance, body=body)).job_id
    sandbox.job(job_id, "finish")
    request = roma_sdk.CheckAssetJobStatusRequest(instance_id=instance, job_id=job_id)
    return job_id, cloud.check_asset_job_status(request)


def downloaded(sandbox, cloud, archive_id):
    instance = sandbox.roma["connection"]["extra"]["instance_id"]
    request = roma_sdk.DownloadAssetArchiveRequest(instance_id=instance, archive_id=archive_id)
    got = []
    cloud.download_asset_archive_invoker(request).invoke().consume_download_stream(
        lambda reply: got.extend(reply.iter_content(65536))
    )
    return b"".join(got)


def test_the_sdk_exports_and_downloads_exactly_once(roma):
    cloud = client(roma)
    job_id, status = exported(roma, cloud)
    assert (status.status, status.progress_percent) == ("SUCCEEDED", 1)
    body = downloaded(roma, cloud, status.archive_id)
    assert hashlib.sha256(body).hexdigest() == roma.archive(job_id)["sha256"]
    with pytest.raises(exceptions.ClientRequestException) as refused:
        downloaded(roma, cloud, status.archive_id)
    assert (refused.value.status_code, refused.value.error_msg) == (403, "archive not available")
    assert roma.stats()["archives"][status.archive_id]["gets"] == 2


def test_the_sdk_is_refused_with_a_wrong_secret(roma):
    with pytest.raises(exceptions.ClientRequestException) as refused:
        exported(roma, client(roma, secret="wrong"))
    assert (refused.value.status_code, refused.value.error_code) == (401, "APIGW.0301")


def test_the_sdk_is_refused_in_a_foreign_project(roma):
    with pytest.raises(exceptions.ClientRequestException) as refused:
        exported(roma, client(roma, project="f" * 32))
    assert (refused.value.status_code, refused.value.error_code) == (403, "APIG.1005")


def test_the_sdk_lists_apps_tasks_and_instances(roma):
    cloud = client(roma)
    instance = roma.roma["connection"]["extra"]["instance_id"]
    apps = cloud.list_roma_app(roma_sdk.ListRomaAppRequest(instance_id=instance, limit=100))
    assert [one.id for one in apps.apps] == roma.roma["apps"]
    named = roma_sdk.ListTasksRequest(instance_id=instance, limit=100, name="Übergabe task &")
    assert cloud.list_tasks(named).total == 0
    tasks = cloud.list_tasks(roma_sdk.ListTasksRequest(instance_id=instance, limit=7, offset=2))
    assert [one.task_id for one in tasks.entities] == roma.roma["tasks"][2:9]
    assert tasks.total == 30
    known = cloud.check_roma_instance_list_v2(roma_sdk.CheckRomaInstanceListV2Request())
    assert [one.id for one in known.instances] == [instance]


def test_the_sdk_finds_the_project_by_the_name_of_its_region(roma):
    connection = roma.roma["connection"]
    keys = credentials.BasicCredentials(connection["login"], connection["password"])
    keys = keys.with_iam_endpoint(roma.roma["iam_url"])
    place = region.Region(connection["extra"]["region"], roma.roma["base_url"])
    builder = roma_sdk.RomaClient.new_builder().with_credentials(keys)
    _, status = exported(roma, builder.with_region(place).build())
    assert status.status == "SUCCEEDED"
    assert roma.stats()["routes"]["iam.projects"]["requests"] == 1


def token_request(connection, password):
    extra = connection["extra"]
    user = iam_sdk.PwdPasswordUser(
        name=connection["login"],
        password=password,
        domain=iam_sdk.PwdPasswordUserDomain(name=extra["account"]),
    )
    identity = iam_sdk.PwdIdentity(methods=["password"], password=iam_sdk.PwdPassword(user=user))
    scope = iam_sdk.AuthScope(project=iam_sdk.AuthScopeProject(name=extra["region"]))
    body = iam_sdk.KeystoneCreateUserTokenByPasswordRequestBody(
        auth=iam_sdk.PwdAuth(identity=identity, scope=scope)
    )
    return iam_sdk.KeystoneCreateUserTokenByPasswordRequest(nocatalog="true", body=body)


def test_the_sdk_gets_a_token_that_is_good_for_an_export(roma):
    connection = roma.roma["token_connection"]
    keys = credentials.GlobalCredentials("SANDBOXAK1", "sandbox-sk-1", "d1")
    cloud = iam_sdk.IamClient.new_builder().with_credentials(keys)
    cloud = cloud.with_endpoint(roma.roma["iam_url"]).build()
    answer = cloud.keystone_create_user_token_by_password(
        token_request(connection, connection["password"])
    )
    assert answer.token.project.id == connection["extra"]["project_id"]
    extra = connection["extra"]
    url = f"{roma.roma['base_url']}/v2/{extra['project_id']}/instances/{extra['instance_id']}/apps"
    headers = {"X-Auth-Token": answer.x_subject_token}
    assert requests.get(url, headers=headers, timeout=10).json()["total"] == 30
    with pytest.raises(exceptions.ClientRequestException) as refused:
        cloud.keystone_create_user_token_by_password(token_request(connection, "wrong"))
    assert refused.value.status_code == 401
