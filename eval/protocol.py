"""What a score is: a number together with everything that decided it.

Enters: a value and a `Protocol`, which names the metric and lists every setting that could change the number. Leaves: a `Score`,
which goes to JSON and back and cannot be printed without its name, its sample size, its protocol and its uncertainty.
`compare` sets two scores side by side only if they were measured in the same way.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from gpt_video.disk import file_sha256

# To be raised by one whenever a change in `eval/` alters a number that it gave before.
CODE_VERSION = 1

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Protocol:
    """Every setting that decides a number. Two scores may be compared if and only if their protocols are equal.

    name: of the protocol as a whole, such as `fvd-original`. `None` means that the setting plays no part in this metric.
    codec: how the videos under test were stored ("H.264 crf 12", "arrays", "as found"). decoder: what read them, with its version.
    fps, frames, stride, clip_choice, clip_seed: which frames of a file were taken. size: (height, width) they were fitted to.
    input_law: resizing, cropping, antialiasing and range of the feature network. extractor, extractor_sha256: that network.
    statistic: the arithmetic after the features ("Frechet distance", "MMD degree 3"). ddof: of its covariance.
    n, n_reference: videos or prompts scored, and videos of the reference. reference_sha256: of what they are measured against, the
    reference's files or the prompts.
    seeds: of the generations. extra: whatever else a metric has, such as the scale of a CLIP score.
    """

    name: str
    codec: str | None = None
    decoder: str | None = None
    fps: float | None = None
    frames: int | None = None
    stride: int | None = None
    clip_choice: str | None = None
    clip_seed: int | None = None
    size: tuple[int, int] | None = None
    input_law: str | None = None
    extractor: str | None = None
    extractor_sha256: str | None = None
    statistic: str | None = None
    ddof: int | None = None
    n: int | None = None
    n_reference: int | None = None
    reference_sha256: str | None = None
    seeds: tuple[int, ...] = ()
    code_version: int = CODE_VERSION
    extra: Mapping[str, Setting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", dict(self.extra))  # a copy, which the caller cannot change

    @cached_property
    def hash(self) -> str:
        """The first 12 hex digits of the SHA-256 of all settings, the same on every machine and in every order of `extra`."""
        return digest(self.to_dict())[:12]

    def __hash__(self) -> int:
        return hash(self.hash)

    def __str__(self) -> str:
        return f"{self.name}#{self.hash}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Protocol:
        """The inverse of `to_dict`. Raises ValueError where `record` has other settings than a protocol has."""
        known = {one.name for one in fields(cls)}
        if set(record) - known or "name" not in record:
            raise ValueError(f"a protocol has the settings {sorted(known)}, but this one has {sorted(record)}")
        size, seeds = record.get("size"), record.get("seeds", ())
        return cls(**{**record, "size": tuple(size) if size else None, "seeds": tuple(seeds)})

    def differences(self, other: Protocol) -> list[str]:
        """One sentence for each setting in which two protocols differ; empty if they are the same."""
        mine, theirs = _flat(self), _flat(other)
        names = [*mine, *(name for name in theirs if name not in mine)]
        absent = "absent"
        return [
            f"{name} is {mine.get(name, absent)!r} against {theirs.get(name, absent)!r}"
            for name in names
            if mine.get(name, absent) != theirs.get(name, absent)
        ]


@dataclass(frozen=True, repr=False)
class Score:
    """A number with its sample size, protocol and uncertainty; all text forms of it show these too.

    interval: (low, high), and how it was made. floor: what the metric gives where there is nothing to find, real half against
    real half, with `floor_n` videos a side (`n` if None). ceiling: the best value that the measuring instrument itself
    allows. note: whatever a reader must know, such as skipped files. Raises ValueError where the parts contradict each other.
    """

    name: str
    value: float
    n: int
    protocol: Protocol
    higher_is_better: bool
    interval: tuple[float, float] | None = None
    interval_method: str | None = None
    floor: float | None = None
    floor_n: int | None = None
    ceiling: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        numbers = [self.value, *(self.interval or ()), self.floor or 0.0, self.ceiling or 0.0]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"the score {self.name} holds a number that is not finite: {numbers}")
        if not self.name or self.n < 1:
            raise ValueError(f"a score needs a name and at least one sample, not {self.name!r} and n = {self.n}")
        if (self.interval is None) != (self.interval_method is None):
            raise ValueError(f"the score {self.name} needs an interval and its method together, or neither")
        if self.interval is not None and self.interval[0] > self.interval[1]:
            raise ValueError(f"the interval of {self.name} must be (low, high), not {self.interval}")
        if self.protocol.n not in (None, self.n):
            raise ValueError(f"the score {self.name} has n = {self.n}, but its protocol says {self.protocol.n}")

    def __str__(self) -> str:
        parts = [
            f"{self.name} {self.value:.4g} ({'higher' if self.higher_is_better else 'lower'} is better)",
            f"N={self.n}",
        ]
        if self.interval is not None:
            parts.append(f"interval {self.interval[0]:.4g} to {self.interval[1]:.4g} ({self.interval_method})")
        if self.floor is not None:
            parts.append(
                f"noise floor {self.floor:.4g}"
                + (f" at N={self.floor_n}" if self.floor_n not in (None, self.n) else "")
            )
        if self.interval is None and self.floor is None:
            parts.append("no interval, no noise floor")
        if self.ceiling is not None:
            parts.append(f"ceiling {self.ceiling:.4g}")
        parts.append(f"protocol {self.protocol}")
        return ", ".join(parts) + (f"; {self.note}" if self.note else "")

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, with the protocol's hash beside its settings."""
        settings = self.protocol.to_dict()
        record = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**record, "protocol": settings, "protocol_hash": self.protocol.hash}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Score:
        """The inverse of `to_dict`. Raises ValueError if the stored hash is not that of the stored settings."""
        record = dict(record)
        protocol, stored = Protocol.from_dict(record.pop("protocol")), record.pop("protocol_hash", None)
        if stored != protocol.hash:
            raise ValueError(
                f"the stored protocol has the hash {protocol.hash}, not {stored}: the record was changed by hand"
            )
        interval = record.pop("interval", None)
        return cls(**record, protocol=protocol, interval=tuple(interval) if interval else None)

    @classmethod
    def from_json(cls, text: str) -> Score:
        return cls.from_dict(json.loads(text))


