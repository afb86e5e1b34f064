"""A model on disk: one folder that holds everything needed to make videos.

    tokenizer/  gpt/  text/  generation_config.json  MODEL_CARD.md  training_data.json  SHA256SUMS  [pictures/]

Enters: the trained parts, or the path of such a folder, or the id of one on the Hugging Face hub. Leaves: a `Bundle` with
the parts in memory. Every file is checked against SHA256SUMS at load; weights are safetensors only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gpt_video.disk import file_sha256
from gpt_video.dtype import best_dtype
from gpt_video.sequence import Vocabulary
from gpt_video.shards import tokenizer_hash
from gpt_video.text import TextTokenizer
from tokenizer.data import FPS
from tokenizer.model import VideoTokenizer

if TYPE_CHECKING:
    from transformers import Qwen3ForCausalLM

FORMAT_VERSION = 1
DEFAULT_FOLDER = Path(__file__).parent / "weights"
SETTINGS_FILE, SUMS_FILE = "generation_config.json", "SHA256SUMS"
YOUNGER = {"guidance_with_video": None}  # settings that came after the format, as they were before
PARTS = ("tokenizer_hash", "text_size", "codebook_size", "vocabulary_size")
REQUIRED = ("tokenizer/config.json", "gpt/config.json", SETTINGS_FILE)
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class BundleError(ValueError):
    """A model folder that is missing, damaged, or made of parts that do not belong together."""


@dataclass(frozen=True)
class BundleSettings:
    """What generation must know beside the weights: `generation_config.json`.

    `shapes`: trained (height, width) in pixels, the first is the default. `latent_frames` and `continue_frames`: trained
    lengths of a turn that starts or edits a video, and of one that goes on from its end. `window`: tokens the GPT sees.
    `guidance_with_video`: what guidance is where earlier video is read along, if it is not `guidance_scale`: an edit or a
    continuation unless it asks for another, and a window that rolls on at most. Words that pull hard tear at what should stay.
    """

    window: int
    latent_frames: tuple[int, ...]
    continue_frames: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    fps: float = FPS
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 0.95
    guidance_scale: float = 2.0
    guidance_with_video: float | None = None


@dataclass(frozen=True)
class Bundle:
    """A loaded model. `model_hash`: the name of these exact weights and settings, whatever its card says."""

    video_tokenizer: VideoTokenizer
    gpt: Qwen3ForCausalLM
    text_tokenizer: TextTokenizer
    vocabulary: Vocabulary
    settings: BundleSettings
    folder: Path
    model_hash: str
    tokenizer_hash: str
    dtype: torch.dtype


def save_bundle(
    folder: str | Path,
    video_tokenizer: VideoTokenizer,
    gpt: Qwen3ForCausalLM,
    text_tokenizer: TextTokenizer,
    settings: BundleSettings,
    card: str,
    manifest: Mapping[str, Any],
    pictures: Iterable[str | Path] = (),
) -> str:
    """Writes the whole folder under a temporary name, then puts it in place of `folder`; returns its model hash.

    The GPT is stored in bfloat16, the tokenizer in float16 (round it before its codes are made: the hash is that of the rounded
    one). `card`: text of MODEL_CARD.md; `manifest`: what the model was trained on; `pictures`: files to keep beside them (loss
    curves, contact sheets). Raises ValueError if `folder` holds something that is no bundle.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not (folder / SUMS_FILE).exists() and any(folder.iterdir()):
        raise BundleError(f"{folder} exists and holds no model: choose another folder, nothing was overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new = Path(temporary) / "bundle"
        video_tokenizer.save_pretrained(new / "tokenizer", dtype=torch.float16)
        _save_gpt(gpt, new / "gpt")
        text_tokenizer.save(new / "text")
        stored_tokenizer = VideoTokenizer.from_pretrained(new / "tokenizer")
        parts = _parts_record(Vocabulary(text_tokenizer.vocab_size, video_tokenizer.codebook_size), stored_tokenizer)
        _write_json(new / SETTINGS_FILE, {"format_version": FORMAT_VERSION, **asdict(settings), **parts})
        _write_json(new / "training_data.json", dict(manifest))
        (new / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        for picture in map(Path, pictures):
            (new / "pictures").mkdir(exist_ok=True)
            shutil.copyfile(picture, new / "pictures" / picture.name)
        write_sums(new)
        for path in (new, *new.rglob("*")):  # temporary folders and some of the writers are private to one user
            path.chmod(0o755 if path.is_dir() else 0o644)
        if folder.exists():
            os.replace(folder, Path(temporary) / "replaced")
        os.replace(new, folder)
    return model_hash(folder)


def load_bundle(
    path: str | Path | None = None, *, dtype: torch.dtype | None = None, device: str | torch.device | None = None
) -> Bundle:
    """Loads a bundle from a folder, from a hub id such as `owner/name`, or (None) the one inside the package.

    `dtype` of the GPT: None chooses by a short probe of this machine. `device`: None takes a GPU if there is one.
    Raises BundleError, in one sentence, if the model is missing, damaged, of another format, or of mixed parts.
    """
    folder = find_bundle(path)
    check_sums(folder)
    record = read_settings_record(folder)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    video_tokenizer = VideoTokenizer.from_pretrained(folder / "tokenizer")
    if tokenizer_hash(video_tokenizer) != record["tokenizer_hash"]:
        raise BundleError(
            f"{folder / 'tokenizer'} is not the tokenizer that this GPT was trained with: put that one back, or train the GPT on it"
        )
    text_tokenizer = TextTokenizer.load(folder / "text")
    vocabulary = Vocabulary(text_tokenizer.vocab_size, video_tokenizer.codebook_size)
    dtype = dtype or best_dtype(device)
    gpt: Any = _load_gpt(folder / "gpt", dtype)
    _check_parts(folder, record, vocabulary, gpt)
    return Bundle(
        video_tokenizer.to(device).eval(),
        gpt.to(device).eval(),
        text_tokenizer,
        vocabulary,
        _settings(record),
        folder,
        model_hash(folder),
        record["tokenizer_hash"],
        dtype,
    )


def find_bundle(path: str | Path | None = None) -> Path:
    """The folder of a bundle; a hub id that is no local path is downloaded (and cached) by huggingface_hub."""
    folder = Path(path) if path is not None else DEFAULT_FOLDER
    if not folder.exists() and path is not None and HUB_ID.fullmatch(str(path)):
        folder = _download(str(path))
    if not (folder / SETTINGS_FILE).is_file():
        hint = "train one (see recipes/), or name another" if path is None else "expected a folder or a hub id"
        raise BundleError(f"no model at {folder}: {SETTINGS_FILE} is missing; {hint}")
    return folder


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id))
    except Exception as error:  # the hub's library has a dozen error types, none of them ours to explain
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BundleError(f"no folder {hub_id!r} here, and the hub did not deliver {hub_id!r}: {reason}") from error


