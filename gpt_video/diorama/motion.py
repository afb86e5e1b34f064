"""How a scene moves: from a `Scene` to the pose of every thing, and of the camera, at every frame.

Walking, driving, rolling, jumping and spinning follow a script that is a function of time; what falls or bounces, and toys
that something may run into, are simulated by MuJoCo. A continuation starts from the last state of the scene before it:
what differs from its own script at the start fades out within `BLEND` seconds.

World: x to the right of the screen, y away from the camera, z up; `VIEW` units of height are seen at y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from gpt_video.diorama.kinds import REST_YAW, ROLLS, TOYS, parts_of
from gpt_video.diorama.places import PLACES
from gpt_video.diorama.scene import Scene, Subject
from gpt_video.diorama.shapes import extent, rotation, turn

FPS = 8
VIEW = 2.0
DISTANCE, AIM, ELEVATION = 3.28, 0.73, 5.0  # the camera's rest: its distance to what it aims at, (0, 0, AIM), degrees
ABOVE_AIM, ABOVE_ELEVATION = 0.36, 46.0
BLEND = 0.75
SPEED = {"slowly": 0.5, "normal": 1.0, "fast": 2.0}
GRAVITY = 4.0  # of a toy world: a fall takes over half a second, so that 8 frames a second show it
STEPS = 32  # of physics in a frame
MOVES = frozenset({"left", "right", "closer", "away"})

# Share of the frame's height that a thing takes, by the number of things, for small, medium and large.
HEIGHTS = {1: (0.45, 0.54, 0.65), 2: (0.35, 0.40, 0.46), 3: (0.33, 0.35, 0.38)}
TALL_HEIGHTS = {1: (0.44, 0.48, 0.54), 2: (0.33, 0.35, 0.38), 3: (0.32, 0.33, 0.35)}


@dataclass(frozen=True)
class Thing:
    """One instance of a subject: the record it belongs to, its height in the world, its place and how it is turned."""

    record: int
    subject: Subject
    scale: float
    x: float
    y: float
    side: int  # -1 or 1: which way it is turned, tips, and so on
    jitter: float  # degrees
    phase: float
    alone: bool
    tall: bool


@dataclass
class Track:
    """The pose of one thing over T frames. Its origin is its centre, half its height above its feet."""

    centre_T3: np.ndarray
    turn_T33: np.ndarray
    squash_T3: np.ndarray
    swing_T: np.ndarray  # phase of limbs that swing, radians
    roll_T: np.ndarray  # phase of wheels, radians
    gait_T: np.ndarray  # 0 to 1: how far the limbs swing


@dataclass
class Film:
    """Everything that moves, and the camera: pan (-1 to 1), dolly (1 is the rest distance), above (0 to 1)."""

    things: list[Thing]
    tracks: list[Track]
    pan_T: np.ndarray
    dolly_T: np.ndarray
    above_T: np.ndarray
    clock_T: np.ndarray = field(default_factory=lambda: np.zeros(0))  # seconds since the first scene began


def simulate(scene: Scene, aspect: float) -> Film:
    """The film of `scene.frames` frames at FPS, for a frame of width / height = `aspect`."""
    before = None if scene.before is None else simulate(scene.before, aspect)
    frames = np.arange(scene.frames) + (0 if before is None else 1)
    seconds_T = frames / FPS
    things = layout(scene, aspect)
    if before is not None:
        things = [_moved(thing, before, i) for i, thing in enumerate(things)]
    last = [None if before is None or i >= len(before.tracks) else before.tracks[i] for i in range(len(things))]
    # The scripts start at 0, one frame before a continuation's first, so that they can be joined to what was.
    script_T = np.concatenate([[0.0], seconds_T])
    tracks = [_script(thing, script_T, aspect, fresh=end is None) for thing, end in zip(things, last, strict=True)]
    tracks = [_joined(track, end, script_T) for track, end in zip(tracks, last, strict=True)]
    if _needs_physics(things):
        tracks = _physics(things, tracks, fresh=[end is None for end in last], frames=frames)
    tracks = [_cut(track) for track in tracks]
    clock = 0.0 if before is None else float(before.clock_T[-1])
    film = Film(things, tracks, *_camera(scene.camera, seconds_T, before), clock + seconds_T)
    return film


def floating(film: Film, scene: Scene) -> list[Track]:
    """The film's tracks as they are seen: on water, what is down lies a little deeper, and bobs."""
    if not PLACES[scene.place].floats:
        return film.tracks
    return [_bobbing(thing, track, film.clock_T) for thing, track in zip(film.things, film.tracks, strict=True)]


