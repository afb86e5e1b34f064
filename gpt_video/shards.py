"""A folder of clips or conversations -> token shards on disk -> a corpus in memory.

Enters: a folder of videos with `metadata.jsonl` (`tokenize_folder`), or frames straight from a renderer (`write_shards`, or
`encode_corpus` without any file).
On disk: Parquet files, one row a turn, with the hash of the tokenizer that made the codes. Leaves: `read_shards`.

A line of metadata.jsonl needs `file_name` and `text`. Without the columns `conversation` and `turn` each clip is a one-turn
conversation, and a long one is cut into several, some of them long enough for rolled windows (sequence.py); with them each file
is one turn. pyarrow and PyAV are imported late.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gpt_video import sequence
from gpt_video.disk import draft_of
from gpt_video.pieces import latent_lengths, pieces
from tokenizer.data import FPS

ENCODE_BATCH = 64  # latent frames, at least

Record = dict[str, Any]
StrPath = str | os.PathLike[str]


# From a folder of videos to frames


def read_records(folder: StrPath) -> list[Record]:
    """The lines of `metadata.jsonl`, with conversation, turn, parent, action and texts filled in, conversations together.

    ValueError names the line that is not JSON, lacks a field, or has an unknown action.
    """
    path = Path(folder) / "metadata.jsonl"
    if not path.is_file():
        raise ValueError(f"{folder} has no metadata.jsonl: write one with a line of file_name and text for each clip")
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                records.append(_complete(json.loads(line)))
            except (ValueError, TypeError, AttributeError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    if not records:
        raise ValueError(f"{path} is empty: write a line of file_name and text for each clip")
    grouped: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        same = grouped[record["conversation"]]
        if any(other["turn"] == record["turn"] for other in same):
            label = f"turn {record['turn']} of {record['conversation']}"
            raise ValueError(f"{path} has {label} twice: give other wordings of one clip in the field texts")
        same.append(record)
    return [record for turns in grouped.values() for record in sorted(turns, key=lambda record: record["turn"])]


def _complete(record: Record) -> Record:
    for field in ("file_name", "text"):
        if not isinstance(record.get(field), str):
            raise ValueError(f'no text in the field "{field}"')
    turn = int(record.get("turn") or 0)
    parent = record.get("parent", turn - 1 if turn else None)
    action = record.get("action") or ("new" if parent is None else "edit")
    if action not in sequence.ACTIONS or (parent is None and action != "new"):
        raise ValueError(f"action {action!r} does not fit a turn with parent {parent}: use new, edit or continue")
    defaults = {"conversation": record["file_name"], "cut": "conversation" not in record}
    return (
        defaults
        | record
        | {
            "turn": turn,
            "parent": parent,
            "action": action,
            "texts": list(record.get("texts") or [record["text"]]),
        }
    )


def _clips(folder: Path, records: Sequence[Record], video_tokenizer, fps: float, shapes) -> Iterator[tuple]:
    from tokenizer.video import nearest_shape, read_video

    shape, conversation = shapes[0], None
    turns = Counter(record["conversation"] for record in records)
    most, _, _ = video_tokenizer.clip_shape(sequence.MAX_T, 1, 1)
    for index, record in enumerate(records):
        path = folder / record["file_name"]
        if record["conversation"] != conversation:  # all turns have the shape of the first
            conversation = record["conversation"]
            _, height, width, _ = read_video(path, max_frames=1)[0].shape
            shape = nearest_shape(height, width, shapes)
        frames_THWC, _ = read_video(path, fps=fps, size=shape)
        if record["cut"]:
            for number, piece_THWC in enumerate(pieces(frames_THWC, video_tokenizer)):
                yield index, record | {"conversation": f"{conversation}#{number}"}, piece_THWC
        else:  # of a long clip that stands alone the start is kept
            yield index, record, frames_THWC[:most] if turns[conversation] == 1 else frames_THWC


# From frames to shards


def tokenizer_hash(video_tokenizer: torch.nn.Module) -> str:
    """16 hex digits that name a tokenizer: SHA-256 of its configuration and weights as float32, wherever they lie."""
    digest = hashlib.sha256()
    config = getattr(video_tokenizer, "config", None)
    if is_dataclass(config) and not isinstance(config, type):
        # The sizes that it was trained on decide no code, and an empty field is one that older tokenizers have not.
        decisive = {name: value for name, value in asdict(config).items() if name != "shapes" and value != ()}
        digest.update(json.dumps(decisive, sort_keys=True).encode())
    for name, value in sorted(video_tokenizer.state_dict().items()):
        digest.update(name.encode() + value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def tokenize_folder(
    folder: StrPath,
    out: StrPath,
    video_tokenizer,
    *,
    fps: float = FPS,
    shapes: Sequence[tuple[int, int]] | None = None,
    shard_rows: int = 512,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Encode every clip of `folder` into `out`/part-00000.parquet and so on; returns the shards.

    Clips are resampled to `fps` and fitted to the nearest of `shapes` (height, width; by default those that the tokenizer was
    trained on). A shard that is already there with the same sources and tokenizer is kept, so an interrupted run goes on.
    `on_progress(files done, files in all)`.
    ValueError when the folder or a file is wrong, or when `out` holds shards of another tokenizer or of more clips.
    """
    folder, out, shapes = Path(folder), Path(out), shapes or video_tokenizer.config.shapes
    records = read_records(folder)
    shards = list(_by_shard(records, shard_rows))
    sources = [_sources_hash(folder, shard, fps, shapes) for shard in shards]
    name = tokenizer_hash(video_tokenizer)
    _check_existing(out, name, len(shards))
    report = on_progress or (lambda done, total: None)
    paths = [_shard_path(out, number) for number in range(len(shards))]
    done = 0
    for path, shard, source in zip(paths, shards, sources, strict=True):
        if not path.exists() or _shard_metadata(path)["sources"] != source:
            encoder = _ShardEncoder(video_tokenizer, fps)
            for index, record, frames_THWC in _clips(folder, shard, video_tokenizer, fps, shapes):
                report(done + index, len(records))
                encoder.add(record, frames_THWC)
            encoder.write(path, name, source)
        done += len(shard)
        report(done, len(records))
    return paths


