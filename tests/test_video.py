"""tokenizer/video.py: the laws first, then what files in the wild hold, then wrong input, then real clips."""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tokenizer import video
from tokenizer.video import (
    VideoError,
    clip_to_frames,
    data_set_suffix,
    fit,
    frames_to_clip,
    nearest_shape,
    read_image,
    read_metadata,
    read_video,
    resample,
    write_video,
)

REAL_CLIPS = Path(__file__).parents[2] / "shared" / "data" / "real_clips"
RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def moving_square(frames: int = 33, height: int = 128, width: int = 128) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    ground_HW3 = np.stack([rows * 200 // height, columns * 200 // width, np.full_like(rows, 90)], axis=-1)
    frames_THWC = np.repeat(ground_HW3.astype(np.uint8)[None], frames, axis=0)
    for index in range(frames):
        left = index * (width - 16) // max(frames, 2)
        frames_THWC[index, height // 2 - 8 : height // 2 + 8, left : left + 16] = RED
    return frames_THWC


def numbered(frames: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Frame i is a flat grey of level 6i: its number survives any codec."""
    return np.ones((frames, height, width, 3), np.uint8) * (6 * np.arange(frames, dtype=np.uint8))[:, None, None, None]


def numbers(frames_THWC: np.ndarray) -> list[int]:
    return [round(float(frame.mean()) / 6) for frame in frames_THWC]


def corners(frame_HWC: np.ndarray) -> list[tuple[int, ...]]:
    """The colours near the four corners, row by row, each channel rounded to 0 or 255."""
    spots = [frame_HWC[y, x] for y in (2, -3) for x in (2, -3)]
    return [tuple(255 * (spot > 127)) for spot in spots]


def corner_frame(height: int = 32, width: int = 64) -> np.ndarray:
    """Red at the top left, blue at the top right, green at the bottom left, black at the bottom right."""
    frame_HWC = np.zeros((height, width, 3), np.uint8)
    frame_HWC[:8, :8], frame_HWC[:8, -8:], frame_HWC[-8:, :8] = RED, BLUE, GREEN
    return frame_HWC


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * math.log10(255**2 / max(1e-9, float(np.mean((a.astype(float) - b.astype(float)) ** 2))))


def encode(
    path, frames, *, codec="libx264", pix_fmt="yuv420p", stamps=None, tick=Fraction(1, 8), source="rgb24", setup=None
):
    """Write a file that write_video would not write; stamps are in ticks."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(1) / tick)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = tick
        if setup:
            setup(stream)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), source).reformat(format=pix_fmt)
            picture.pts, picture.time_base = stamps[index] if stamps else index, tick
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


# Laws ----------------------------------------------------------------------------------------------------------------


def test_every_level_survives_frames_to_clip_to_frames():
    frames_THWC = np.arange(256, dtype=np.uint8).repeat(3).reshape(2, 8, 16, 3)
    clip_CTHW = frames_to_clip(frames_THWC)
    assert clip_CTHW.shape == (3, 2, 8, 16) and clip_CTHW.dtype == torch.float32
    assert (clip_CTHW.min(), clip_CTHW.max()) == (-1, 1)
    np.testing.assert_array_equal(clip_to_frames(clip_CTHW), frames_THWC)


def test_clip_to_frames_clamps_and_rounds_in_any_dtype():
    clip_CTHW = torch.tensor([-7.0, -1, 0, 0.5, 1, 3], dtype=torch.bfloat16).reshape(1, 1, 1, 6).expand(3, 1, 1, 6)
    np.testing.assert_array_equal(clip_to_frames(clip_CTHW)[0, 0, :, 0], [0, 0, 128, 191, 255, 255])


@given(
    gaps=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=12),
    fps=st.sampled_from([1, 8, 12.5, 24, 30]),
    origin=st.floats(-5, 5),
)
def test_resample_shows_the_last_frame_that_has_begun(gaps, fps, origin):
    starts = np.concatenate([[0], np.cumsum(gaps)])
    frames_THWC = np.arange(len(starts), dtype=np.uint8)[:, None, None, None]
    shown = resample(frames_THWC, starts + origin, fps)[:, 0, 0, 0]
    end = starts[-1] + starts[-1] / len(gaps)
    assert (len(shown) - 1) / fps < end <= len(shown) / fps + 1e-5
    for tick, frame in enumerate(shown):
        begun = np.nonzero(starts <= tick / fps + 1e-6)[0]
        near = np.abs(starts - tick / fps).min() < 1e-5  # there rounding may go either way
        assert frame == begun[-1] or near


def test_resample_at_the_same_rate_changes_nothing():
    frames_THWC = numbered(33)
    np.testing.assert_array_equal(resample(frames_THWC, np.arange(33) / 8, 8), frames_THWC)
    assert len(resample(frames_THWC[:1], np.zeros(1), 8)) == 1
    with pytest.raises(ValueError, match="33 frames came with 5 times"):
        resample(frames_THWC, np.arange(5), 8)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(1, 40))