# ---------------------------------------------------------------- where things are


def layout(scene: Scene, aspect: float) -> list[Thing]:
    """Where and how the things of a scene that begins stand. Depends on a subject only by its size and kind."""
    rng = np.random.default_rng([scene.layout_seed, 3])
    sides, jitters = rng.choice((-1, 1), 3), rng.uniform(-1, 1, (3, 4))
    records = [(r, s) for r, s in enumerate(scene.subjects) for _ in range(s.count)]
    n, tall = len(records), aspect < 0.8
    slots = _slots(scene, [r for r, _ in records], bool(sides[0] > 0), VIEW * aspect)
    heights = (TALL_HEIGHTS if tall else HEIGHTS)[n]
    elevation = ABOVE_ELEVATION if scene.camera == "from above" and scene.before is None else ELEVATION
    sink = 1.09 if PLACES[scene.place].floats else 1.0
    things = []
    for i, (record, subject) in enumerate(records):
        x, y = slots[i] + jitters[i, :2] * ((0.05, 0.05) if n == 1 else (0.03, 0.05))
        height = heights[("small", "medium", "large").index(subject.size)]
        # What stands behind looks smaller; it is given back half of it, so that its size stays readable.
        scale = sink * height * VIEW / _least_height(subject.kind, elevation) * (1 + 0.5 * max(0, y) / DISTANCE)
        things.append(Thing(record, subject, scale, float(x), float(y), int(sides[i]), float(jitters[i, 2] * 9),
                            float(jitters[i, 3] * np.pi), n == 1, tall))
    return things


def _slots(scene: Scene, records: list[int], flip: bool, width: float) -> list[np.ndarray]:
    """(x, y) of each thing, in the order of the records; `flip` decides sides where the scene does not."""
    n = len(records)
    if n == 1:
        return [np.zeros(2)]
    if n == 2:
        spots = [np.array((-0.25 * width, 0.0)), np.array((0.25 * width, 0.25 if width > 1.6 else 0.7))]
        if scene.relation == "behind":
            spots = [np.array((0.16 * width, 1.1)), np.array((-0.14 * width, -0.1))]
            return [spot * ((-1, 1) if flip else (1, 1)) for spot in spots]
    else:
        spots = [np.array((-0.32 * width, 0.0)), np.array((0.0, 0.55)), np.array((0.32 * width, 0.0))]
        if scene.relation == "behind":
            spots = [spot + ((0, 0.9) if r == 0 else (0, -0.1)) for spot, r in zip(spots, records, strict=True)]
    if flip and scene.relation != "left of":
        spots = [spot * (-1, 1) for spot in spots]
    return spots


def _moved(thing: Thing, before: Film, i: int) -> Thing:
    """The thing as it stood at the end of the film before, if it was there."""
    if i >= len(before.things):
        return thing
    was, x, y = before.things[i], *before.tracks[i].centre_T3[-1, :2]
    ratio = 1.0
    if was.subject.kind != thing.subject.kind or was.subject.size != thing.subject.size:
        ratio = thing.scale / was.scale
    return replace(was, subject=thing.subject, record=thing.record, scale=was.scale * ratio, x=float(x), y=float(y))


@lru_cache(maxsize=None)
def _least_height(kind: str, elevation: float) -> float:
    """The smallest height on the screen of the kind, one unit high, over the ways it may be turned."""
    pitch = np.radians(elevation + 4)  # things stand a little below the camera's axis
    reaches = []
    for yaw in np.radians((0, 45, 90)):
        low, high = extent(list(parts_of(kind)), (np.sin(pitch) * np.cos(yaw), np.sin(pitch) * np.sin(yaw), np.cos(pitch)))
        reaches.append(high - low)
    return min(reaches)


@lru_cache(maxsize=None)
def _half_extents(kind: str) -> tuple[float, float]:
    """Half length and half width of the kind, one unit high."""
    x, y = (max(np.abs(extent(list(parts_of(kind)), axis))) for axis in ((1, 0, 0), (0, 1, 0)))
    return float(x), float(y)


# ---------------------------------------------------------------- scripted motion


