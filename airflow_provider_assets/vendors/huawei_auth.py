"""Huawei Cloud's two ways to authenticate: an IAM token, and requests signed with AK/SK.

Source: IAM API reference ("Obtaining a User Token Through Password Authentication", "Querying Project
Information"). The signature itself is in ``huawei_signature``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Generic, TypeVar

from airflow_provider_assets.sansio.arguments import shown
from airflow_provider_assets.sansio.errors import InvalidRequestError, ProtocolError
from airflow_provider_assets.sansio.flow import Flow, call, pause
from airflow_provider_assets.sansio.messages import HttpRequest, json_body
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors import huawei_roma_contract as contract
from airflow_provider_assets.vendors.connection import VendorConnection, check_url
from airflow_provider_assets.vendors.huawei_signature import sign
from airflow_provider_assets.vendors.parsing import objects, text

T = TypeVar("T")

# Lower-case names of the headers that hold credentials; the others that are signed hold none.
SECRET_HEADERS = frozenset({"authorization", "x-auth-token", "x-security-token"})
# IAM: a token is valid for 24 hours; no long call should start with one that is about to expire.
TOKEN_SECONDS = 24 * 3600.0
RENEW_SECONDS = 30 * 60.0
# Seconds between two checks whether another flow has fetched the value.
WAIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Account:
    """The account that sends the requests, and the address of its IAM.

    :param name: access key, or IAM user name.
    :param secret: secret key, or password.
    :param domain: account name of an IAM user; not needed for keys.
    :param region: name of the region, which is also that of its default project.
    :param project_id: "" to look it up.
    :param security_token: of temporary keys; "" for permanent ones.
    """

    iam_url: str
    name: str = field(repr=False)
    secret: str = field(repr=False)
    domain: str = ""
    region: str = ""
    project_id: str = ""
    security_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An IAM token; ``expires_at`` in epoch seconds."""

    value: str = field(repr=False)
    project_id: str
    expires_at: float


@dataclass(slots=True)
class Shared(Generic[T]):
    """A value that one flow fetches while all others, of any thread or loop, wait for it."""

    fetch: Callable[[], Flow[T]]
    usable: Callable[[T], bool] = lambda value: True
    _value: T | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def get(self) -> Flow[T]:
        """The value, fetched if there is none that is usable."""
        while not self._lock.acquire(blocking=False):
            yield from pause(WAIT_SECONDS)
        try:
            if self._value is None or not self.usable(self._value):
                self._value = yield from self.fetch()
            return self._value
        finally:
            self._lock.release()

    def drop(self, is_refused: Callable[[T], bool]) -> None:
        """Forget the value, unless another flow has replaced the refused one already."""
        if self._value is not None and is_refused(self._value):
            self._value = None


class Auth(ABC):
    """A way to authenticate requests."""

    @abstractmethod
    def project_id(self) -> Flow[str]:
        """The project that every path names."""

    @abstractmethod
    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """*request* with credentials that are good now."""

    def renew(self, refused: HttpRequest) -> bool:
        """Whether other credentials can be obtained after a 401 for *refused*."""
        return False


class TokenAuth(Auth):
    """``X-Auth-Token``: a password grant with project scope, refreshed 30 minutes early."""

    def __init__(
        self,
        account: Account,
        *,
        clock: Callable[[], float],
        on_token: Callable[[str], object] = lambda token: None,
    ) -> None:
        self._account = account
        self._clock = clock
        self._on_token = on_token
        self._token: Shared[Token] = Shared(
            self._fetch, usable=lambda token: token.expires_at - clock() > RENEW_SECONDS
        )

    def project_id(self) -> Flow[str]:
        """As configured, else the token's own."""
        return self._account.project_id or (yield from self._token.get()).project_id

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """Add the token."""
        token = yield from self._token.get()
        return replace(request, headers=(*request.headers, ("X-Auth-Token", token.value)))

    def renew(self, refused: HttpRequest) -> bool:
        """Forget the refused token: IAM revokes tokens when password or permissions change."""
        self._token.drop(lambda token: ("X-Auth-Token", token.value) in refused.headers)
        return True

    def _fetch(self) -> Flow[Token]:
        account = self._account
        user: JSON = {
            "name": account.name,
            "password": account.secret,
            "domain": {"name": account.domain},
        }
        project: JSON = (
            {"id": account.project_id} if account.project_id else {"name": account.region}
        )
        body: JSON = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": project},
            }
        }
        reply = yield from call(
            HttpRequest(
                "POST",
                f"{account.iam_url}/v3/auth/tokens",
                (("nocatalog", "true"),),
                (("Content-Type", "application/json;charset=utf8"),),
                json_body(body),
            )
        )
        value = reply.headers.get("x-subject-token")
        token = reply.json_object().get("token")
        scope = token.get("project") if isinstance(token, dict) else None
        if value:
            self._on_token(value)
        if not value or not isinstance(token, dict) or not isinstance(scope, dict):
            raise ProtocolError("IAM's reply lacks the token or its project")
        return Token(value, text(scope, "id"), self._end(token.get("expires_at")))

    def _end(self, expires_at: JSON) -> float:
        try:
            return parse_moment(expires_at, "expires_at").timestamp()
        except InvalidRequestError:
            return self._clock() + TOKEN_SECONDS