def test_fit_gives_the_size_and_keeps_a_flat_colour(old_height, old_width, height, width):
    fitted = fit(np.full((2, old_height, old_width, 3), (200, 100, 7), np.uint8), height, width)
    assert fitted.shape == (2, height, width, 3) and fitted.dtype == np.uint8
    assert (np.abs(fitted.astype(int) - (200, 100, 7)) <= 1).all()


def test_fit_keeps_the_centre_and_the_whole_short_side():
    wide_THWC = np.zeros((1, 40, 100, 3), np.uint8)
    wide_THWC[:, :, 30:70] = 255
    assert (fit(wide_THWC, 20, 20) > 250).all()
    assert (fit(wide_THWC.transpose(0, 2, 1, 3), 20, 20) > 250).all()
    np.testing.assert_array_equal(fit(wide_THWC, 40, 100), wide_THWC)


def test_fit_is_antialiased_and_does_not_wrap_around():
    checker_HW = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.ptp(fit(np.repeat(checker_HW[None, ..., None], 3, 3), 32, 32)[:, 2:-2, 2:-2].astype(int)) < 20
    edge_THWC = np.zeros((1, 32, 32, 3), np.uint8)
    edge_THWC[:, :, 16:] = 255
    assert (np.diff(fit(edge_THWC, 75, 75)[0, 9, :, 0].astype(int)) >= 0).all()


def test_fit_of_a_long_strip_stays_small():
    assert fit(np.zeros((1, 1, 60_000, 3), np.uint8), 128, 128).shape == (1, 128, 128, 3)


def test_nearest_shape_goes_by_the_logarithm_of_the_aspect_ratio():
    shapes = [(128, 128), (96, 160), (160, 96)]
    assert [nearest_shape(*size, shapes) for size in ((500, 500), (1080, 1920), (1920, 1080), (10, 12), (480, 640))] == [
        (128, 128), (96, 160), (160, 96), (128, 128), (96, 160),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="No shapes"):
        nearest_shape(1, 1, [])


# write_video -> read_video -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames, height, width", [(1, 128, 128), (33, 128, 128), (17, 96, 160), (8, 160, 96)])
def test_mp4_round_trip(tmp_path, frames, height, width):
    frames_THWC = moving_square(frames, height, width)
    write_video(tmp_path / "clip.mp4", frames_THWC, 8)
    for options in ({}, {"fps": 8}, {"fps": 8, "size": (height, width)}):
        read_THWC, fps = read_video(tmp_path / "clip.mp4", **options)
        assert fps == 8 and read_THWC.shape == frames_THWC.shape and psnr(read_THWC, frames_THWC) > 36
    assert os.listdir(tmp_path) == ["clip.mp4"]


@pytest.mark.parametrize("fps", [8, 12.5, 24, 30])
def test_gif_round_trip(tmp_path, fps):
    write_video(tmp_path / "clip.gif", moving_square(33, 32, 64), fps)
    read_THWC, read_fps = read_video(tmp_path / "clip.gif", fps=fps)
    assert read_fps == fps and read_THWC.shape == (33, 32, 64, 3) and psnr(read_THWC, moving_square(33, 32, 64)) > 25
    assert read_video(tmp_path / "clip.gif")[1] == pytest.approx(fps, rel=0.01)
    with Image.open(tmp_path / "clip.gif") as image:
        assert image.info["loop"] == 0
    write_video(tmp_path / "still.gif", moving_square(1, 32, 64), fps)
    assert len(read_video(tmp_path / "still.gif", fps=fps)[0]) == 1


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE, BLACK, (255, 255, 255), (128, 128, 128), (200, 120, 40)])
def test_colours_come_back(tmp_path, colour):
    write_video(tmp_path / "flat.mp4", np.full((5, 64, 64, 3), colour, np.uint8), 8)
    assert np.abs(read_video(tmp_path / "flat.mp4")[0].astype(int) - colour).max() <= 6