def push(folder: str | Path, repo_id: str, *, private: bool = False, api: Any = None) -> str:
    """Uploads a checked bundle to the Hugging Face hub; returns its address. `api`: a `huggingface_hub.HfApi`."""
    from huggingface_hub import HfApi

    folder = find_bundle(folder)
    check_sums(folder)
    if not HUB_ID.fullmatch(repo_id):
        raise BundleError(f"hub id {repo_id!r} is not of the form owner/name")
    api = api or HfApi()
    url = api.create_repo(repo_id, private=private, exist_ok=True)
    api.upload_folder(repo_id=repo_id, folder_path=str(folder), commit_message=f"gpt-video model {model_hash(folder)}")
    return str(url)


# ------------------------------------------------------------------------------------------------ hashes


def write_sums(folder: Path) -> None:
    """Writes SHA256SUMS (the format of `sha256sum -c`) over every other file of the folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SUMS_FILE)
    lines = [f"{file_sha256(p)}  {p.relative_to(folder).as_posix()}\n" for p in files]
    (folder / SUMS_FILE).write_text("".join(lines), encoding="utf-8")


def check_sums(folder: Path) -> None:
    """Raises BundleError that names the first file which is missing from the folder or differs from SHA256SUMS."""
    sums = folder / SUMS_FILE
    if not sums.is_file():
        raise BundleError(f"{sums} is missing: the model cannot be checked; download or export it again")
    lines = [line.partition("  ") for line in sums.read_text("utf-8").splitlines()]
    listed = {name: digest for digest, _, name in lines}
    unlisted = [name for name in REQUIRED if name not in listed]
    unlisted += [p.relative_to(folder).as_posix() for p in folder.rglob("*.safetensors")]
    for name in (*listed, *unlisted):
        if not (folder / name).is_file():
            raise BundleError(f"{folder / name} is missing: download or export the model again")
        if name not in listed:
            raise BundleError(f"{folder / name} is not listed in {SUMS_FILE}: download or export the model again")
        if file_sha256(folder / name) != listed[name]:
            raise BundleError(f"{folder / name} is damaged (SHA-256 is not as listed): download or export it again")


def model_hash(folder: Path) -> str:
    """Short name of a model: first 12 hex digits of the SHA-256 of its SHA256SUMS without what is written or drawn about it."""
    lines = (folder / SUMS_FILE).read_text("utf-8").splitlines()
    decisive = [line for line in lines if not line.endswith(".md") and "  pictures/" not in line]
    return hashlib.sha256("\n".join(decisive).encode()).hexdigest()[:12]


# ------------------------------------------------------------------------------------------------ parts


def _parts_record(vocabulary: Vocabulary, video_tokenizer: VideoTokenizer) -> dict[str, Any]:
    return {
        "tokenizer_hash": tokenizer_hash(video_tokenizer),
        "text_size": vocabulary.text_size,
        "codebook_size": vocabulary.codebook_size,
        "vocabulary_size": vocabulary.size,
    }


def read_settings_record(folder: Path) -> dict[str, Any]:
    """generation_config.json as a dict; BundleError if it is unreadable or of another format version."""
    try:
        record = {**YOUNGER, **json.loads((folder / SETTINGS_FILE).read_text("utf-8"))}
        version = record["format_version"]
        missing = (
            [name for name in (*BundleSettings.__dataclass_fields__, *PARTS) if name not in record]
            if version == FORMAT_VERSION
            else []
        )
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise BundleError(f"{folder / SETTINGS_FILE} is not a gpt-video settings file: {error}") from error
    if missing:
        raise BundleError(f"{folder / SETTINGS_FILE} does not say {', '.join(missing)}: export the model again")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{folder} has model format {version}, this program reads format {FORMAT_VERSION}: "
            f"{'update gpt-video' if version > FORMAT_VERSION else 'export the model again'}"
        )
    return record


def _settings(record: Mapping[str, Any]) -> BundleSettings:
    known = {name: record[name] for name in BundleSettings.__dataclass_fields__}
    known["shapes"] = tuple((int(h), int(w)) for h, w in known["shapes"])
    known |= {name: tuple(known[name]) for name in ("latent_frames", "continue_frames")}
    return BundleSettings(**known)


def _check_parts(folder: Path, record: Mapping[str, Any], vocabulary: Vocabulary, gpt: Qwen3ForCausalLM) -> None:
    rows, size, longest = gpt.config.vocab_size, vocabulary.size, gpt.config.max_position_embeddings
    if record["window"] > longest:
        raise BundleError(
            f"{folder / SETTINGS_FILE} has a window of {record['window']}, the GPT one of {longest}: export it again"
        )
    pairs = {
        "text tokenizer's size": (vocabulary.text_size, record["text_size"]),
        "codebook's size": (vocabulary.codebook_size, record["codebook_size"]),
        "number of tokens": (size, record["vocabulary_size"]),
        "GPT's number of tokens": (rows, size),
    }
    if wrong := [f"the {name} is {found:,} instead of {due:,}" for name, (found, due) in pairs.items() if found != due]:
        raise BundleError(f"the parts of {folder} do not belong together: {wrong[0]}; export the model again")


def _save_gpt(gpt: Qwen3ForCausalLM, folder: Path) -> None:
    # A cast parts the head from the embedding table that it is tied to: without this the same matrix is written twice.
    tied = {"lm_head.weight"} if gpt.config.tie_word_embeddings else set()
    state = {name: tensor.to(torch.bfloat16) for name, tensor in gpt.state_dict().items() if name not in tied}
    with _no_progress_bars():  # 15 MB a file: what git hosts and review tools still take without large-file storage
        gpt.save_pretrained(folder, state_dict=state, max_shard_size="15MB")


def _load_gpt(folder: Path, dtype: torch.dtype) -> Qwen3ForCausalLM:
    from gpt_video.pairs import read_gpt

    with _no_progress_bars():
        return read_gpt(folder, dtype)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """transformers draws one for each load and save, however short."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