def _script(thing: Thing, t_T: np.ndarray, aspect: float, *, fresh: bool) -> Track:
    """The thing's own motion from t = 0 on, as if nothing had been before."""
    subject, s, n = thing.subject, thing.scale, len(t_T)
    speed, action = SPEED[subject.speed], subject.action
    centre_T3 = np.tile((thing.x, thing.y, 0.5 * s), (n, 1))
    squash_T3, swing_T, roll_T, gait_T = np.ones((n, 3)), np.ones(n), np.zeros(n), np.zeros(n)
    yaw_T = np.full(n, _heading(thing))
    turn_T33 = None
    if action in MOVES:
        path_T2 = _path(thing, t_T * speed, aspect, fresh)
        centre_T3[:, :2] = path_T2
        run_T = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path_T2, axis=0), axis=1))])
        swing_T, roll_T = 1 + run_T * 2 * np.pi / (0.34 * s), run_T / (0.2 * s)
        ahead_T2 = _path(thing, t_T * speed + 1 / FPS, aspect, fresh)
        gait_T = np.clip(np.linalg.norm(ahead_T2 - path_T2, axis=1) * FPS / 0.04, 0, 1)
        if subject.kind in ROLLS:
            turn_T33, radius = _rolling(thing, run_T)
            centre_T3[:, 2] = radius
    elif action == "jump":
        u_T = (t_T * speed / 1.05 + 0.2) % 1.0
        air_T = np.clip((u_T - 0.25) / 0.75, 0, 1)
        crouch_T = np.where(u_T < 0.25, np.sin(np.pi * u_T / 0.25), 0) * 0.12
        squash_T3 = np.stack([1 + 0.5 * crouch_T, 1 + 0.5 * crouch_T, 1 - crouch_T], axis=1)
        room = VIEW * 0.83 - s
        height = float(np.clip(0.5 * s, 0.25, max(room, 0.3)))
        centre_T3[:, 2] = 0.5 * s * (1 - crouch_T) + 4 * height * air_T * (1 - air_T)
        gait_T = np.sin(np.pi * air_T)
    elif action == "spin":
        yaw_T = yaw_T + 2 * np.pi * t_T * speed / 2.6
    if turn_T33 is None:
        turn_T33 = rotation((0, 0, 1), yaw_T)
    return Track(centre_T3, turn_T33, squash_T3, swing_T, roll_T, gait_T)


def _heading(thing: Thing) -> float:
    """The yaw, in radians, in which the thing does its action: where it goes, a little towards the viewer."""
    action, kind = thing.subject.action, thing.subject.kind
    if action == "left":
        return np.radians(180 + 24 + thing.jitter)
    if action == "right":
        return np.radians(-24 + thing.jitter)
    if action == "closer":
        return np.radians(-90 + thing.side * 24 + thing.jitter)
    if action == "away":
        return np.radians(90 + thing.side * 32 + thing.jitter)
    return np.radians(-90 + thing.side * REST_YAW[kind] + thing.jitter)


def _path(thing: Thing, t_T: np.ndarray, aspect: float, fresh: bool) -> np.ndarray:
    """(x, y) of a thing that travels at normal speed, kept in the frame. Crosses most of it in 2 x 4 seconds."""
    action, s = thing.subject.action, thing.scale
    x_T, y_T = np.full(len(t_T), thing.x), np.full(len(t_T), thing.y)
    if action in ("left", "right"):
        sign = -1 if action == "left" else 1
        half = s * (0.5 if thing.subject.kind in ROLLS else max(0.3, 0.94 * _half_extents(thing.subject.kind)[0]))
        reach = max(0.5 * VIEW * aspect - 0.85 * half, 0.2)
        pace = 0.42 * reach * (1.0 if thing.alone else 0.8) / 2
        if fresh:
            x_T = x_T * (1 if thing.alone else 0.8) - sign * (0.62 if thing.alone else 0.2) * reach
        return np.stack([_soft_clip(x_T + sign * pace * t_T, reach), y_T], axis=1)
    sign = -1 if action == "closer" else 1
    least = 0.43 if thing.alone else 0.33
    near, far = -0.78, float(np.clip(DISTANCE * (s / (VIEW * least) - 1), 0.1, 1.6))
    middle, half = (far + near) / 2, (far - near) / 2
    if fresh:
        y_T = np.full(len(t_T), middle - sign * 0.75 * half)
    return np.stack([x_T, middle + _soft_clip(y_T - middle + sign * 0.2 * (far - near) / 1.6 * t_T, half)], axis=1)


