"""Replies as the vendors' documents and clients show them; the sandbox must have their shape."""

from __future__ import annotations

ISO, MILLIS = "2026-01-10T08:00:00.120Z", 1768032000000
JOB = {
    "jobId": "job_1",
    "jobType": "assets-download",
    "status": "queued",
    "progress": 0,
    "statusHistory": [{"date": ISO, "status": "queued"}],
    "metadata": {},
    "createdAt": ISO,
    "updatedAt": ISO,
}
ASSET = {
    "id": "asset_1",
    "authorId": "user_1",
    "collectionIds": ["col_1"],
    "createdAt": ISO,
    "updatedAt": ISO,
    "editCapabilities": ["UPSCALE"],
    "kind": "image",
    "metadata": {"kind": "image", "type": "txt2img"},
    "mimeType": "image/png",
    "ownerId": "proj_1",
    "privacy": "private",
    "properties": {"size": 2048, "width": 64, "height": 64},
    "source": "txt2img",
    "status": "success",
    "tags": ["batch-7"],
    "url": "https://cdn.example.test/a?Policy=P&Signature=S&Key-Pair-Id=K",
}
SCENARIO = {
    "submit": {"jobId": "job_1"},
    "submit_archive": {"job": JOB},
    "running": {"jobId": "job_1", "jobStatus": "in-progress"},
    "success": {"jobId": "job_1", "jobStatus": "success", "downloadUrl": "https://cdn"},
    "job_success": {"job": JOB | {"metadata": {"archiveUrl": "https://cdn"}, "ownerId": "proj_1"}},
    "job_failure": {"job": JOB | {"metadata": {"error": "broken", "hint": "retry"}}},
    "jobs": {"jobs": [JOB]},
    "empty_page": {"jobs": [], "nextPaginationToken": "eyJwYWdlIjoyfQ=="},
    "assets": {"assets": [ASSET], "nextPaginationToken": "tok/2+="},
    "link": {"url": "https://cdn", "mimeType": "image/webp"},
    "error": {"status": "error", "code": "AUTHENTICATION_FAILED", "message": "no"},
    "error_reason": {"reason": "Forbidden", "traceId": "1-abc"},
    "plan_limit": {
        "reason": "Limit reached",
        "details": {"actionName": "download-assets", "actionLimit": 10},
        "remainingSeconds": 17,
    },
}
FAILED_BECAUSE = [
    {
        "resource_type": "application",
        "resource_name": "billing-app",
        "error_code": "ROMA.00000101",
        "error_msg": "resource is locked",
    }
]
ROMA_JOB = {"id": "ff80", "type": "exportAsset", "status": "RUNNING", "progress_percent": 0.35}
ROMA = {
    "submit": {"job_id": "ff80"},
    "running": ROMA_JOB | {"begin_time": ISO},
    "success": ROMA_JOB | {"archive_id": "arch-1", "begin_time": ISO, "end_time": ISO},
    "success_nested": ROMA_JOB
    | {"entities": {"archive_id": "arch-1"}, "begin_time": MILLIS, "end_time": MILLIS},
    "finished": ROMA_JOB,
    "failed": ROMA_JOB | {"reasons": FAILED_BECAUSE},
    "error": {"error_code": "ROMA.1", "error_msg": "no", "error_details": "", "request_id": "5f1b"},
    "apps": {
        "total": 1,
        "size": 1,
        "apps": [
            {
                "id": "b1e0",
                "name": "billing-app",
                "roles": ["read"],
                "create_time": ISO,
                "update_time": ISO,
                "owner": True,
                "key": "k1",
                "favorite": False,
            }
        ],
    },
    "tasks": {
        "total": 1,
        "size": 1,
        "entities": [
            {
                "task_id": "1536",
                "task_name": "nightly",
                "task_type": "TIMING",
                "status": 1,
                "execute_status": "SUCCESS",
                "last_modified_time": MILLIS,
                "source_app_id": "b1e0",
            }
        ],
    },
}
DOMAIN = {"id": "d1", "name": "acme"}
IAM = {
    "token": {
        "token": {
            "expires_at": "2026-01-11T08:00:00.000000Z",
            "issued_at": "2026-01-10T08:00:00.000000Z",
            "methods": ["password"],
            "project": {"id": "0a1b", "name": "ap-southeast-1", "domain": DOMAIN},
            "user": {"id": "u1", "name": "exporter", "domain": DOMAIN},
            "roles": [],
        }
    },
    "projects": {
        "projects": [{"id": "0a1b", "name": "x-1", "domain_id": "d1", "enabled": True}],
        "links": {"self": "https://iam", "next": None, "previous": None},
    },
    "error": {"error": {"code": 401, "message": "no", "title": "Unauthorized"}},
}


def lacking(reply, sample, where="reply"):
    """What a reply lacks of a sample: keys that are missing, values of another JSON type."""
    if isinstance(sample, dict):
        if not isinstance(reply, dict):
            return [f"{where} is no object"]
        missing = [f"{where}.{key} is missing" for key in sample if key not in reply]
        shared = [key for key in sample if key in reply]
        deeper = (lacking(reply[key], sample[key], f"{where}.{key}") for key in shared)
        return missing + [one for found in deeper for one in found]
    if isinstance(sample, list):
        if not isinstance(reply, list) or bool(sample) > bool(reply):
            return [f"{where} is no list, or an empty one"]
        return lacking(reply[0], sample[0], f"{where}[0]") if sample else []
    number = isinstance(sample, (int, float)) and not isinstance(sample, bool)
    right = isinstance(reply, (int, float) if number else type(sample))
    return [] if right else [f"{where} is {reply!r}, not like {sample!r}"]