@pytest.mark.parametrize("options", [{}, {"fps": 8}, {"fps": 5}, {"fps": 24, "max_frames": 7}, {"size": (20, 30)}])
def test_npz_keeps_every_frame_and_is_read_as_a_video_is(tmp_path, options):
    frames_THWC = np.random.default_rng(0).integers(0, 256, (9, 17, 31, 3), np.uint8)
    write_video(tmp_path / "clip.npz", frames_THWC, 8)
    wanted_THWC = resample(frames_THWC, np.arange(9) / 8, options.get("fps", 8))[: options.get("max_frames")]
    read_THWC, fps = read_video(tmp_path / "clip.npz", **options)
    np.testing.assert_array_equal(read_THWC, fit(wanted_THWC, *options.get("size", (17, 31))))
    assert fps == options.get("fps", 8)


def test_mp4_is_tagged_bt709_limited_range_and_starts_fast(tmp_path):
    write_video(tmp_path / "clip.mp4", moving_square(5), 8)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert b"colrnclx" + struct.pack(">3H", 1, 1, 1) in data  # browsers look here, not into the H.264 stream
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("matrix, colour", [("ITU601", 5), ("ITU709", 1)])
def test_the_colour_matrix_of_a_file_is_obeyed(tmp_path, matrix, colour):
    frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), RED, np.uint8), "rgb24")
    planes = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG")

    def tag(stream):
        stream.height = stream.width = 64  # planar arrays are taller than the picture
        stream.codec_context.colorspace, stream.codec_context.color_range = colour, 1

    encode(tmp_path / "a.mp4", [planes.to_ndarray()] * 3, source="yuv420p", setup=tag)
    assert np.abs(read_video(tmp_path / "a.mp4")[0].astype(int) - RED).max() <= 6


@pytest.mark.parametrize("height, width", [(33, 17), (32, 17), (33, 16), (1, 1)])
def test_odd_sizes_are_padded_with_their_edge_in_mp4_and_kept_in_gif(tmp_path, height, width):
    frames_THWC = numbered(5, height, width)
    write_video(tmp_path / "odd.mp4", frames_THWC, 8)
    read_THWC, _ = read_video(tmp_path / "odd.mp4")
    assert read_THWC.shape == (5, height + height % 2, width + width % 2, 3)
    assert numbers(read_THWC) == numbers(read_THWC[:, -1:, -1:]) == [0, 1, 2, 3, 4]
    write_video(tmp_path / "odd.gif", frames_THWC, 8)
    assert read_video(tmp_path / "odd.gif")[0].shape == frames_THWC.shape


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_metadata_round_trip(tmp_path, suffix):
    metadata = {"prompt": "Une balle rouge à l'été, 日本 😀 <|new|>\n" * 900, "seed": "7", "": ""}
    write_video(tmp_path / f"clip{suffix}", numbered(3), 8, metadata=metadata)
    assert read_metadata(tmp_path / f"clip{suffix}") == metadata
    write_video(tmp_path / f"bare{suffix}", numbered(3), 8)
    assert read_metadata(tmp_path / f"bare{suffix}") == {}


def test_metadata_of_other_origin_is_empty(tmp_path):
    for name, comment in (("text", "holiday 2019"), ("number", "7"), ("deep", "[" * 100_000)):
        with av.open(str(tmp_path / f"{name}.mp4"), "w") as container:
            container.metadata["comment"] = comment
            stream = container.add_stream("libx264", rate=8)
            stream.width = stream.height = 16
            container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            container.mux(stream.encode(None))
        assert read_metadata(tmp_path / f"{name}.mp4") == {}


# What files in the wild hold -----------------------------------------------------------------------------------------


def test_variable_frame_rate_is_read_by_time_stamps(tmp_path):
    stamps = [0, 40, 80, 500, 1000, 1010, 1900, 1933]  # milliseconds
    path = encode(tmp_path / "vfr.mkv", numbered(8), stamps=stamps, tick=Fraction(1, 1000))
    frames_THWC, fps = read_video(path, fps=8)
    law = numbers(resample(numbered(8), np.array(stamps) / 1000, 8))
    assert fps == 8 and numbers(frames_THWC) == law[:16]  # this file says that its last frame lasts 1 ms
    every_THWC, mean_fps = read_video(path)
    assert numbers(every_THWC) == list(range(8)) and mean_fps == pytest.approx(7 / 1.933)


