"""The building blocks of things and places: low-poly parts, and the few meshes that MuJoCo has no primitive for.

Enters: sizes and end points in the thing's own frame (x forward, y to its left, z up). Leaves: `Part`s, whose colour is
still a tone ("main" is the named colour of the subject), and `joint`s that a motion's phase bends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

RGB = tuple[float, float, float]
IDENTITY = np.eye(3)

_ROUND = [(np.cos(a), np.sin(a)) for a in np.linspace(0, 2 * np.pi, 20, endpoint=False)]
_GOLDEN = np.pi * (3 - np.sqrt(5))
_SPIRAL = [(1 - 2 * (i + 0.5) / 160, i * _GOLDEN) for i in range(160)]  # points spread evenly over a sphere

# Corners of convex meshes that span [-1, 1] on each axis; MuJoCo builds the hulls. The last axis is up. "orb" and "drum"
# are the ellipsoid and cylinder of large parts: the primitives are kept coarse, as drawing time is their triangles.
MESHES: dict[str, np.ndarray] = {
    "orb": np.array([(np.sqrt(1 - z * z) * np.cos(a), np.sqrt(1 - z * z) * np.sin(a), z) for z, a in _SPIRAL]),
    "drum": np.array([(x, y, z) for z in (-1, 1) for x, y in _ROUND]),
    "cone": np.array([(x, y, -1) for x, y in _ROUND] + [(0, 0, 1)]),
    "frustum": np.array([(x, y, -1) for x, y in _ROUND] + [(0.42 * x, 0.42 * y, 1) for x, y in _ROUND]),
    "sail": np.array([(x, y, z) for y in (-1, 1) for x, z in ((-1, -1), (1, -1), (-1, 1))]),
    "hull": np.array(
        [(x, y, 1) for x, y in ((-1, -0.75), (-1, 0.75), (0.35, 1), (0.35, -1), (1, 0))]
        + [(x, y, -1) for x, y in ((-0.75, -0.5), (-0.75, 0.5), (0.3, 0.6), (0.3, -0.6), (0.6, 0))]
    ),
}


def _ring(inside: float, around: int = 18, across: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Corners and triangles of a ring about the z axis of radius 1; `inside`: the radius of its tube."""
    a, b = np.meshgrid(*(np.linspace(0, 2 * np.pi, n, endpoint=False) for n in (around, across)), indexing="ij")
    out = 1 - inside + inside * np.cos(b)
    corners = np.stack([out * np.cos(a), out * np.sin(a), inside * np.sin(b)], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    at = lambda di, dj: ((i + di) % around * across + (j + dj) % across).ravel()  # noqa: E731
    return corners, np.concatenate(
        [np.stack([at(0, 0), at(1, 0), at(1, 1)], 1), np.stack([at(0, 0), at(1, 1), at(0, 1)], 1)]
    )


# Those that are not convex, with their triangles. They come after the others, whose numbers stay as they were.
MESHES["ring"], _RING_FACES = _ring(0.13)
MESHES["gable"] = np.array([(x, y, -1) for x in (-1, 1) for y in (-1, 1)] + [(x, 0, 1) for x in (-1, 1)], float)
FACES = {"ring": _RING_FACES}

COARSE = {"orb": "ellipsoid", "drum": "cylinder"}
LARGE = 0.17  # half extent from which a round part is drawn finely


@dataclass(frozen=True)
class Joint:
    """How a part moves about `pivot`: swinging by lift + amplitude * sin(phase + offset), or rolling by the whole phase."""

    pivot: tuple[float, float, float]
    axis: tuple[float, float, float] = (0, 1, 0)
    amplitude: float = 0.5
    offset: float = 0.0
    roll: bool = False
    lift: float = 0.0


@dataclass(frozen=True)
class Part:
    """One primitive: shape is "ellipsoid", "box", "cylinder", "capsule" or a mesh; size holds half extents."""

    shape: str
    size: tuple[float, float, float]
    pos: np.ndarray
    mat: np.ndarray
    tone: str | RGB = "main"
    joint: Joint | None = None
    emission: float = 0.0
    limb: str = ""  # "arm", "leg" or "head", for those whose pose may change
    prop: bool = False  # something that a subject brings along, and that is not the subject


def part(shape: str, size, pos, tone: str | RGB = "main", *, turn=IDENTITY, joint=None, emission=0.0) -> Part:
    """A part of half extents `size` (a number is used for all three) at `pos`, turned by the matrix `turn`."""
    size = (size,) * 3 if np.isscalar(size) else tuple(size)
    if max(size[:2]) >= LARGE:
        shape = {coarse: fine for fine, coarse in COARSE.items()}.get(shape, shape)
    return Part(shape, size, np.asarray(pos, float), np.asarray(turn, float), tone, joint, emission)


def between(shape: str, start, end, radius: float, tone: str | RGB = "main", *, joint=None) -> Part:
    """A cylinder or capsule whose axis runs from `start` to `end`."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(end - start))
    up = (end - start) / length
    side = cross(up, (0, 1, 0) if abs(up[1]) < 0.9 else (1, 0, 0))
    side /= np.linalg.norm(side)
    turn = np.stack([side, cross(up, side), up], axis=1)
    return Part(shape, (radius, radius, length / 2), (start + end) / 2, turn, tone, joint)


def mirrored(*parts: Part) -> list[Part]:
    """Each part and its mirror image on the other side (y -> -y); the two sides swing in opposite phase."""
    flip = np.diag([1.0, -1.0, 1.0])
    both = []
    for one in parts:
        joint = one.joint
        if joint is not None:
            x, y, z = joint.pivot
            offset = joint.offset if joint.roll else joint.offset + np.pi
            joint = replace(joint, pivot=(x, -y, z), offset=offset)
        # flip on both sides keeps a rotation (determinant +1); every shape is symmetric in its own y.
        both += [one, replace(one, pos=flip @ one.pos, mat=flip @ one.mat @ flip, joint=joint)]
    return both


def limb(name: str, parts: Iterable[Part]) -> list[Part]:
    """The parts, marked as those of a limb."""
    return [replace(p, limb=name) for p in parts]


def moved(p: Part, turn_33: np.ndarray = IDENTITY, about=(0, 0, 0), by=(0, 0, 0), scale: float = 1.0) -> Part:
    """The part turned about a point, then shifted, then scaled about the origin; its joint goes with it."""
    about, by = np.asarray(about, float), np.asarray(by, float)

    def place(point) -> np.ndarray:
        return (turn_33 @ (np.asarray(point, float) - about) + about + by) * scale

    joint = p.joint and replace(p.joint, pivot=tuple(place(p.joint.pivot)), axis=tuple(turn_33 @ p.joint.axis))
    x, y, z = p.size
    size = (x * scale, y * scale, z * scale)
    return replace(p, size=size, pos=place(p.pos), mat=turn_33 @ p.mat, joint=joint)


def cross(a, b) -> np.ndarray:
    """The cross product of two vectors; numpy's own takes ten times as long for three numbers."""
    return np.array((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))


def rotation(axis, angle: np.ndarray | float) -> np.ndarray:
    """Rotation matrices (..., 3, 3) by `angle` radians (...) about the unit vector `axis` (Rodrigues)."""
    x, y, z = axis
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], float)
    sin, cos = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return IDENTITY + sin * skew + (1 - cos) * (skew @ skew)


