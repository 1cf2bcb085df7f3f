"""ROMA Connect calls signed here, independently of the sandbox and of the provider."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from urllib.parse import quote, urlencode, urlsplit

import requests


def sign(method, url, body, *, access_key, secret_key, moment=None):
    place = urlsplit(url)
    moment = moment or dt.datetime.now(dt.timezone.utc)
    headers = {"host": place.netloc, "x-sdk-date": moment.strftime("%Y%m%dT%H%M%SZ")}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    path = quote(place.path, safe="/~") + "/"
    canonical = "\n".join(
        (method, path, place.query, lines, names, hashlib.sha256(body).hexdigest())
    )
    text = f"SDK-HMAC-SHA256\n{headers['x-sdk-date']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


class Caller:
    """One user of a sandbox's ROMA Connect, by access key or by token."""

    def __init__(self, sandbox, *, token=None, access_key=None, secret_key=None, moment=None):
        self.sandbox, self.token, self.moment = sandbox, token, moment
        connection = sandbox.roma["connection"]
        self.access_key = access_key or connection["login"]
        self.secret_key = secret_key or connection["password"]
        extra = connection["extra"]
        self.base = f"/v2/{extra['project_id']}/instances/{extra['instance_id']}"
        self.fdi = f"/v2/{extra['project_id']}/fdi/instances/{extra['instance_id']}"

    def call(self, method, path, *, body=b"", **query):
        text = urlencode(sorted(query.items()), quote_via=quote)
        url = self.sandbox.roma["base_url"] + path + (f"?{text}" if text else "")
        signed = not self.token
        headers = self.signed(method, url, body) if signed else {"X-Auth-Token": self.token}
        return requests.request(method, url, data=body, headers=headers, timeout=10)

    def signed(self, method, url, body=b""):
        return sign(
            method,
            url,
            body,
            access_key=self.access_key,
            secret_key=self.secret_key,
            moment=self.moment,
        )

    def export(self, apps, tasks=()):
        ids = {"apps": [{"id": one} for one in apps], "tasks": [{"id": one} for one in tasks]}
        return self.call("POST", f"{self.base}/assets/export", body=json.dumps(ids).encode())

    def job(self, job_id):
        return self.call("GET", f"{self.base}/assets/jobs/{job_id}").json()

    def download(self, archive_id, method="GET"):
        return self.call(method, f"{self.base}/assets/archives/{archive_id}")


def token_of(sandbox, *, user=None, password=None, account=None, scope=None):
    connection = sandbox.roma["token_connection"]
    extra = connection["extra"]
    domain = {"name": account or extra["account"]}
    person = {
        "name": user or connection["login"],
        "password": password or connection["password"],
        "domain": domain,
    }
    identity = {"methods": ["password"], "password": {"user": person}}
    auth = {"identity": identity, "scope": scope or {"project": {"name": extra["region"]}}}
    url = sandbox.roma["iam_url"] + "/v3/auth/tokens?nocatalog=true"
    return requests.post(url, json={"auth": auth}, timeout=10)


def ready(sandbox, caller=None, count=2):
    caller = caller or Caller(sandbox)
    job_id = caller.export(sandbox.roma["apps"][:count]).json()["job_id"]
    sandbox.job(job_id, "finish")
    answer = caller.job(job_id)
    return job_id, answer.get("archive_id") or answer["entities"]["archive_id"]