def _soft_clip(x: np.ndarray, reach: float) -> np.ndarray:
    """x where it is well within +-reach, easing towards +-reach beyond."""
    u = np.abs(x) / reach
    return np.sign(x) * reach * np.where(u < 0.8, u, 0.8 + 0.2 * np.tanh((u - 0.8) / 0.2))


def _rolling(thing: Thing, run_T: np.ndarray) -> tuple[np.ndarray, float]:
    """Turns of a ball or a lying cylinder that rolls without slipping, and the height of its centre."""
    action = thing.subject.action
    heading = {"left": 180, "right": 0, "closer": -90, "away": 90}[action]
    # The axle lies across the way, turned so that the viewer sees more than the end of a cylinder.
    skew = 28 * (-1 if action in ("left", "closer") else 1)
    base = rotation((0, 0, 1), np.radians(heading + skew))
    if thing.subject.kind == "ball":
        radius, lying = 0.5 * thing.scale, turn(roll=20)
    else:
        radius, lying = _half_extents("cylinder")[0] * thing.scale, turn(roll=90)
    return base @ rotation((0, 1, 0), run_T / radius) @ lying, radius


def _joined(track: Track, end: Track | None, t_T: np.ndarray) -> Track:
    """The track, starting exactly where `end` ended: the difference at t = 0 fades out."""
    if end is None:
        return track
    u_T = np.clip(t_T / BLEND, 0, 1)
    rest_T = 1 - u_T * u_T * (3 - 2 * u_T)
    rest_T1 = rest_T[:, None]
    angle, axis = _axis_angle(track.turn_T33[0].T @ end.turn_T33[-1])
    return Track(
        track.centre_T3 + rest_T1 * (end.centre_T3[-1] - track.centre_T3[0]),
        track.turn_T33 @ rotation(axis, angle * rest_T),
        track.squash_T3 + rest_T1 * (end.squash_T3[-1] - track.squash_T3[0]),
        track.swing_T + (end.swing_T[-1] - track.swing_T[0]),
        track.roll_T + end.roll_T[-1],
        track.gait_T + rest_T * (end.gait_T[-1] - track.gait_T[0]),
    )


def _axis_angle(turn_33: np.ndarray) -> tuple[float, np.ndarray]:
    angle = float(np.arccos(np.clip((np.trace(turn_33) - 1) / 2, -1, 1)))
    axis = np.array([turn_33[2, 1] - turn_33[1, 2], turn_33[0, 2] - turn_33[2, 0], turn_33[1, 0] - turn_33[0, 1]])
    if np.linalg.norm(axis) < 1e-6:  # nothing, or half a turn: any axis of the symmetric part; upright things have z
        axis = np.sqrt(np.clip((np.diag(turn_33) + 1) / 2, 0, 1)) if angle > 1 else np.array((0.0, 0.0, 1.0))
    return angle, axis / np.linalg.norm(axis)


def _cut(track: Track) -> Track:
    """The track without its script's t = 0, which is a frame of its own only for the scripts."""
    return Track(*(getattr(track, name)[1:] for name in Track.__dataclass_fields__))


def _bobbing(thing: Thing, track: Track, clock_T: np.ndarray) -> Track:
    wave_T = np.sin(2 * np.pi * clock_T / 2.4 + thing.phase)
    down_T = np.clip(1 - (track.centre_T3[:, 2] - 0.5 * thing.scale) / 0.35, 0, 1)
    lift_T3 = np.zeros_like(track.centre_T3)
    lift_T3[:, 2] = down_T * (0.025 * wave_T - 0.085 * thing.scale)
    tilt_T33 = rotation((0, 1, 0), np.radians(3) * wave_T * down_T)
    return replace(track, centre_T3=track.centre_T3 + lift_T3, turn_T33=tilt_T33 @ track.turn_T33)