def axis_angle(turn_33: np.ndarray) -> tuple[float, np.ndarray]:
    """The angle in radians, and the unit axis, of a rotation matrix; `rotation` undoes it."""
    angle = float(np.arccos(np.clip((np.trace(turn_33) - 1) / 2, -1, 1)))
    axis = np.array([turn_33[2, 1] - turn_33[1, 2], turn_33[0, 2] - turn_33[2, 0], turn_33[1, 0] - turn_33[0, 1]])
    if np.linalg.norm(axis) < 1e-6:  # nothing, or half a turn: any axis of the symmetric part; upright things have z
        axis = np.sqrt(np.clip((np.diag(turn_33) + 1) / 2, 0, 1)) if angle > 1 else np.array((0.0, 0.0, 1.0))
    return angle, axis / np.linalg.norm(axis)


def turn(*, yaw: float = 0, pitch: float = 0, roll: float = 0) -> np.ndarray:
    """The matrix that rolls about x, then pitches about y (nose down is positive), then yaws about z; in degrees."""
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    return rotation((0, 0, 1), yaw) @ rotation((0, 1, 0), pitch) @ rotation((1, 0, 0), roll)


def extent(parts: Iterable[Part], direction) -> tuple[float, float]:
    """The lowest and highest reach of the parts along the unit vector `direction`, by their support functions."""
    direction = np.asarray(direction, float)
    reaches = [(float(p.pos @ direction), _support(p, p.mat.T @ direction)) for p in parts]
    return min(c - low for c, (low, _) in reaches), max(c + high for c, (_, high) in reaches)


def _support(p: Part, d: np.ndarray) -> tuple[float, float]:
    """Reach below and above the part's centre along `d`, which is given in the part's frame."""
    scaled = np.asarray(p.size) * d
    if p.shape in MESHES:
        along = MESHES[p.shape] @ scaled
        return -float(along.min()), float(along.max())
    if p.shape == "box":
        reach = np.abs(scaled).sum()
    elif p.shape == "ellipsoid":
        reach = np.linalg.norm(scaled)
    elif p.shape == "capsule":
        reach = p.size[0] + abs(scaled[2])
    else:
        reach = np.hypot(scaled[0], scaled[1]) + abs(scaled[2])
    return float(reach), float(reach)
