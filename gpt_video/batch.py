"""Many videos from a file of prompts: `gpt-video batch prompts.jsonl --out DIR`.

Enters: .txt (a prompt a line), .csv (a header line, a column `prompt`) or .jsonl (an object a line, a key `prompt`). The other
columns or keys are optional: id, seconds, size, seed, action, image, video, temperature, top_k, top_p, guidance_scale.
Leaves: DIR/ID.mp4 with its sidecar for each, and DIR/manifest.jsonl, a line for each result; the last line of an id counts.
A second run makes only what is missing, failed, or has other settings (of the line, its files, or the model).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gpt_video.disk import file_sha256, is_full
from gpt_video.files import check_output, read_turns, save_video, settings_of
from gpt_video.generate import VideoGenerator
from gpt_video.planning import Plan
from gpt_video.request import GenerateRequest
from tokenizer.video import read_image

MANIFEST = "manifest.jsonl"
NUMBERS: dict[str, type] = {
    "seconds": float, "seed": int, "temperature": float, "top_k": int, "top_p": float, "guidance_scale": float,
}  # fmt: skip
OnProgress = Callable[[int, int], None]
KEYS = ("prompt", "size", "action", "image", "video", *NUMBERS)


@dataclass(frozen=True)
class Line:
    """A line of the file that can be read: where it stands (file:line), its id, its values, its files resolved to paths."""

    where: str
    id: str
    values: dict[str, Any]

    def settings_hash(self, model_hash: str) -> str:
        """Changes with whatever changes the video: the line, the contents of its files, the model."""
        files = {key: file_sha256(Path(self.values[key])) for key in ("image", "video") if key in self.values}
        text = json.dumps([self.values | files, model_hash], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def request(self, generator: VideoGenerator) -> GenerateRequest:
        """The request of this line, its image or video read. ValueError if that, or a value, is wrong."""
        values = {key: value for key, value in self.values.items() if key not in ("image", "video")}
        if "image" in self.values:
            values["image"] = read_image(self.values["image"])
        if "video" in self.values:
            values["context"] = read_turns(generator, self.values["video"], values.setdefault("action", "continue"))
        return GenerateRequest(**values)


@dataclass(frozen=True)
class Broken:
    """A line that cannot be done, and why: `where` is file:line. Its id is the line's number if it has none that can be read."""

    where: str
    id: str
    error: str


def read_lines(path: str | Path) -> tuple[list[Line], list[Broken]]:
    """The lines of a prompt file, and the broken ones. ValueError if the file as a whole cannot be read."""
    path = Path(path)
    readers = {".txt": _txt, ".csv": _csv, ".jsonl": _jsonl}
    if path.suffix.lower() not in readers:
        raise ValueError(f"cannot read {path}: expected a name that ends in {', '.join(readers)}")
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    lines: dict[str, Line] = {}
    broken: list[Broken] = []
    for number, record in readers[path.suffix.lower()](text):
        where, name = f"{path}:{number}", f"{number:06d}"
        try:
            if isinstance(record, ValueError):
                raise record
            name = str(record.pop("id", name))
            if name in lines:
                raise ValueError(f"id {name!r} is taken by {lines[name].where}: give each line its own")
            lines[name] = _line(where, name, record, path.parent)
        except ValueError as error:
            broken.append(Broken(where, f"{number:06d}" if name in lines else name, str(error)))
    if not lines and not broken:
        raise ValueError(f"{path} holds no prompts")
    return list(lines.values()), broken


Rows = Iterator[
    tuple[int, dict[str, Any] | ValueError]
]  # line number, and what the line holds or what is wrong with it


def _txt(text: str) -> Rows:
    for number, row in enumerate(text.splitlines(), 1):
        if row.strip():
            yield number, {"prompt": row.strip()}


def _jsonl(text: str) -> Rows:
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            record = json.loads(row)
        except json.JSONDecodeError as error:
            yield number, ValueError(f"not JSON: {error.msg} at column {error.colno}")
            continue
        if isinstance(record, dict):
            yield number, {key: value for key, value in record.items() if value is not None}
        else:
            yield number, ValueError(f"expected a JSON object, not {row.strip()[:40]}")


def _csv(text: str) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    if "prompt" not in header:
        raise ValueError(f"the header of the csv file has no column named prompt: {', '.join(header) or 'it is empty'}")
    number = reader.line_num + 1
    for row in reader:
        if len(row) == len(header):
            yield number, {key: cell for key, cell in zip(header, row, strict=True) if cell.strip()}
        elif any(cell.strip() for cell in row):
            yield number, ValueError(f"{len(row)} columns, the header has {len(header)}")
        number = reader.line_num + 1  # a quoted cell may span lines


def _line(where: str, name: str, record: dict[str, Any], folder: Path) -> Line:
    unknown = [key for key in record if key not in KEYS]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}: expected id, {', '.join(KEYS)}")
    values = {key: _value(key, value) for key, value in record.items()}
    if not re.fullmatch(r"[\w-][\w.-]{0,99}", name):
        raise ValueError(f"id {name!r} cannot name a file: use letters, digits, '-', '_' and '.'")
    if "prompt" not in values:
        raise ValueError("there is no prompt")
    for key in ("image", "video"):
        if key in values:
            values[key] = str(folder / values[key])
            if not Path(values[key]).is_file():
                raise ValueError(f"{key} {values[key]} does not exist")
    known = {f.name for f in fields(GenerateRequest)}
    if "video" not in values:  # with one, the check waits until the file is read
        GenerateRequest(**{key: value for key, value in values.items() if key in known and key != "image"})
    return Line(where, name, values)


