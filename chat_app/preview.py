"""frames_THWC uint8 -> pictures and HTML: what is seen while a video is made.

The worker writes pictures as files (`moving_webp`, `still_webp`); in the page they are data URIs, so no address exists
that another visitor could ask for.
"""

import base64
import html
import io

import numpy as np
from PIL import Image

PREVIEW_FRAMES = 33  # the newest frames that the moving picture shows: about one window, so a long film stays cheap
STRIP_SLOTS = 9


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


def moving_picture(frames_THWC: np.ndarray, fps: float) -> str:
    """The newest frames as an endlessly looping animated WebP, as a data URI."""
    return as_uri(moving_webp(frames_THWC, fps))


def still_picture(frame_HWC: np.ndarray) -> str:
    """One frame as a data URI."""
    return as_uri(still_webp(frame_HWC))


def stage_html(picture_uri: str | None, message: str) -> str:
    """The stage: the moving picture, or the message where there is none yet."""
    text = html.escape(message)
    inside = f'<img src="{picture_uri}" alt="{text}">' if picture_uri else f"<p>{text}</p>"
    return f'<div class="gv-stage">{inside}</div>'


def status_html(message: str, share: float | None = None) -> str:
    """The line under the stage, read aloud by screen readers, with a bar where `share` in [0, 1] is given."""
    bar = "" if share is None else f'<div class="gv-bar"><div style="width:{100 * share:.1f}%"></div></div>'
    return f'{bar}<p class="gv-status" role="status">{html.escape(message)}</p>'


class Filmstrip:
    """A row of places for the whole film, filled as its frames arrive."""

    def __init__(self, total: int) -> None:
        """`total`: how many steps the film is made in."""
        n_slots = min(total, STRIP_SLOTS)
        self._step_of_slot = [round(slot * (total - 1) / max(n_slots - 1, 1)) for slot in range(n_slots)]
        self._pictures: dict[int, str] = {}

    def add(self, step: int, frame_HWC: np.ndarray) -> None:
        """Puts a step's last frame in its place, if it has one."""
        if step in self._step_of_slot:
            self._pictures[step] = still_picture(frame_HWC)

    def html(self) -> str:
        """The strip; places that wait for their frame are empty."""
        slots = [self._slot(self._pictures.get(step)) for step in self._step_of_slot]
        return f'<div class="gv-strip" aria-hidden="true">{"".join(slots)}</div>' if len(slots) > 1 else ""

    @staticmethod
    def _slot(picture_uri: str | None) -> str:
        return f'<img src="{picture_uri}" alt="">' if picture_uri else "<span></span>"


def as_uri(webp: bytes) -> str:
    """A WebP picture as a data URI."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")


def _webp(picture: Image.Image, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, "WEBP", quality=85, method=0, **options)
    return data.getvalue()
