"""What falls, bounces, and is run into, simulated by MuJoCo; everything else of a scene keeps to its script and pushes.

Enters: the things of a scene and their scripted tracks. Leaves: tracks in which the free things go where physics takes them.
A thing is a sphere, a cylinder or a box here, whose sizes are written into one small model that is compiled once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from gpt_video.diorama.layout import VIEW, Thing, half_extents
from gpt_video.diorama.scene import MAX_SUBJECTS
from gpt_video.diorama.shapes import axis_angle, cross, rotation
from gpt_video.diorama.track import FPS, SPEED, Track

GRAVITY = 4.0  # of a toy world: a fall takes over half a second, so that 8 frames a second show it
STEPS, PIECES = (
    32,
    4,
)  # steps of physics in a frame, and how often in a frame the scripted things are put in their place
AIRBORNE = ("fall", "bounce")


def is_needed(things: list[Thing]) -> bool:
    """Whether something falls or bounces, or may run into a toy."""
    acts = {thing.subject.action for thing in things}
    toys = sum(thing.look.is_toy for thing in things)
    return (
        bool(acts & set(AIRBORNE))
        or any(thing.is_hit for thing in things)
        or (toys >= 2 and bool(acts & {"left", "right"}))
    )


def simulated(things: list[Thing], tracks: list[Track], *, begins: bool) -> list[Track]:
    """The tracks with those of free things simulated from their first pose on.

    begins: whether the scene begins here, with what falls in the air; in a continuation it leaps from where it is.
    """
    import mujoco

    model, data = _model()
    _shape_bodies(model, things)
    mujoco.mj_setConst(model, data)
    mujoco.mj_resetData(model, data)
    for i, (thing, track) in enumerate(zip(things, tracks, strict=True)):
        _start_body(data, i, thing, track, begins)
    free = [i for i, thing in enumerate(things) if _is_free(thing)]
    out = [replace(track, centre_T3=track.centre_T3.copy(), turn_T33=track.turn_T33.copy()) for track in tracks]
    samples = len(tracks[0].swing_T)
    for k in range(samples):
        for i in free:
            out[i].centre_T3[k] = data.qpos[7 * i : 7 * i + 3]
            out[i].turn_T33[k] = _matrix(data.qpos[7 * i + 3 : 7 * i + 7])
        for piece in range(PIECES if k + 1 < samples else 0):
            for i, thing in enumerate(things):
                if i in free:
                    _nudge_body(data, i, thing)
                else:
                    _drive_body(data, i, tracks[i], k, piece / PIECES)
            mujoco.mj_step(model, data, STEPS // PIECES)
    return out


def _is_free(thing: Thing) -> bool:
    """Whether physics moves the thing; the others push, and are not pushed."""
    return thing.is_hit or thing.subject.action in AIRBORNE or (thing.subject.action == "still" and thing.look.is_toy)


@cache
def _model() -> tuple[Any, Any]:
    import mujoco

    body = '<body pos="{} 0 9"><freejoint/><geom type="box" size=".5 .5 .5" mass="1" condim="6"/></body>'
    model = mujoco.MjModel.from_xml_string(
        f"""<mujoco><option timestep="{1 / FPS / STEPS}" gravity="0 0 {-GRAVITY}"><flag midphase="disable"/></option>
        <worldbody><geom type="plane" size="50 50 1"/>{"".join(body.format(i) for i in range(MAX_SUBJECTS))}</worldbody>
        </mujoco>"""
    )
    return model, mujoco.MjData(model)


def _shape_bodies(model: Any, things: list[Thing]) -> None:
    # Bit 1 is the ground's. With bit 2 on both sides things meet each other too, which they do where something travels:
    # otherwise what falls would be thrown out of the picture by its neighbour.
    meet = any(thing.subject.action in ("left", "right", "into") for thing in things)
    model.geom_contype[1:], model.geom_conaffinity[1:] = 0, 0
    for i, thing in enumerate(things, 1):
        model.geom_contype[i], model.geom_conaffinity[i] = (3, 2) if meet else (1, 0)
        _shape_body(model, i, thing)


def _shape_body(model: Any, i: int, thing: Thing) -> None:
    """Gives body i and its geom the proxy of the thing: a sphere, a cylinder or a box, and how much it bounces."""
    import mujoco

    s, kind, action = thing.scale, thing.subject.kind, thing.subject.action
    half_x, half_y = (min(h, 0.6) for h in half_extents(thing.look))
    if kind == "tree" and action == "fall":
        half_x = half_y = 0.17
    half = np.array((half_x, half_y, 0.5)) * s
    upright = mujoco.mjtGeom.mjGEOM_CYLINDER
    types = {"ball": mujoco.mjtGeom.mjGEOM_SPHERE, "cylinder": upright, "tree": upright}
    model.geom_type[i] = types.get(kind, mujoco.mjtGeom.mjGEOM_BOX)
    model.geom_size[i] = (half[0], half[2], 0) if types.get(kind) == upright else half  # a sphere reads half[0] only
    model.geom_rbound[i] = np.linalg.norm(half)
    model.geom_aabb[i] = (0, 0, 0, *half)
    model.geom_friction[i] = (0.8, 0.02, 0.03)
    # A direct spring and damper: damping decides how much of the speed is given back.
    omega, damping = 70.0, (0.045 if action == "bounce" else 0.45)
    model.geom_solref[i] = (-(omega**2), -2 * damping * omega)
    model.geom_priority[i] = 2 if action == "bounce" else 1
    model.body_mass[i] = 1.0 if _is_free(thing) else 500.0
    squares = half**2
    model.body_inertia[i] = model.body_mass[i] * (squares.sum() - squares) / 3


def _start_body(data: Any, i: int, thing: Thing, track: Track, begins: bool) -> None:
    """The first pose and velocity of body i: in the air for what begins by falling; a hop where a scene goes on."""
    action, s, speed = thing.subject.action, thing.scale, SPEED[thing.subject.speed]
    centre, start_33, velocity = track.centre_T3[0].copy(), track.turn_T33[0], np.zeros(6)
    drop = max(VIEW * 0.85 - s, 0.5)
    if action in AIRBORNE and thing.subject.kind == "tree":
        # It topples over its foot, aslant, so that all of it stays in the picture.
        way = np.array((0.75 * thing.side, 0.66, 0))
        omega = 1.3 * speed / np.sqrt(s)
        velocity[3:] = start_33.T @ (omega * cross((0, 0, 1), way))
        velocity[:3] = omega * 0.5 * s * way
        if begins:
            centre -= 0.3 * s * way
    elif action in AIRBORNE:
        steady = np.arctan2(min(half_extents(thing.look)), 0.5)
        tilt = 0.0 if action == "bounce" or thing.subject.kind == "ball" else min(0.5 * steady, np.radians(15))
        if begins:
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


def _nudge_body(data: Any, i: int, thing: Thing) -> None:
    """Forces on a free body: its own gravity, by its speed, and what keeps figures upright."""
    action, kind, speed = thing.subject.action, thing.subject.kind, SPEED[thing.subject.speed]
    if thing.is_hit:  # what was run into slows down before it leaves the picture
        data.qvel[6 * i : 6 * i + 2] *= 0.975
    if action not in AIRBORNE:
        return
    data.xfrc_applied[i + 1, 2] = (1 - speed**2) * GRAVITY
    if action == "bounce" and kind != "ball":
        data.qvel[6 * i + 3 : 6 * i + 6] = 0
    elif kind not in ("ball", "cube", "tree"):
        # A figure wobbles and stays on its feet when it lands, like a toy with a weight in its base.
        up = _matrix(data.qpos[7 * i + 3 : 7 * i + 7])[:, 2]
        data.xfrc_applied[i + 1, 3:] = 1.2 * GRAVITY * thing.scale * speed**2 * cross(up, (0, 0, 1))


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion(turn_33: np.ndarray) -> np.ndarray:
    angle, axis = axis_angle(turn_33)
    return np.array((np.cos(angle / 2), *(np.sin(angle / 2) * axis)))
