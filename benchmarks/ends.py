"""Builds and starts the two ends between which the benchmarks run, and the data they serve."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KEYS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONPATH": str(HERE.parent),
}


def build(work: Path) -> Path:
    """The compiled program of both ends.

    :raises SystemExit: where it cannot be built.
    """
    program = work / "ends"
    if not program.exists() or program.stat().st_mtime < (HERE / "ends.c").stat().st_mtime:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if not compiler:
            sys.exit("the benchmarks need a C compiler and the OpenSSL headers (gcc, libssl-dev)")
        command = [compiler, "-O2", "-pthread", "-o", str(program), str(HERE / "ends.c")]
        subprocess.run([*command, "-lssl", "-lcrypto"], check=True)
    return program


def archive(work: Path, mib: int, member_kib: int = 4096) -> Path:
    """A zip of *mib* MiB of stored, incompressible members."""
    file = work / f"{mib}mib-{member_kib}kib.zip"
    if not file.exists():
        command = [sys.executable, str(HERE / "data.py"), str(file), str(mib), str(member_kib)]
        subprocess.run(command, check=True)
    return file


def certificate(work: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    cert, key = work / "srv.crt", work / "srv.key"
    if not cert.exists():
        command = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
            "-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    return cert, key


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the source and the sink are, and what a client has to have in its environment."""

    url: str
    env: Mapping[str, str]


@contextmanager
def ends(
    work: Path, file: Path, *, tls: bool = False, source: Mapping[str, float] | None = None,
    sink: Mapping[str, float] | None = None,
) -> Iterator[Ends]:  # fmt: skip
    """Both ends, running.

    :param source: ``RATE`` (bytes/s of a connection), ``RTT`` (ms), ``WINDOW`` (bytes).
    :param sink: ``DELAY`` (ms before every answer).
    """
    program, pair = build(work), [str(p) for p in certificate(work)] if tls else []
    scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
    with ExitStack() as stack:
        here, there = _free_port(), _free_port()
        stack.enter_context(
            _running([str(program), "source", str(here), str(file), *pair], here, source)
        )
        stack.enter_context(_running([str(program), "sink", str(there), *pair], there, sink))
        env = KEYS | {"AWS_ENDPOINT_URL": f"{scheme}://{host}:{there}"}
        # An installed package is compiled, as the peers are; the engine is measured from its sources.
        env |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(work / "compiled")}
        if tls:
            names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
            env |= dict.fromkeys(names, pair[0])
        yield Ends(f"{scheme}://{host}:{here}/export.zip", env)


@contextmanager
def _running(command: list[str], port: int, env: Mapping[str, float] | None) -> Iterator[None]:
    settings = {name: str(value) for name, value in (env or {}).items()}
    process = subprocess.Popen(command, env={**os.environ, **settings}, start_new_session=True)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
