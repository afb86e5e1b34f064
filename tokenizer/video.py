"""File <-> frames <-> clip: the only owner of codecs, frame rate, resizing and pixel range.

In: a path to a video or an image. Out: `frames_THWC` (uint8 RGB), and from those `clip_CTHW` (float32 in [-1, 1]) for the networks;
and all the way back to an .mp4 or .gif file, or to an .npz of the frames as they are. What a file may hold beside plain frames
is settled here, once:

- rotation and mirroring (display matrix of a video, EXIF of an image) and non-square pixels are applied;
- variable frame rate: frames are picked by their time stamps, never by counting;
- alpha is composited on black; audio and subtitles are ignored;
- a file that was cut off gives the frames that decode, and an error only where there is none.

PyAV and Pillow are imported inside the functions: the module itself, and .npz, work where only numpy and torch are installed.
"""

from __future__ import annotations

import json
import math
import os
import struct
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

# What we open. Playlists and plain text are left out: they would let a small uploaded file name other files or addresses to read.
CONTAINERS = "mov,matroska,avi,gif,mpegts,mpeg,flv,ogg,asf,h264,hevc,apng,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe"
MEMORY_LIMIT = 1024**3  # bytes of decoded frames that one call may keep
COLOUR_BT709, RANGE_LIMITED = 1, 1  # the numbers that H.264 and FFmpeg give to these tags
CLOCK_TOLERANCE = 1e-6  # seconds: rounding of time stamps as floats


class VideoError(ValueError):
    """A file that cannot be read or written, with one sentence that says why and what to do."""


def read_video(
    path: str | os.PathLike,
    *,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
) -> tuple[np.ndarray, float]:
    """Return `frames_THWC` (uint8 RGB) and their frame rate.

    fps: resample to this rate by time stamps (see `resample`); without it, every stored frame and the mean rate of the file.
    size: (height, width): each frame is fitted while decoding (see `fit`).
    max_frames: stop after so many frames; no more than these are ever held in memory.
    Raises VideoError.
    """
    height, width = size or (None, None)
    _check_positive(fps=fps, height=height, width=width, max_frames=max_frames)
    if Path(path).suffix.lower() == ".npz":
        return _read_npz(path, fps, size, max_frames)
    with _opened(path) as (container, stream):
        rate = float(stream.average_rate or stream.guessed_rate or 0) or 1.0
        timed = _timed(_decoded(container, stream), rate)
        if fps is not None:
            # A container rounds time stamps to its tick (Matroska 1 ms, gif 10 ms): half a tick late is still on time.
            timed = _shown(timed, fps, tolerance=float(stream.time_base) / 2 + CLOCK_TOLERANCE)
        starts: list[float] = []
        frames: list[np.ndarray] = []
        latest = None
        for start, _, decoded in timed:
            if decoded is not latest:  # a frame that is held for several ticks is converted once
                if latest is None:
                    matrix = _display_matrix(decoded)
                frame_HWC = _upright(_to_rgb(decoded, stream.sample_aspect_ratio, size), matrix)
                height, width = size or (frames[0] if frames else frame_HWC).shape[:2]  # it may change in mid-stream
                frame_HWC, latest = fit(frame_HWC[None], height, width)[0], decoded
            starts.append(start)
            frames.append(frame_HWC)
            if len(frames) == max_frames:
                break
            if len(frames) * frame_HWC.nbytes > MEMORY_LIMIT:
                raise VideoError(f"{path} is too long to read at {width}x{height}: give a smaller size, or max_frames.")
    if not frames:
        raise VideoError(f"{path} holds no frame that can be decoded: it is empty, cut off or damaged.")
    if len(starts) > 1 and starts[-1] > 0:
        measured = (len(starts) - 1) / starts[-1]
        rate = rate if math.isclose(rate, measured, rel_tol=0.01) else measured
    return np.stack(frames), float(fps or rate)


