"""The processes of one Topaz account, and how they change.

Source: the Image API's OpenAPI document 1.2.0. Outputs are kept 7 days after processing, inputs
7 days after upload. A format determines the name of a file only; the content is always a PNG.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_provider_assets.sandbox.blobs import Blob
from airflow_provider_assets.sandbox.images import PngBlob
from airflow_provider_assets.sandbox.lifecycle import Lifecycle
from airflow_provider_assets.sandbox.vendor import Late
from airflow_provider_assets.sandbox.world import World

COMPLETED, FAILED, CANCELLED = "Completed", "Failed", "Cancelled"
_STAGES = ("Pending", "Processing", COMPLETED)
_RETENTION = 7 * 86_400
FORMATS = {"jpeg": "jpeg", "jpg": "jpeg", "png": "png", "tiff": "tiff", "tif": "tiff"}
# Category, kind of model and model, as in the status of a process.
MODELS = (
    ("Enhance", "GAN", "Standard V2"),
    ("Enhance", "GAN", "High Fidelity V2"),
    ("Enhance", "GAN", "CGI"),
    ("Sharpen", "GAN", "Lens Blur"),
    ("Denoise", "Generative", "Extreme"),
)
_STEMS = ("kite", "fog", "harbour at dawn", "Übersicht", "IMG_0042", "scan.final")
_OLDEST = 30 * 86_400
_LARGEST_SIDE = 256


@dataclass(slots=True, kw_only=True)
class Process:
    """One process; ``size`` is (width, height) of the input, ``wanted`` of the output."""

    id: str
    source_id: str
    filename: str
    input_format: str
    output_format: str
    size: tuple[int, int]
    wanted: tuple[int, int]
    model: tuple[str, str, str]
    life: Lifecycle
    source: Blob
    output: Blob
    crop: bool = False

    @property
    def credits(self) -> int:
        """The price; failures are refunded."""
        return 0 if self.life.status in (FAILED, CANCELLED) else 1

    @property
    def eta(self) -> int:
        """Epoch seconds of its expected end."""
        return int(self.life.begun + self.life.seconds)


@dataclass(slots=True)
class Processes:
    """Every process, by id."""

    world: World
    by_id: dict[str, Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        options, now = self.world.options, self.world.clock.now()
        rng = random.Random(f"{options.seed}/topaz")
        for _ in range(options.items):
            # One in ten is beyond retention, so that the vendor no longer knows it.
            span = _RETENTION if rng.random() < 0.9 else _OLDEST
            oldest = 60.0 if span == _RETENTION else _RETENTION + 60.0
            self._preload(rng, now - rng.uniform(oldest, span - 60))
        for day, count in options.days:
            self.add_day(day, count)

    def add_day(self, day: dt.date, count: int) -> list[str]:
        """Create exactly ``count`` completed processes within a UTC day; returns their ids."""
        rng = random.Random(f"{self.world.options.seed}/{day}/{len(self.by_id)}")
        midnight = dt.datetime.combine(day, dt.time(), dt.timezone.utc).timestamp()
        end = min(midnight + 86_400, max(self.world.clock.now(), midnight + 1))
        return [self._preload(rng, rng.uniform(midnight, end), plain=True).id for _ in range(count)]

    def add_late(self, late: Late) -> str:
        """Create a process that is finished and listed late; returns its id."""
        rng = random.Random(f"{self.world.options.seed}/{late.at}/late {late.number}")
        process = self._make(rng, late.at, late.finish_after)

        def show() -> None:
            self.by_id[process.id] = process

        self.world.later(late.at + late.list_after, show)
        return process.id

    def accept(self, process: Process) -> None:
        """Accept a submitted process, with the fault for it if one is armed."""
        fault = self.world.faults.take("topaz.job", "job", path="/")
        self.by_id[process.id] = process
        self.world.stats.accepted("topaz", process.id)
        kind = fault.kind if fault else ""
        now = self.world.clock.now()
        if kind == "stuck":
            process.life.held = True
        elif kind in ("failed", "canceled"):
            process.life.end(FAILED if kind == "failed" else CANCELLED, now)
        elif fault and kind == "slow":
            process.life.seconds = float(fault.value or 10)

    def find(self, process_id: str, *, polled: bool = False) -> Process | None:
        """A process as it is now, None when there is none or it is beyond retention."""
        process = self.by_id.get(process_id.lower())
        if process is None:
            return None
        process.life.look(self.world.clock.now(), polled=polled)
        return process if self._kept(process) else None

    def kept(self) -> Iterator[Process]:
        """Everything within retention, ordered by id as the vendor promises no order."""
        for process_id in sorted(self.by_id):
            process = self.find(process_id)
            if process is not None:
                yield process

    def fresh_life(self) -> Lifecycle:
        """The life of a process that begins now."""
        options = self.world.options
        return Lifecycle(
            stages=_STAGES,
            begun=self.world.clock.now(),
            seconds=options.job_seconds,
            by_poll=options.advance == "poll",
        )

    def keeps_input(self, process: Process) -> bool:
        """Whether the input is within retention."""
        return process.life.begun > self.world.clock.now() - _RETENTION

    def _kept(self, process: Process) -> bool:
        return process.life.updated > self.world.clock.now() - _RETENTION

    def _preload(self, rng: random.Random, begun: float, *, plain: bool = False) -> Process:
        process = self._make(rng, begun)
        life, luck = process.life, rng.random()
        if not plain and luck < 0.1:
            life.end(FAILED if luck < 0.05 else CANCELLED, begun + life.seconds)
        life.look(begun + life.seconds, polled=False)
        self.by_id[process.id] = process
        return process

    def _make(self, rng: random.Random, begun: float, seconds: float | None = None) -> Process:
        """A process that takes ``seconds``, or else 20 s to 10 minutes."""
        made, wanted = (rng.choice(tuple(FORMATS)) for _ in range(2))
        width, height = rng.randint(16, 64), rng.randint(16, 64)
        target = int(self.world.options.item_bytes * rng.uniform(0.5, 1.5))
        seed = rng.randrange(1 << 31)
        taken = float(rng.randint(20, 600)) if seconds is None else seconds
        return Process(
            id=_uuid(rng),
            source_id=_uuid(rng),
            filename=f"{rng.choice(_STEMS)}.{made}",
            input_format=FORMATS[made],
            output_format=FORMATS[wanted],
            size=(width, height),
            wanted=(2 * width, 2 * height),
            model=rng.choice(MODELS),
            life=Lifecycle(stages=_STAGES, begun=begun, seconds=taken),
            source=PngBlob(seed, width, height),
            output=PngBlob(seed + 1, 2 * width, 2 * height, target),
        )


def stand_in(seed: int, size: tuple[int, int], target: int) -> PngBlob:
    """A picture in the proportions of ``size``, but never a large one."""
    width, height = size
    scale = min(1.0, _LARGEST_SIDE / max(size))
    return PngBlob(seed, max(int(width * scale), 1), max(int(height * scale), 1), target)


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