def _camera(camera: str, t_T: np.ndarray, before: Film | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pan, dolly and above over time: from where the film before left the camera, or from the start of the move."""
    u_T = t_T / 4.0
    pan, dolly, above = (0.0, 1.0, 0.0) if before is None else (before.pan_T[-1], before.dolly_T[-1], before.above_T[-1])
    if before is None:
        pan = {"pan left": 1.0, "pan right": -1.0}.get(camera, pan)
        dolly = 0.76 if camera == "zoom out" else dolly
        above = 1.0 if camera == "from above" else above
    pan_T, dolly_T, above_T = (np.full(len(t_T), float(v)) for v in (pan, dolly, above))
    if camera in ("pan left", "pan right"):
        pan_T = _soft_clip(pan_T + (2 if camera == "pan right" else -2) * u_T, 1.25)
    elif camera in ("zoom in", "zoom out"):
        dolly_T = np.clip(dolly_T + (-0.24 if camera == "zoom in" else 0.24) * u_T, 0.70, 1.22)
    elif camera == "from above":
        v_T = np.clip(t_T / 1.5, 0, 1)
        above_T = above_T + (1 - above_T) * v_T * v_T * (3 - 2 * v_T)
    return pan_T, dolly_T, above_T


# ---------------------------------------------------------------- physics


def _needs_physics(things: list[Thing]) -> bool:
    acts = {thing.subject.action for thing in things}
    toys = sum(thing.subject.kind in TOYS for thing in things)
    return bool(acts & {"fall", "bounce"}) or (toys >= 2 and bool(acts & {"left", "right"}))


def _is_free(thing: Thing) -> bool:
    """Whether physics moves the thing; the others push, and are not pushed."""
    return thing.subject.action in ("fall", "bounce") or (thing.subject.action == "still" and thing.subject.kind in TOYS)


@lru_cache(maxsize=1)
def _physics_model() -> tuple[Any, Any]:
    import mujoco

    body = '<body name="b{0}" pos="{0} 0 9"><freejoint/><geom type="box" size=".5 .5 .5" mass="1"/></body>'
    model = mujoco.MjModel.from_xml_string(
        f'<mujoco><option timestep="{1 / FPS / STEPS}" gravity="0 0 {-GRAVITY}"><flag midphase="disable"/></option>'
        f'<worldbody><geom type="plane" size="50 50 1"/>{"".join(body.format(i) for i in range(3))}</worldbody></mujoco>'
    )
    return model, mujoco.MjData(model)


def _physics(things: list[Thing], tracks: list[Track], *, fresh: list[bool], frames: np.ndarray) -> list[Track]:
    """The tracks with those of free things simulated, from their first pose on."""
    import mujoco

    model, data = _physics_model()
    mujoco.mj_resetData(model, data)
    free = [_is_free(thing) for thing in things]
    meet = any(thing.subject.action in ("left", "right") for thing in things)
    for i in range(3):
        _shape_body(model, i, things[i] if i < len(things) else None, meet=meet)
    mujoco.mj_setConst(model, data)
    mujoco.mj_resetData(model, data)
    for i, (thing, track) in enumerate(zip(things, tracks, strict=True)):
        _start_body(data, i, thing, track, fresh[i])
    out = [replace(t, centre_T3=t.centre_T3.copy(), turn_T33=t.turn_T33.copy()) for t in tracks]
    for k in range(len(frames) + 1):
        for i, thing in enumerate(things):
            if free[i]:
                out[i].centre_T3[k] = data.qpos[7 * i : 7 * i + 3]
                out[i].turn_T33[k] = _matrix(data.qpos[7 * i + 3 : 7 * i + 7])
        if k == len(frames) or (k == 0 and frames[0] == 0):
            continue  # a scene of its own shows its start: its t = 0 and its first frame are one
        for part in range(4):
            for i, thing in enumerate(things):
                data.xfrc_applied[i + 1] = 0
                if free[i]:
                    if thing.subject.action in ("fall", "bounce"):
                        data.xfrc_applied[i + 1, 2] = (1 - SPEED[thing.subject.speed] ** 2) * GRAVITY
                        data.xfrc_applied[i + 1, 3:] = _righting(thing, data.qpos[7 * i + 3 : 7 * i + 7])
                    if thing.subject.action == "bounce" and thing.subject.kind != "ball":
                        data.qvel[6 * i + 3 : 6 * i + 6] = 0
                else:
                    _drive_body(data, i, tracks[i], k, part / 4)
            mujoco.mj_step(model, data, STEPS // 4)
    return out


def _righting(thing: Thing, quaternion: np.ndarray) -> np.ndarray:
    """The torque that makes a figure wobble and stay on its feet when it lands, like a toy with a weight in its base."""
    if thing.subject.kind in ("ball", "cube", "tree"):
        return np.zeros(3)
    return 1.2 * GRAVITY * thing.scale * SPEED[thing.subject.speed] ** 2 * np.cross(_matrix(quaternion)[:, 2], (0, 0, 1))


def _shape_body(model: Any, i: int, thing: Thing | None, *, meet: bool) -> None:
    """Gives body i the proxy of the thing: a sphere, a cylinder or a box, or nothing to run into."""
    import mujoco

    geom, body = i + 1, i + 1
    # Bit 1 is the ground's; with bit 2 on both sides things meet each other as well.
    model.geom_contype[geom], model.geom_conaffinity[geom] = (0, 0) if thing is None else (3, 2) if meet else (1, 0)
    if thing is None:
        return
    s, kind, action = thing.scale, thing.subject.kind, thing.subject.action
    half_x, half_y = (min(h, 0.6) for h in _half_extents(kind))
    if kind == "tree" and action == "fall":
        half_x = half_y = 0.17
    half = np.array((half_x, half_y, 0.5)) * s
    types = {"ball": mujoco.mjtGeom.mjGEOM_SPHERE, "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER}
    model.geom_type[geom] = types.get(kind, mujoco.mjtGeom.mjGEOM_BOX)
    model.geom_size[geom] = {"ball": (0.5 * s, 0, 0), "cylinder": (half[0], half[2], 0)}.get(kind, half)
    model.geom_rbound[geom] = np.linalg.norm(half)
    model.geom_aabb[geom] = (0, 0, 0, *half)
    model.geom_friction[geom] = (0.8, 0.02, 0.01)
    # A direct spring and damper: damping decides how much of the speed is given back.
    omega, damping = 70.0, (0.045 if action == "bounce" else 0.45)
    model.geom_solref[geom] = (-(omega**2), -2 * damping * omega)
    model.geom_priority[geom] = 2 if action == "bounce" else 1
    model.body_mass[body] = 1.0 if _is_free(thing) else 500.0
    squares = half**2
    model.body_inertia[body] = model.body_mass[body] * (squares.sum() - squares) / 3


def _start_body(data: Any, i: int, thing: Thing, track: Track, fresh: bool) -> None:
    """The first pose and velocity of body i: in the air for what begins by falling; a hop where a scene goes on."""
    action, s, speed = thing.subject.action, thing.scale, SPEED[thing.subject.speed]
    centre, start_33, velocity = track.centre_T3[0].copy(), track.turn_T33[0], np.zeros(6)
    drop = max(VIEW * 0.85 - s, 0.5)
    if action in ("fall", "bounce") and thing.subject.kind == "tree":
        velocity[3:] = start_33.T @ np.array((0, thing.side * 1.2 * speed, 0))
        velocity[0] = thing.side * 1.2 * speed * 0.5 * s
        if fresh:
            centre[0] -= thing.side * 0.4 * s
    elif action in ("fall", "bounce"):
        steady = np.arctan2(min(_half_extents(thing.subject.kind)), 0.5)
        tilt = 0.0 if action == "bounce" or thing.subject.kind == "ball" else min(0.5 * steady, np.radians(15))
        if fresh:
            centre[2] += drop
            start_33 = rotation((0, 1, 0), tilt * thing.side) @ start_33
        else:
            velocity[2] = speed * np.sqrt(2 * GRAVITY * 0.6 * drop)
            velocity[3:] = start_33.T @ np.array((0, thing.side * tilt * speed, 0))
    data.qpos[7 * i : 7 * i + 3] = centre
    data.qpos[7 * i + 3 : 7 * i + 7] = _quaternion(start_33)
    data.qvel[6 * i : 6 * i + 6] = velocity


def _drive_body(data: Any, i: int, track: Track, k: int, share: float) -> None:
    """Puts a scripted body where its script has it, `share` of the way from sample k to k + 1, with that speed."""
    here, there = track.centre_T3[k], track.centre_T3[k + 1]
    data.qpos[7 * i : 7 * i + 3] = here + share * (there - here)
    data.qpos[7 * i + 3 : 7 * i + 7] = _quaternion(track.turn_T33[k])
    data.qvel[6 * i : 6 * i + 6] = 0
    data.qvel[6 * i : 6 * i + 3] = (there - here) * FPS


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    w, x, y, z = quaternion
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])


def _quaternion(turn_33: np.ndarray) -> np.ndarray:
    angle, axis = _axis_angle(turn_33)
    return np.array((np.cos(angle / 2), *(np.sin(angle / 2) * axis)))