@dataclass(frozen=True)
class Comparison:
    """Two scores of one protocol. `difference` = b - a; `better`: "a", "b", or "neither" where the intervals overlap or lack."""

    a: Score
    b: Score
    difference: float
    better: str

    def __str__(self) -> str:
        verdict = "not resolved by the intervals" if self.better == "neither" else f"{self.better} is better"
        return f"{self.a.name}: b - a = {self.difference:+.4g}, {verdict}\n  a: {self.a}\n  b: {self.b}"


def compare(a: Score, b: Score) -> Comparison:
    """Sets two scores side by side. Raises ValueError, which names every differing setting, if they must not be compared."""
    reasons = a.protocol.differences(b.protocol)
    if a.name != b.name:
        reasons.insert(0, f"the score is {a.name!r} against {b.name!r}")
    if reasons:
        raise ValueError(
            f"{a.name} and {b.name} cannot be compared: {'; '.join(reasons)}. Measure both in the same way."
        )
    difference = b.value - a.value
    apart = a.interval and b.interval and (a.interval[1] < b.interval[0] or b.interval[1] < a.interval[0])
    ahead = "b" if (difference > 0) == a.higher_is_better else "a"
    return Comparison(a, b, difference, ahead if apart else "neither")


def digest(value: Any) -> str:
    """SHA-256 (hex) of plain values: of their JSON with sorted keys and no spaces, so the same everywhere."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def files_sha256(paths: Iterable[str | Path]) -> str:
    """SHA-256 of several files and their names, in whatever order they are given; of one file, that of its bytes alone."""
    found = [Path(path) for path in paths]
    return (
        file_sha256(found[0]) if len(found) == 1 else digest(sorted((path.name, file_sha256(path)) for path in found))
    )


def _flat(protocol: Protocol) -> dict[str, Any]:
    settings = protocol.to_dict()
    extra = settings.pop("extra")
    return {**settings, **{f"extra.{name}": value for name, value in sorted(extra.items())}}