def test_matroska_milliseconds_lose_no_frame_at_24_fps(tmp_path):
    path = encode(tmp_path / "film.mkv", numbered(24), tick=Fraction(1, 24))
    assert numbers(read_video(path, fps=24)[0]) == list(range(24))
    assert numbers(read_video(path, fps=8)[0]) == list(range(0, 24, 3))
    assert numbers(read_video(path, fps=48)[0]) == [number for number in range(24) for _ in range(2)]


def test_time_starts_at_the_first_frame(tmp_path):
    path = encode(tmp_path / "late.mkv", numbered(5), stamps=[80, 81, 82, 83, 84])
    assert numbers(read_video(path, fps=8)[0]) == list(range(5))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_rotation_metadata_turns_the_picture(tmp_path, turns, mirrored):
    def rotate(stream):
        stream.set_display_rotation(90 * turns, hflip=mirrored)

    path = encode(tmp_path / "phone.mp4", [corner_frame()] * 3, setup=rotate)
    seen_HWC = np.rot90(corner_frame(), turns)
    seen_HWC = seen_HWC[:, ::-1] if mirrored else seen_HWC
    frames_THWC, _ = read_video(path)
    assert frames_THWC.shape == (3, *seen_HWC.shape) and corners(frames_THWC[0]) == corners(seen_HWC)
    assert corners(read_video(path, size=seen_HWC.shape[:2])[0][-1]) == corners(seen_HWC)


def test_the_display_matrix_is_asked_for_once_a_file(tmp_path, monkeypatch):
    """A frame whose side data was asked for is kept alive by a reference cycle: 4K frames filled the memory."""
    asked = []

    def count(frame):
        asked.append(frame)
        return 1, 0, 0, 1

    monkeypatch.setattr(video, "_display_matrix", count)
    write_video(tmp_path / "clip.mp4", numbered(9), 8)
    read_video(tmp_path / "clip.mp4")
    assert len(asked) == 1


def test_pixels_that_are_not_square_become_square(tmp_path):
    def wide_pixels(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    path = encode(tmp_path / "anamorphic.mp4", [corner_frame(32, 32)] * 3, setup=wide_pixels)
    frames_THWC, _ = read_video(path)
    assert frames_THWC.shape == (3, 32, 64, 3) and corners(frames_THWC[0]) == corners(corner_frame())


@pytest.mark.parametrize("suffix, codec", [(".mov", "qtrle"), (".mov", "png"), (".apng", "apng")])
def test_alpha_of_a_video_is_composited_on_black(tmp_path, suffix, codec):
    frame_HWA = np.full((16, 24, 4), (200, 100, 50, 255), np.uint8)
    frame_HWA[:, 8:16, 3], frame_HWA[:, 16:, 3] = 128, 0
    path = encode(
        tmp_path / f"alpha{suffix}",
        [frame_HWA] * 3,
        codec=codec,
        pix_fmt="argb" if codec == "qtrle" else "rgba",
        source="rgba",
    )
    frame_HWC = read_video(path)[0][1]
    np.testing.assert_array_equal(frame_HWC[5, [2, 12, 20]], [(200, 100, 50), (100, 50, 25), (0, 0, 0)])


def test_transparent_gif_and_image_are_composited_on_black(tmp_path):
    frame_HWA = np.full((16, 16, 4), (255, 0, 0, 255), np.uint8)
    frame_HWA[:, 8:] = (0, 255, 0, 0)
    for name in ("alpha.gif", "alpha.png", "alpha.webp"):
        Image.fromarray(frame_HWA).save(tmp_path / name)
        frame_HWC = read_image(tmp_path / name)
        assert frame_HWC.shape == (16, 16, 3) and frame_HWC[4, 2, 0] > 240 and frame_HWC[4, 12].max() < 10
    np.testing.assert_array_equal(read_video(tmp_path / "alpha.gif")[0][0], read_image(tmp_path / "alpha.gif"))


def with_sound(path: Path, picture: bool) -> Path:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        stream = container.add_stream("libx264", rate=8) if picture else None
        if stream:
            stream.width = stream.height = 32
            for frame_HWC in numbered(8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame_HWC, "rgb24")))
            container.mux(stream.encode(None))
        noise = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        noise.sample_rate = 48000
        container.mux(sound.encode(noise))
        container.mux(sound.encode(None))
    return path