class KeyAuth(Auth):
    """Requests signed with AK/SK."""

    def __init__(self, account: Account, *, clock: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self._project: Shared[str] = Shared(self._look_up)

    def project_id(self) -> Flow[str]:
        """As configured, else the one that IAM names for the region."""
        return self._account.project_id or (yield from self._project.get())

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """Sign for now."""
        return self._sign(request, (yield from self.project_id()))

    def _sign(self, request: HttpRequest, project_id: str) -> HttpRequest:
        return sign(
            request,
            access_key=self._account.name,
            secret_key=self._account.secret,
            moment=self._clock(),
            project_id=project_id,
            security_token=self._account.security_token,
        )

    def _look_up(self) -> Flow[str]:
        account = self._account
        request = HttpRequest("GET", f"{account.iam_url}/v3/projects", (("name", account.region),))
        reply = yield from call(self._sign(request, ""))
        projects = objects(reply.json_object(), "projects")
        if len(projects) != 1:
            raise InvalidRequestError(
                f"IAM knows {len(projects)} projects named {account.region!r}; set the connection's "
                "project_id"
            )
        return text(projects[0], "id")


def authentication(
    connection: VendorConnection,
    *,
    clock: Callable[[], float],
    on_token: Callable[[str], object],
) -> Auth:
    """The way that *connection* authenticates: by keys, or with ``auth_type=token`` by a password.

    :param on_token: called with each new token, which is a secret.
    :raises InvalidRequestError: if the connection lacks what that takes, or has what belongs to the other.
    """
    account = _account(connection)
    kind = connection.text("auth_type").lower() or "aksk"
    if kind == "aksk":
        return KeyAuth(account, clock=clock)
    if kind != "token":
        raise InvalidRequestError(
            f"connection {connection.conn_id!r}: auth_type must be aksk or token, not {shown(kind)}"
        )
    _needed(connection, "account", account.domain)
    if account.security_token:
        raise InvalidRequestError(
            f"connection {connection.conn_id!r}: security_token belongs to a temporary access key; "
            "leave it out, or set auth_type to aksk"
        )
    return TokenAuth(account, clock=clock, on_token=on_token)


def _account(connection: VendorConnection) -> Account:
    region, project = connection.text("region"), _id(connection, "project_id")
    if not project:
        _needed(connection, "project_id, or the region to look it up by", region)
    zone = "" if region in contract.GLOBAL_IAM else f"{region}."
    iam_url = connection.text("iam_url") or f"https://iam.{zone}myhuaweicloud.com"
    return Account(
        check_url(iam_url, "iam_url", connection),
        _needed(connection, "login", connection.login),
        _needed(connection, "password", connection.password),
        domain=connection.text("account"),
        region=region,
        project_id=project,
        security_token=connection.text("security_token"),
    )


def needed_id(connection: VendorConnection, name: str) -> str:
    """An id from the extra.

    :raises InvalidRequestError: if it is missing, or longer than an id of ROMA Connect.
    """
    return _needed(connection, name, _id(connection, name))


def _id(connection: VendorConnection, name: str) -> str:
    """An id from the extra, no longer than the vendor documents for the ids of its paths; "" for none."""
    value = connection.text(name)
    if len(value) > contract.MAX_ID:
        raise InvalidRequestError(
            f"connection {connection.conn_id!r}: {name} has {len(value)} characters; an id of "
            f"ROMA Connect has at most {contract.MAX_ID}"
        )
    return value


def _needed(connection: VendorConnection, name: str, value: str) -> str:
    if not value:
        raise InvalidRequestError(f"connection {connection.conn_id!r}: {name} is needed")
    return value