def write_shards(
    turns: Iterable[tuple[Record, np.ndarray]],
    out: StrPath,
    video_tokenizer,
    *,
    fps: float = FPS,
    shard_rows: int = 512,
) -> list[Path]:
    """Shards straight from (record, frames_THWC uint8), such as a renderer gives them: no video file in between.

    Records are lines of metadata.jsonl (file_name is not needed); the turns of a conversation come one after another,
    parents first. ValueError when one does not fit, or when `out` already holds shards.
    """
    out = Path(out)
    name = tokenizer_hash(video_tokenizer)
    _check_existing(out, name, 0)
    paths: list[Path] = []
    encoder = _ShardEncoder(video_tokenizer, fps)

    def finish() -> None:
        paths.append(_shard_path(out, len(paths)))
        encoder.write(paths[-1], name, "frames")

    for conversation in _conversations(turns):
        for record, frames_THWC in conversation:
            encoder.add(record, frames_THWC)
        if len(encoder.rows) >= shard_rows:
            finish()
            encoder = _ShardEncoder(video_tokenizer, fps)
    if encoder.rows:
        finish()
    return paths


def encode_corpus(
    turns: Iterable[tuple[Record, np.ndarray]], video_tokenizer, *, name: str = "", fps: float = FPS
) -> Corpus:
    """What `write_shards` would write, in memory. `name`: the tokenizer's hash, where it is known already."""
    encoder = _ShardEncoder(video_tokenizer, fps, with_sources=False)
    for conversation in _conversations(turns):
        for record, frames_THWC in conversation:
            encoder.add(record, frames_THWC)
    encoder.finish()
    grouped: dict[str, list[Clip]] = defaultdict(list)
    for row in encoder.rows:
        grouped[row["conversation"]].append(_clip(row, row["codes"]))
    lengths, _ = latent_lengths(video_tokenizer)
    name = name or tokenizer_hash(video_tokenizer)
    return Corpus(list(grouped.values()), name, video_tokenizer.codebook_size, lengths)


def _conversations(turns: Iterable[tuple[Record, np.ndarray]]) -> Iterator[list[tuple[Record, np.ndarray]]]:
    """Complete records, the turns of a conversation together; without a conversation each is one of its own."""
    named = (
        (_complete({"file_name": "", "conversation": f"clip-{number}"} | record), frames_THWC)
        for number, (record, frames_THWC) in enumerate(turns)
    )
    for _, conversation in itertools.groupby(named, key=lambda turn: turn[0]["conversation"]):
        yield list(conversation)


def _by_shard(records: Iterable[Record], shard_rows: int) -> Iterator[list[Record]]:
    shard: list[Record] = []
    for _, conversation in itertools.groupby(records, key=lambda record: record["conversation"]):
        shard.extend(conversation)
        if len(shard) >= shard_rows:
            yield shard
            shard = []
    if shard:
        yield shard