def test_sound_is_ignored(tmp_path):
    assert numbers(read_video(with_sound(tmp_path / "sound.mp4", picture=True), fps=8)[0]) == list(range(8))
    with pytest.raises(VideoError, match="holds no video"):
        read_video(with_sound(tmp_path / "only.mp4", picture=False))


@pytest.mark.parametrize(
    "suffix, codec, pix_fmt",
    [(".avi", "mpeg4", "yuv420p"), (".webm", "libvpx-vp9", "yuv420p"), (".ts", "libx264", "yuv420p"),
     (".flv", "libx264", "yuv420p"), (".mkv", "ffv1", "yuv444p10le"), (".mov", "mjpeg", "yuvj420p")],
)  # fmt: skip
def test_other_containers_and_pixel_formats(tmp_path, suffix, codec, pix_fmt):
    path = encode(tmp_path / f"clip{suffix}", numbered(9), codec=codec, pix_fmt=pix_fmt)
    assert numbers(read_video(path, fps=8)[0]) == list(range(9))


def test_a_size_that_changes_in_mid_stream_stays_that_of_the_first_frame(tmp_path):
    for part, height in (("a.ts", 32), ("b.ts", 64)):
        encode(tmp_path / part, numbered(4, height, 2 * height))
    (tmp_path / "both.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    assert read_video(tmp_path / "both.ts")[0].shape == (8, 32, 64, 3)


def test_odd_size_is_read_exactly(tmp_path):
    frames_THWC = moving_square(3, 33, 47)
    path = encode(tmp_path / "odd.mov", frames_THWC, codec="png", pix_fmt="rgb24")
    np.testing.assert_array_equal(read_video(path)[0], frames_THWC)


def test_large_frames_shrink_while_decoding_and_look_the_same(tmp_path):
    large_THWC = fit(moving_square(2), 1024, 1024)
    path = encode(tmp_path / "large.mkv", large_THWC, codec="ffv1")
    small_THWC, _ = read_video(path, size=(96, 160))
    assert psnr(small_THWC, fit(large_THWC, 96, 160)) > 30


def test_max_frames_stops_and_a_flood_of_frames_is_refused(tmp_path, monkeypatch):
    write_video(tmp_path / "clip.mp4", numbered(33), 8)
    assert numbers(read_video(tmp_path / "clip.mp4", max_frames=5)[0]) == list(range(5))
    assert numbers(read_video(tmp_path / "clip.mp4", fps=4, max_frames=3)[0]) == [0, 2, 4]
    monkeypatch.setattr(video, "MEMORY_LIMIT", 10 * 32 * 32 * 3)
    assert len(read_video(tmp_path / "clip.mp4", max_frames=10)[0]) == 10
    with pytest.raises(VideoError, match="too long to read at 32x32"):
        read_video(tmp_path / "clip.mp4")


def test_a_leap_of_the_clock_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MEMORY_LIMIT", 100 * 32 * 32 * 3)
    path = encode(tmp_path / "leap.mkv", numbered(3), stamps=[0, 1, 8_000_000])
    with pytest.raises(VideoError, match="too long"):
        read_video(path, fps=8)


@pytest.mark.parametrize("name", ["take:1.mp4", "a%03d.mp4", "été à 2.mp4", "pipe:0.mp4", "x" * 240 + ".mp4"])
def test_odd_names(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(name, numbered(3), 8, metadata={"a": "b"})
    assert len(read_video(name)[0]) == 3 and read_metadata(name) == {"a": "b"} and os.listdir() == [name]


# Images --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(corner_frame()).save(tmp_path / "photo.jpg", exif=exif, quality=95, subsampling=0)
    upright_HWC = corner_frame().transpose(1, 0, 2) if orientation >= 5 else corner_frame()
    flips = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}[
        orientation
    ]
    seen_HWC = upright_HWC[:: flips[0], :: flips[1]]
    frame_HWC = read_image(tmp_path / "photo.jpg")
    assert frame_HWC.shape == seen_HWC.shape and corners(frame_HWC) == corners(seen_HWC)


def test_grey_palette_and_other_modes(tmp_path):
    ramp_HW = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    Image.fromarray(ramp_HW).save(tmp_path / "8.png")
    Image.fromarray(ramp_HW.astype(np.uint16) * 257).save(tmp_path / "16.png")
    for name in ("8.png", "16.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name), np.repeat(ramp_HW[..., None], 3, 2))
    for mode, name in (("P", "p.png"), ("1", "1.png"), ("LA", "la.png"), ("CMYK", "c.jpg"), ("RGB", "c.webp")):
        Image.new("RGB", (20, 10), "white").convert(mode).save(tmp_path / name)
        frame_HWC = read_image(tmp_path / name, size=(16, 16))
        assert frame_HWC.shape == (16, 16, 3) and frame_HWC.dtype == np.uint8 and frame_HWC.min() > 250


# Wrong input: one sentence, nothing left behind ----------------------------------------------------------------------


def one_sentence(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text and text.endswith((".", "av.")) and ".partial" not in text
    return text


def test_files_that_are_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("this is a text\n" * 500)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    for name in ("text.mp4", "empty.mp4", "noise.mp4"):
        for read in (read_video, read_metadata, read_image):
            with pytest.raises(VideoError, match=name) as error:
                read(tmp_path / name)
            one_sentence(error)
    (tmp_path / "text.gif").write_text("GIF89a")
    with pytest.raises(VideoError, match="not a gif"):
        read_metadata(tmp_path / "text.gif")


def test_missing_file_and_folder(tmp_path):
    for read in (read_video, read_image, read_metadata):
        with pytest.raises(VideoError, match="There is no file"):
            read(tmp_path / "none.mp4")
        with pytest.raises(VideoError, match="is a folder"):
            read(tmp_path)


def test_a_playlist_cannot_reach_other_files(tmp_path):
    encode(tmp_path / "secret.ts", numbered(9))
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"
    concat = "ffconcat version 1.0\nfile secret.ts\n"
    for name, text in (("list.m3u8", playlist), ("list.mp4", playlist), ("concat.mp4", concat)):
        (tmp_path / name).write_text(text)
        with pytest.raises(VideoError, match="not a video"):
            read_video(tmp_path / name)


@pytest.mark.parametrize("lost", [800, 5000])
def test_truncated_mp4_without_index_is_an_error(tmp_path, lost):
    encode(tmp_path / "whole.mp4", moving_square())
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:-lost])  # moov lies at the end
    with pytest.raises(VideoError, match="cut off"):
        read_video(tmp_path / "cut.mp4")


def test_truncated_files_give_the_frames_that_decode(tmp_path):
    write_video(tmp_path / "whole.mp4", moving_square(), 8)
    encode(tmp_path / "whole.mkv", moving_square())
    write_video(tmp_path / "whole.gif", moving_square(), 8)
    for name in ("whole.mkv", "whole.mp4", "whole.gif"):
        data = (tmp_path / name).read_bytes()
        path = tmp_path / name.replace("whole", "cut")
        path.write_bytes(data[: len(data) * 2 // 3])
        frames_THWC, _ = read_video(path, fps=8)
        assert 1 <= len(frames_THWC) < 33
        assert psnr(frames_THWC[:-1], moving_square()[: len(frames_THWC) - 1]) > 25


def test_a_video_without_frames(tmp_path):
    for name in ("none.mkv", "none.mp4"):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=8)
            stream.width = stream.height = 32
            stream.pix_fmt = "yuv420p"
            container.start_encoding()
        with pytest.raises(VideoError, match=name) as error:
            read_video(tmp_path / name)
        one_sentence(error)


def test_an_npz_that_holds_no_frames_or_is_damaged(tmp_path):
    path, good = tmp_path / "clip.npz", numbered(3)
    write_video(path, moving_square(9), 8)
    whole = path.read_bytes()
    broken = [b"", b"not an archive", whole[: len(whole) // 2], whole[:500] + bytes(20) + whole[520:]]
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(VideoError, match=r"clip\.npz is not a video that can be read, or it was cut off") as error:
            read_video(path)
        one_sentence(error)
    by_column = np.asfortranarray(good)
    for frames, fps in [(good[0], 8), (good[:0], 8), (good / 255, 8), (by_column, 8), (good, 0), (good, math.nan)]:
        np.savez(path, frames=frames, fps=fps)
        with pytest.raises(VideoError, match="not a video that can be read"):
            read_video(path)
    for arrays in ({"masks": good}, {"frames": good}, {"frames": np.array([good, None], dtype=object), "fps": 8}):
        np.savez(path, **arrays)
        with pytest.raises(VideoError, match="not a video that can be read"):
            read_video(path)


def test_a_small_npz_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MEMORY_LIMIT", 4 * 32 * 32 * 3)
    write_video(tmp_path / "clip.npz", numbered(5), 1)
    for options in ({}, {"fps": 0.9}, {"max_frames": 5}, {"fps": 8, "max_frames": 6}):
        with pytest.raises(VideoError, match=r"frames of 32x32 are too many"):
            read_video(tmp_path / "clip.npz", **options)
    assert len(read_video(tmp_path / "clip.npz", max_frames=4)[0]) == 4


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": math.nan}, {"fps": -8}, {"max_frames": 0}, {"size": (0, 0)}])
def test_wrong_options_of_reading(tmp_path, options):
    write_video(tmp_path / "clip.mp4", numbered(3), 8)
    with pytest.raises(VideoError, match="above 0"):
        read_video(tmp_path / "clip.mp4", **options)


@pytest.mark.parametrize(
    "frames_THWC, fps, name, message",
    [
        (numbered(3), 8, "clip.avi", "must end in"),
        (numbered(3), 8, "clip", "must end in"),
        (numbered(3)[:0], 8, "clip.mp4", r"not uint8 of \(0, 32, 32, 3\)"),
        (numbered(3).astype(np.float32), 8, "clip.mp4", "not float32"),
        (numbered(3)[..., :1], 8, "clip.gif", "must be uint8"),
        (numbered(3)[0], 8, "clip.mp4", "must be uint8"),
        (numbered(3), 0, "clip.mp4", "rate from"),
        (numbered(3), math.nan, "clip.gif", "rate from"),
        (numbered(3), 60, "clip.gif", "0.1 to 50"),
        (numbered(3), 8, "no/folder/clip.npz", "No such file or directory"),
        (numbered(3), 8, "no/folder/clip.mp4", "No such file or directory"),
        (numbered(3), 8, "no/folder/clip.gif", "No such file or directory"),
        (numbered(3), 8, "file/clip.mp4", "Not a directory"),
        (numbered(3), 8, "taken.mp4", "Is a directory"),
    ],
)
def test_wrong_input_of_writing(tmp_path, frames_THWC, fps, name, message):
    (tmp_path / "file").touch()
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(VideoError, match=message) as error:
        write_video(tmp_path / name, frames_THWC, fps)
    one_sentence(error)
    assert sorted(os.listdir(tmp_path)) == ["file", "taken.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".npz"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, PermissionError(13, "Permission denied")])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, suffix, interruption):
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(b"old")

    def interrupt(*args):
        raise interruption

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises((VideoError, KeyboardInterrupt), match=r"^$|Permission denied"):
        write_video(path, numbered(3), 8)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"old"


def test_without_pyav_the_rest_still_works(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match="needs PyAV"):
        write_video(tmp_path / "clip.mp4", numbered(3), 8)
    write_video(tmp_path / "clip.gif", numbered(3), 8)
    assert read_image(tmp_path / "clip.gif").shape == (32, 32, 3)
    assert data_set_suffix() == ".npz"
    write_video(tmp_path / "clip.npz", numbered(3), 8)
    assert numbers(read_video(tmp_path / "clip.npz")[0]) == [0, 1, 2]


# Real clips ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the folder of real clips is not here")
def test_real_clips_are_read_at_8_fps():
    lines = [json.loads(line) for line in (REAL_CLIPS / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 18
    for line in lines:
        frames_THWC, fps = read_video(REAL_CLIPS / line["file_name"], fps=8, size=(128, 128))
        with av.open(str(REAL_CLIPS / line["file_name"])) as container:
            seconds = (container.duration or 0) / av.time_base
        assert fps == 8 and frames_THWC.shape[1:] == (128, 128, 3)
        assert abs(len(frames_THWC) - 8 * seconds) <= 1.5, (line["file_name"], len(frames_THWC), seconds)
        assert frames_THWC.std() > 10 and np.abs(np.diff(frames_THWC.astype(int), axis=0)).max() > 10
