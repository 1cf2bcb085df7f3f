"""The landing engine against its peers: ``python benchmarks/transfer.py [--rounds 5] [SCENE ...]``.

Scenes: ``plain`` (1 GiB over HTTP), ``tls`` (1 GiB, TLS on both ends), ``throttled`` (20 MiB/s a
connection, 256 MiB), ``far`` (40 ms round trip, 256 MiB), ``sizes`` (100 MiB, 1 GiB, 8 GiB: memory),
``worker`` (100 MiB, in a process that has loaded Airflow already), ``hash`` (what sha256 costs). Needs
gcc and the OpenSSL headers, requests and boto3; s3fs, obstore, and the programs ``aws``, ``rclone`` and
``curl`` take part where they are installed. Everything runs on this machine, so at full speed the
processor is the limit and wall times are comparable within a round only: look at the ratio.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from ends import Ends, archive, ends
from race import Runner, race, table

HERE = Path(__file__).parent
CURL_AWS = "set -o pipefail; curl -sf {url} | aws s3 cp - s3://{goal} --quiet"
RCLONE = (  # whose S3 client fails at the sight of AWS_CA_BUNDLE
    "ca=${{AWS_CA_BUNDLE:-}}; unset AWS_CA_BUNDLE; rclone copyurl {url} :s3:{goal} --s3-provider=Other "
    "--s3-env-auth --s3-endpoint=$AWS_ENDPOINT_URL --s3-region=us-east-1 ${{ca:+--ca-cert=$ca}} "
    "--s3-no-check-bucket --s3-no-head --s3-disable-checksum --s3-force-path-style -q --config=/dev/null"
)


def runner(way: str, at: Ends, **env: str) -> Runner:
    """One of the ways of ``peer.py``."""
    label = " ".join([way, *(f"{name}={value}" for name, value in env.items())])
    command = [sys.executable, str(HERE / "peer.py"), way, at.url, "bench/out/export.zip"]
    return Runner(label, command, env)


def peers(at: Ends) -> list[Runner]:
    """Everybody who is installed, the base first."""
    found = [runner("requests_boto3", at), runner("engine", at), runner("http_to_s3", at)]
    found += [runner("fsspec_copy", at)] if importlib.util.find_spec("s3fs") else []
    found += [runner("obstore", at)] if importlib.util.find_spec("obstore") else []
    shell = {"curl | aws s3 cp": (CURL_AWS, "aws"), "rclone copyurl": (RCLONE, "rclone")}
    for label, (line, program) in shell.items():
        if shutil.which(program):
            command = line.format(url=at.url, goal="bench/out/export.zip")
            found.append(Runner(label, ["bash", "-c", command], {}))
    return found


def run(title: str, at: Ends, runners: list[Runner], *, mib: int, rounds: int, work: Path) -> None:
    runs = race(runners, at.env, rounds=rounds, timeout=600, errors=str(work / "errors.log"))
    print(table(title, runs, mib), flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "scenes",
        nargs="*",
        default=["plain", "tls", "throttled", "far", "hash", "sizes", "worker"],
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, help="size of the archive instead of the scene's own")
    parser.add_argument("--few", action="store_true", help="only the base and the engine")
    parser.add_argument("--work", type=Path, default=HERE.parent / ".bench")
    args = parser.parse_args()
    compileall.compile_dir(HERE.parent / "airflow_provider_assets", quiet=1)  # as pip does
    work, rounds = args.work, args.rounds
    work.mkdir(exist_ok=True)
    for scene in args.scenes:
        mib = args.mib or (256 if scene in ("throttled", "far") else 1024)
        if scene == "sizes":
            for mib, times in ((100, rounds), (1024, rounds), (8192, 1)):
                with ends(work, archive(work, mib)) as at:
                    both = [runner("requests_boto3", at), runner("engine", at)]
                    run(f"{mib} MiB over HTTP", at, both, mib=mib, rounds=times, work=work)
            continue
        if scene == "worker":
            mib = args.mib or 100
            with ends(work, archive(work, mib)) as at:
                both = [
                    replace(runner(way, at), tells_seconds=True)
                    for way in ("requests_boto3", "engine")
                ]
                run(f"worker: {mib} MiB", at, both, mib=mib, rounds=rounds, work=work)
            continue
        settings = {"throttled": {"RATE": 20 << 20}, "far": {"RTT": 40}}.get(scene)
        with ends(work, archive(work, mib), tls=scene == "tls", source=settings) as at:
            few = [runner("requests_boto3", at), runner("engine", at)]
            if scene in ("throttled", "far"):
                few += [runner("engine", at, CONCURRENCY=str(n)) for n in (8, 16)]
            elif scene == "hash":
                few = [runner("engine", at, SHA256="0"), runner("engine", at, SHA256="1")]
            elif not args.few:
                few = peers(at)
            run(f"{scene}: {mib} MiB", at, few, mib=mib, rounds=rounds, work=work)


if __name__ == "__main__":
    main()