def _value(key: str, value: Any) -> Any:
    if key not in NUMBERS:
        if not isinstance(value, str):
            raise ValueError(f"{key} is {value!r}: expected text")
        return value
    try:
        number = float(value)
        return number if NUMBERS[key] is float else int(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} is {value!r}: expected a number") from error


# ------------------------------------------------------------------------------------------------ running


@dataclass(frozen=True)
class Job:
    """A line that is to be made now."""

    line: Line
    plan: Plan
    settings_hash: str


def shard_of(items: Sequence[Any], index: int, count: int) -> list[Any]:
    """Every count-th item, beginning with number `index` (1..count)."""
    if not 1 <= index <= count:
        raise ValueError(f"shard {index}/{count} is impossible: expected 1/{count} to {count}/{count}")
    return list(items[index - 1 :: count])


class Batch:
    """One run over the lines of a file: `jobs` checks them, `run` makes them, DIR/manifest.jsonl keeps what became of each."""

    def __init__(self, generator: VideoGenerator, out: Path):
        self.generator, self.out = generator, out
        self.done = read_manifest(out)

    def is_done(self, line: Line) -> bool:
        """Whether an earlier run made this very video and it is still there."""
        entry = self.done.get(line.id, {})
        same = entry.get("settings_hash") == line.settings_hash(self.generator.bundle.model_hash)
        return same and entry.get("status") == "ok" and (self.out / str(entry.get("file"))).is_file()

    def jobs(self, lines: Sequence[Line]) -> tuple[list[Job], list[Broken]]:
        """Checks lines against the model: those to make, and those that cannot be made."""
        jobs: list[Job] = []
        broken: list[Broken] = []
        for line in lines:
            try:
                plan = self.generator.plan(line.request(self.generator))
                jobs.append(Job(line, plan, line.settings_hash(self.generator.bundle.model_hash)))
            except (ValueError, OSError) as error:
                broken.append(Broken(line.where, line.id, str(error)))
        return jobs, broken

    def run(
        self, jobs: Sequence[Job], batch_size: int, on_progress: OnProgress = lambda done, total: None
    ) -> list[Broken]:
        """Makes all jobs in batches of equal shape; returns those that failed. A failed batch is tried again one by one.

        `on_progress` is called with the latent frames done and those to do. ValueError where the disk is full: no other video
        could be kept.
        """
        failed: list[Broken] = []
        before, total = 0, sum(job.plan.t for job in jobs)
        for indices in self.generator.batches([job.plan for job in jobs], batch_size):
            members = [jobs[index] for index in indices]
            failed += self._make(members, _shifted(on_progress, before, total))
            before += sum(job.plan.t for job in members)
            on_progress(before, total)
        return failed

    def _make(self, jobs: Sequence[Job], on_progress: OnProgress) -> list[Broken]:
        try:
            videos = self.generator.make([job.plan for job in jobs], len(jobs), on_progress)
        except Exception as error:  # whatever one video meets, the others are still wanted
            if len(jobs) > 1:
                return [broken for job in jobs for broken in self._make([job], on_progress)]
            return [self._failed(jobs[0].line, str(error) or type(error).__name__)]
        failed: list[Broken] = []
        for job, video in zip(jobs, videos, strict=True):
            name = f"{job.line.id}.mp4"
            try:
                save_video(video, self.out / name, self.generator.whole(video))
                self.record(job.line, "ok", settings_hash=job.settings_hash, file=name, **settings_of(video))
            except (ValueError, OSError) as error:
                if is_full(error):
                    what_now = "free some space and give the same command again, it goes on from here"
                    raise ValueError(f"there is no space left for {self.out / name}: {what_now}") from error
                failed.append(self._failed(job.line, str(error)))
        return failed

    def _failed(self, line: Line, error: str) -> Broken:
        self.record(line, "error", error=error)
        return Broken(line.where, line.id, error)

    def record(self, line: Line | Broken, status: str, **values: Any) -> None:
        """Adds an entry to the manifest: one write at the end of the file, so that several processes can share it."""
        entry = {"id": line.id, "status": status, "line": line.where, **values}
        file = os.open(self.out / MANIFEST, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, (json.dumps(entry, ensure_ascii=False) + "\n").encode(errors="replace"))
        finally:
            os.close(file)


def _shifted(on_progress: OnProgress, before: int, total: int) -> OnProgress:
    return lambda done, _: on_progress(before + done, total)


def prepare_folder(out: str | Path) -> Path:
    """Creates the output folder if need be; ValueError if it cannot be written to."""
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write into {out}: {error.strerror}; choose another folder") from error
    check_output(out / "video.mp4")
    manifest = out / MANIFEST
    if manifest.is_file() and not manifest.read_bytes().endswith(b"\n"):  # a run that was killed while it wrote
        with manifest.open("a") as file:
            file.write("\n")
    return out


def read_manifest(out: Path) -> dict[str, dict[str, Any]]:
    """The last entry of each id; a torn line (a crash while it was written) is skipped."""
    entries: dict[str, dict[str, Any]] = {}
    if (out / MANIFEST).is_file():
        for row in (out / MANIFEST).read_text("utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(row)
                entries[entry["id"]] = entry
            except (ValueError, KeyError, TypeError):
                continue
    return entries