def read_image(path: str | os.PathLike, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return `frame_HWC` (uint8 RGB) of a png, jpeg, webp, gif...; size is (height, width) as in `read_video`.

    EXIF orientation applied, alpha composited on black, grey (8 or 16 bits) as RGB, of an animation the first picture.
    Raises VideoError.
    """
    from PIL import Image, ImageOps

    _check_file(path)
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16-bit grey: Pillow would clip it to white
                frame_HWC = np.repeat((np.asarray(image) / 257.0).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
            else:
                frame_HWC = _on_black(np.asarray(image.convert("RGBA")))
    except Exception as error:  # Pillow's decoders raise errors of many types on a damaged file
        raise VideoError(
            f"{path} is not an image that can be read ({error}): give a png, jpeg or webp file."
        ) from error
    return fit(frame_HWC[None], *size)[0] if size else frame_HWC


def write_video(
    path: str | os.PathLike,
    frames_THWC: np.ndarray,
    fps: float,
    *,
    metadata: dict[str, str] | None = None,
    crf: int = 12,
) -> None:
    """Write uint8 RGB frames as .mp4 (H.264, yuv420p, BT.709, faststart), .gif (looping) or .npz, by the suffix of `path`.

    H.264 in yuv420p needs even sizes: an odd height or width grows by one, a copy of the last row or column.
    An .npz holds the arrays `frames` and `fps` as they are, and no metadata; it needs no PyAV.
    metadata: kept in the file's comment tag, see `read_metadata`. crf: quality of H.264, 0 (best) to 51.
    The file appears under its name when it is complete, and not before. Raises VideoError.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    highest_fps = {".mp4": 240, ".gif": 50, ".npz": 240}.get(suffix)  # browsers slow faster gifs down
    if highest_fps is None:
        raise VideoError(f"Cannot write {path}: the name must end in .mp4, .gif or .npz.")
    if frames_THWC.dtype != np.uint8 or frames_THWC.ndim != 4 or frames_THWC.shape[3] != 3 or 0 in frames_THWC.shape:
        raise VideoError(
            f"Cannot write {path}: frames must be uint8 of shape (T, H, W, 3), not {frames_THWC.dtype} of {frames_THWC.shape}."
        )
    if not 0.1 <= fps <= highest_fps:
        raise VideoError(f"Cannot write {path} at {fps} frames a second: give a rate from 0.1 to {highest_fps}.")
    comment = json.dumps(metadata) if metadata else ""
    draft = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        if suffix == ".mp4":
            _write_mp4(draft, frames_THWC, fps, comment, crf)
        elif suffix == ".npz":
            with draft.open("wb") as file:
                np.savez_compressed(file, frames=frames_THWC, fps=fps)
        else:
            _write_gif(draft, frames_THWC, fps, comment)
        os.replace(draft, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise VideoError(
            f"Cannot write {path} ({reason}): check the folder, its permissions and the free space."
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """Return the `metadata` that `write_video` stored in a file; empty for a file of other origin. Raises VideoError."""
    if Path(path).suffix.lower() == ".gif":
        from PIL import Image

        _check_file(path)
        try:
            with Image.open(path) as image:
                comment = image.info.get("comment", b"").decode("utf-8", errors="replace")
        except (OSError, Image.DecompressionBombError) as error:
            raise VideoError(f"{path} is not a gif that can be read ({error}).") from error
    else:
        with _opened(path) as (container, _):
            comment = container.metadata.get("comment", "")
    try:
        metadata = json.loads(comment)
    except (ValueError, RecursionError):  # not ours
        return {}
    return metadata if isinstance(metadata, dict) else {}


def resample(frames_THWC: np.ndarray, times: np.ndarray, fps: float) -> np.ndarray:
    """Return the frames on screen at 0, 1/fps, 2/fps... seconds: at each moment the last one that has begun.

    times: the second at which each frame begins, never decreasing; the first counts as 0. The last frame lasts as long as the
    frames do on average, and nothing is shown after its end. Raises ValueError.
    """
    _check_positive(fps=fps)
    times = np.asarray(times, dtype=np.float64)
    if len(times) != len(frames_THWC) or len(times) == 0 or np.any(np.diff(times) < 0):
        raise ValueError(f"{len(frames_THWC)} frames came with {len(times)} times: give one for each, in rising order.")
    timed = ((float(start), 0.0, index) for index, start in enumerate(times - times[0]))
    return frames_THWC[[index for _, _, index in _shown(timed, fps, CLOCK_TOLERANCE)]]


def fit(frames_THWC: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return frames of height x width: the short side fills it, the centre is kept, resizing is bicubic and antialiased."""
    _check_positive(height=height, width=width)
    _, old_height, old_width, _ = frames_THWC.shape
    scale = max(height / old_height, width / old_width)
    # Cropped before it is resized: a strip of 1 x 60,000 pixels would not survive the other order.
    kept_height = min(old_height, max(1, round(height / scale)))
    kept_width = min(old_width, max(1, round(width / scale)))
    top, left = (old_height - kept_height) // 2, (old_width - kept_width) // 2
    return _scale(frames_THWC[:, top : top + kept_height, left : left + kept_width], height, width)


def nearest_shape(height: int, width: int, shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the (height, width) of `shapes` whose aspect ratio is nearest on a log scale; the first of equals."""
    _check_positive(height=height, width=width)
    if not shapes:
        raise ValueError("No shapes to choose from: give at least one (height, width).")
    return min(shapes, key=lambda shape: abs(math.log(height / width) - math.log(shape[0] / shape[1])))


def frames_to_clip(frames_THWC: np.ndarray) -> torch.Tensor:
    """Return `clip_CTHW`, float32 in [-1, 1], of uint8 RGB frames."""
    frames = torch.from_numpy(np.ascontiguousarray(frames_THWC))
    return frames.permute(3, 0, 1, 2).float().div_(127.5).sub_(1).contiguous()


def clip_to_frames(clip_CTHW: torch.Tensor) -> np.ndarray:
    """Return `frames_THWC` (uint8 RGB) of a clip in [-1, 1]: values outside are clamped, the rest is rounded to the nearest."""
    levels = clip_CTHW.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(1, 2, 3, 0).contiguous().cpu().numpy()


def _check_positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise VideoError(f"{name} is {value}, but it must be a number above 0.")


def _check_file(path: str | os.PathLike) -> None:
    if not os.path.isfile(path):
        raise VideoError(f"{path} is a folder, not a file." if os.path.isdir(path) else f"There is no file {path}.")


def data_set_suffix() -> str:
    """The kind of file that a data set is written as on this machine: .mp4, or .npz (eight times as large) without PyAV."""
    try:
        _pyav()
    except VideoError:
        return ".npz"
    return ".mp4"


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise VideoError("Reading and writing video needs PyAV, which is not installed: pip install av.") from error
    return av


def _read_npz(
    path: str | os.PathLike, fps: float | None, size: tuple[int, int] | None, max_frames: int | None
) -> tuple[np.ndarray, float]:
    """`read_video` of an .npz by `write_video`. Frames are unpacked one by one, and no more than are asked for."""
    _check_file(path)
    try:
        with zipfile.ZipFile(path) as archive, archive.open("frames.npy") as file:
            rate = float(np.lib.format.read_array(archive.open("fps.npy")))
            np.lib.format.read_magic(file)
            (count, *shape), by_column, dtype = np.lib.format.read_array_header_1_0(file)
            if dtype != np.uint8 or shape[2:] != [3] or 0 in (count, *shape) or by_column or not 0.1 <= rate <= 240:
                raise ValueError(f"its frames are {dtype} of {(count, *shape)}, at {rate} a second")
            most = min(max_frames or math.inf, count * max(1.0, (fps or rate) / rate))
            if most * math.prod(shape) > MEMORY_LIMIT:
                raise ValueError(f"{most:.0f} frames of {shape[1]}x{shape[0]} are too many: give a smaller max_frames")
            frames = (np.frombuffer(file.read(math.prod(shape)), np.uint8).reshape(shape) for _ in range(count))
            timed = ((index / rate, 1 / rate, frame_HWC) for index, frame_HWC in enumerate(frames))
            shown = timed if fps is None else _shown(timed, fps, CLOCK_TOLERANCE)
            frames_THWC = np.stack([frame_HWC for _, _, frame_HWC in islice(shown, max_frames)])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise VideoError(f"{path} is not a video that can be read, or it was cut off ({error}).") from error
    return fit(frames_THWC, *(size or shape[:2])), float(fps or rate)


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[tuple[Any, Any]]:
    """Open a video file; give the container and its video stream."""
    av = _pyav()
    _check_file(path)
    # An absolute path, because FFmpeg would read "name:rest" as an address.
    source, options = os.path.abspath(path), {"format_whitelist": CONTAINERS}
    try:
        with av.open(source, metadata_errors="replace", options=options) as container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise VideoError(
                    f"{path} holds no video that can be decoded: only sound or other data, or it was cut off."
                )
            stream.thread_type = "AUTO"
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError(f"{path} is not a video that can be read, or it was cut off ({error.strerror}).") from error


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    try:
        yield from container.decode(stream)
    except _pyav().FFmpegError:
        return  # the rest is cut off or damaged: what came before it is still good


def _timed(decoded: Iterable[Any], rate: float) -> Iterator[tuple[float, float, Any]]:
    """Give (start, length, frame) in seconds from the first frame; length is 0 where the file does not say it."""
    first: float | None = None
    start = 0.0
    for frame in decoded:
        stamp = frame.time if frame.time is not None else (first or 0.0) + start + (first is not None) / rate
        first = stamp if first is None else first
        start = max(start, stamp - first)  # a clock that runs backwards stands still instead
        yield start, float((frame.duration or 0) * (frame.time_base or 0)), frame


def _shown(
    timed: Iterable[tuple[float, float, Any]], fps: float, tolerance: float
) -> Iterator[tuple[float, float, Any]]:
    """The law of `resample`, holding one frame at a time: give (start, length, frame) for every tick of the new clock."""
    tick, gaps = 0, -1
    start, length, held = 0.0, 0.0, None
    for next_start, next_length, frame in timed:
        while held is not None and tick / fps + tolerance < next_start:
            yield tick / fps, 1 / fps, held
            tick += 1
        start, length, held, gaps = next_start, next_length, frame, gaps + 1
    end = start + (length or (start / gaps if gaps > 0 else 1 / fps))
    while held is not None and (tick == 0 or tick / fps + tolerance < end):
        yield tick / fps, 1 / fps, held
        tick += 1


def _to_rgb(frame: Any, pixel_aspect: Fraction | None, size: tuple[int, int] | None) -> np.ndarray:
    """Return `frame_HWC` with square pixels, on black where the frame is transparent.

    A frame far larger than `size` comes at twice or three times `size`, a box average: full 4K frames would cost time and memory.
    """
    if frame.format.has_palette or any(part.is_alpha for part in frame.format.components):
        frame_HWC = _on_black(frame.reformat(format="rgba", threads=1).to_ndarray())
    else:
        shrink = max(1, min(frame.height, frame.width) // (2 * max(size))) if size else 1
        smaller = {"height": frame.height // shrink, "width": frame.width // shrink, "interpolation": "AREA"}
        frame_HWC = frame.reformat(format="rgb24", threads=1, **(smaller if shrink > 1 else {})).to_ndarray()
    if pixel_aspect and pixel_aspect != 1:
        frame_HWC = _scale(frame_HWC[None], frame_HWC.shape[0], max(1, round(frame_HWC.shape[1] * pixel_aspect)))[0]
    return frame_HWC


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """Return a, b, c, d of the frame's display matrix (ISO 14496-12: x' = ax + cy, y' = bx + dy).

    To be asked once a file: the side data and the frame hold each other, so that every frame asked stays in memory for long.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    return a, b, c, d


def _upright(frame_HWC: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Turn by quarters and mirror, as the display matrix says."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        frame_HWC, a, d = frame_HWC.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(frame_HWC[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _on_black(frame_HWA: np.ndarray) -> np.ndarray:
    levels = frame_HWA[..., :3].astype(np.uint16) * frame_HWA[..., 3:]
    return ((levels + 127) // 255).astype(np.uint8)


def _scale(frames_THWC: np.ndarray, height: int, width: int) -> np.ndarray:
    if frames_THWC.shape[1:3] == (height, width):
        return frames_THWC
    frames = torch.from_numpy(np.ascontiguousarray(frames_THWC)).permute(0, 3, 1, 2)
    scaled = functional.interpolate(frames, (height, width), mode="bicubic", antialias=True)
    return scaled.permute(0, 2, 3, 1).contiguous().numpy()


def _write_mp4(draft: Path, frames_THWC: np.ndarray, fps: float, comment: str, crf: int) -> None:
    av = _pyav()
    from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

    rate = Fraction(fps).limit_denominator(10_000)
    _, height, width, _ = frames_THWC.shape
    even_THWC = np.pad(frames_THWC, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    try:
        with av.open(os.path.abspath(draft), "w", format="mp4", options={"movflags": "faststart"}) as container:
            container.metadata["comment"] = comment
            stream = container.add_stream("libx264", rate=rate)
            stream.height, stream.width = even_THWC.shape[1:3]
            stream.pix_fmt = "yuv420p"
            # Without B frames time starts at 0 with no edit list, and one thread is fastest for clips as small as ours.
            stream.options = {"preset": "veryfast", "crf": str(crf), "bf": "0"}
            context = stream.codec_context
            context.thread_count = 1
            # Untagged, small videos are shown as BT.601 by some players and as BT.709 by others.
            context.colorspace = context.color_primaries = context.color_trc = COLOUR_BT709
            context.color_range = RANGE_LIMITED
            convert = VideoReformatter().reformat
            average = Interpolation.AREA | Interpolation.ACCURATE_RND  # of chroma: the best PSNR of the seven tried
            for index, frame_HWC in enumerate(even_THWC):
                frame = convert(
                    av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), "rgb24"),
                    format="yuv420p",
                    dst_colorspace=Colorspace.ITU709,
                    dst_color_range=ColorRange.MPEG,
                    interpolation=average,
                    threads=1,
                )
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def _write_gif(draft: Path, frames_THWC: np.ndarray, fps: float, comment: str) -> None:
    from PIL import Image

    # One palette for the whole clip, so that still parts do not flicker; learnt from at most 16 frames, stacked.
    sample_THWC = frames_THWC[:: -(-len(frames_THWC) // 16)]
    palette = Image.fromarray(sample_THWC.reshape(-1, *sample_THWC.shape[2:])).quantize(256)
    pictures = [Image.fromarray(frame_HWC).quantize(palette=palette) for frame_HWC in frames_THWC]
    # A gif counts in hundredths: rounding where each frame ends, not how long it lasts, keeps the clock right.
    ends = [round((index + 1) * 100 / fps) * 10 for index in range(len(pictures))]
    lengths = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    pictures[0].save(
        draft,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=lengths,
        loop=0,
        comment=comment.encode(),
    )