class _ShardEncoder:
    """Collects the rows of one shard, and encodes clips of equal shape together: the encoder is the cost."""

    def __init__(self, video_tokenizer, fps: float, *, with_sources: bool = True) -> None:
        self.video_tokenizer, self.fps, self.with_sources = video_tokenizer, fps, with_sources
        self.device = next(iter(video_tokenizer.state_dict().values())).device
        self.code_dtype = sequence.code_dtype(video_tokenizer.codebook_size)
        self.rows: list[Record] = []
        self.waiting: dict[tuple, list[tuple[Record, np.ndarray]]] = defaultdict(list)
        self.conversation: str | None = None
        # Of this conversation, by turn: all frames of its video, those of the turns that it continues included.
        self.chains: dict[int, np.ndarray] = {}

    def add(self, record: Record, frames_THWC: np.ndarray) -> None:
        if record["conversation"] != self.conversation:
            self.conversation, self.chains = record["conversation"], {}
        label = f"turn {record['turn']} of conversation {self.conversation}"
        if record["parent"] is not None and record["parent"] not in self.chains:
            raise ValueError(f"{label}: its parent, turn {record['parent']}, does not come before it")
        # A continuation is encoded in one causal pass with what it continues, and its codes are the tail.
        before = self.chains[record["parent"]] if record["action"] == "continue" else frames_THWC[:0]
        chain_THWC = np.concatenate([before, frames_THWC])
        t_before, t_chain = self._latent_frames(len(before)), self._latent_frames(len(chain_THWC))
        if not 1 <= t_chain - t_before <= sequence.MAX_T:
            raise ValueError(f"{label}: {len(frames_THWC)} frames are not 1 to {sequence.MAX_T} latent frames: cut it")
        T, H, W = self.video_tokenizer.clip_shape(t_chain, 1, 1)[0], *chain_THWC.shape[1:3]
        _, h, w = self.video_tokenizer.grid(T, H, W)
        self.chains[record["turn"]] = chain_THWC[:T]
        row = {
            **{field: record[field] for field in ("conversation", "turn", "parent", "action", "text", "texts")},
            "languages": list(record.get("languages") or [record.get("language") or ""]),
            "t": t_chain - t_before,
            "h": h,
            "w": w,
            "fps": self.fps,
            "source": record.get("source") or "",
            "licence": record.get("licence") or "",
        }
        if self.with_sources:
            row["source_hash"] = hashlib.sha256(np.ascontiguousarray(frames_THWC).data).hexdigest()[:16]
        self.rows.append(row)
        self.waiting[T, H, W].append((row, chain_THWC[:T]))
        if len(self.waiting[T, H, W]) * t_chain >= ENCODE_BATCH:
            self._encode(self.waiting.pop((T, H, W)))

    def finish(self) -> None:
        """Encodes what still waits for clips of its shape."""
        for group in self.waiting.values():
            self._encode(group)
        self.waiting.clear()

    def write(self, path: Path, name: str, sources: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.finish()
        metadata = {
            "tokenizer": name,
            "codebook_size": str(self.video_tokenizer.codebook_size),
            "lengths": json.dumps(latent_lengths(self.video_tokenizer)[0]),
            "sources": sources,
        }
        table = pa.Table.from_pylist(
            self.rows, schema=_schema(pa.from_numpy_dtype(self.code_dtype)).with_metadata(metadata)
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            pq.write_table(table, draft)

    def _latent_frames(self, frames: int) -> int:
        fits = itertools.takewhile(lambda t: self.video_tokenizer.clip_shape(t, 1, 1)[0] <= frames, itertools.count(1))
        return max(fits, default=0)

    @torch.inference_mode()
    def _encode(self, group: list[tuple[Record, np.ndarray]]) -> None:
        frames_BTHWC = torch.from_numpy(np.stack([frames_THWC for _, frames_THWC in group])).to(self.device)
        clip_BCTHW = frames_BTHWC.movedim(-1, 1).float().div_(127.5).sub_(1)
        codes_Bthw = self.video_tokenizer.encode(clip_BCTHW).cpu().numpy().astype(self.code_dtype)
        for (row, _), codes_thw in zip(group, codes_Bthw, strict=True):
            row["codes"] = codes_thw[-row["t"] :].ravel()


def _schema(codes):
    import pyarrow as pa

    text, number, texts = pa.string(), pa.int32(), pa.list_(pa.string())
    return pa.schema(
        [
            *[(name, text) for name in ("conversation", "action", "text", "source", "licence", "source_hash")],
            *[(name, number) for name in ("turn", "parent", "t", "h", "w")],
            *[(name, texts) for name in ("texts", "languages")],
            ("fps", pa.float32()),
            ("codes", pa.list_(codes)),
        ]
    )


def _sources_hash(folder: Path, shard: list[Record], fps: float, shapes) -> str:
    stamps = []
    for record in shard:
        path = folder / record["file_name"]
        if not path.is_file():
            raise ValueError(f"{folder} has no file {record['file_name']}, which its metadata.jsonl names")
        stamps.append((path.stat().st_size, path.stat().st_mtime_ns))
    return hashlib.sha256(json.dumps([shard, stamps, fps, shapes], sort_keys=True).encode()).hexdigest()[:16]


def _shard_path(out: Path, number: int) -> Path:
    return out / f"part-{number:05d}.parquet"


def _shard_metadata(path: Path) -> dict[str, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        return {key: metadata[key.encode()].decode() for key in ("tokenizer", "codebook_size", "lengths", "sources")}
    except (pa.ArrowInvalid, KeyError) as error:
        raise ValueError(f"{path} is not a token shard, or damaged: remove it and tokenize again") from error


def _check_existing(out: Path, name: str, shards: int) -> None:
    for path in sorted(out.glob("part-*.parquet")):
        found = _shard_metadata(path)["tokenizer"]
        if found != name:
            raise ValueError(f"{path} was made by tokenizer {found}, not {name}: remove {out} or choose another folder")
        if path not in {_shard_path(out, number) for number in range(shards)}:
            raise ValueError(f"{path} is left from another run: remove it or choose another folder")


# From shards to memory


@dataclass(frozen=True)
class Clip:
    """A row of a shard: one turn, with its wordings and its codes_thw (`code_dtype`)."""

    turn: int
    parent: int | None
    action: str
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    codes_thw: np.ndarray


class Corpus(NamedTuple):
    """All shards in memory: every conversation a list of turns. `lengths`: latent frames that clips are cut to."""

    conversations: list[list[Clip]]
    tokenizer: str
    codebook_size: int
    lengths: tuple[int, ...]


def read_shards(shards: StrPath | Sequence[StrPath] | Corpus) -> Corpus:
    """Read files, or every part-*.parquet below folders; a corpus comes back as it is.

    ValueError when there is none, or two tokenizers made them.
    """
    if isinstance(shards, Corpus):
        return shards
    import pyarrow.parquet as pq

    given = [shards] if isinstance(shards, str | os.PathLike) else shards
    paths: list[Path] = []
    for each in map(Path, given):
        paths += [each] if each.is_file() else sorted(each.rglob("part-*.parquet"))
    if not paths:
        raise ValueError(f"no token shards in {', '.join(map(str, given))}: run `gpt-video data tokenize` first")
    metadata = [_shard_metadata(path) for path in paths]
    tokenizers = sorted({each["tokenizer"] for each in metadata})
    if len(tokenizers) > 1:
        raise ValueError(f"the shards were made by different tokenizers ({', '.join(tokenizers)}): tokenize them again")
    conversations: dict[tuple[Path, str], list[Clip]] = defaultdict(list)
    for path in paths:
        table = pq.read_table(path)
        codes = table.column("codes")
        for row, codes_N in zip(table.drop_columns("codes").to_pylist(), codes, strict=True):
            conversations[path, row["conversation"]].append(_clip(row, codes_N.values.to_numpy()))
    lengths = tuple(json.loads(metadata[0]["lengths"]))
    return Corpus(list(conversations.values()), tokenizers[0], int(metadata[0]["codebook_size"]), lengths)


def _clip(row: Record, codes_N: np.ndarray) -> Clip:
    codes_thw = codes_N.reshape(row["t"], row["h"], row["w"])
    texts, languages = tuple(row["texts"]), tuple(row["languages"])
    return Clip(row["turn"], row["parent"], row["action"], texts, languages, codes_thw)


def summary(shards: StrPath | Sequence[StrPath] | Corpus) -> dict[str, Any]:
    """What the shards hold, in counts, for a training-data manifest."""
    corpus = read_shards(shards)
    clips = [clip for conversation in corpus.conversations for clip in conversation]
    return {
        "tokenizer": corpus.tokenizer,
        "conversations": len(corpus.conversations),
        "turns": len(clips),
        "video_tokens": sum(clip.codes_thw.size for clip in clips),
        "actions": dict(Counter(clip.action for clip in clips)),
        "grids": dict(Counter("x".join(map(str, clip.codes_thw.shape)) for clip in clips)),
        "languages": dict(Counter(language for clip in clips for language in clip.languages)),
    }
