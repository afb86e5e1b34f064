"""frames_THWC uint8 -> WebP pictures: what is seen while a video is made, and its thumbnail."""

import io

import numpy as np
from PIL import Image

PREVIEW_FRAMES = 33  # the newest frames that the moving picture shows: about one window, so a long film stays cheap


def moving_webp(frames_THWC: np.ndarray, fps: float) -> bytes:
    """The newest frames as an endlessly looping animated WebP."""
    pictures = [Image.fromarray(frame_HWC) for frame_HWC in frames_THWC[-PREVIEW_FRAMES:]]
    # kmax=1: whole pictures only, for lossy differences between them leave ghosts.
    return _webp(
        pictures[0], save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0, kmin=0, kmax=1
    )


def still_webp(frame_HWC: np.ndarray) -> bytes:
    """One frame."""
    return _webp(Image.fromarray(frame_HWC))


def _webp(picture: Image.Image, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, "WEBP", quality=85, method=0, **options)
    return data.getvalue()
