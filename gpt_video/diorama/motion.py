"""How a scene moves: from a `Scene` to the pose of every thing, and of the camera, at every frame.

Walking, driving, rolling, jumping and spinning follow a script that is a function of time; physics.py takes what falls,
bounces or is run into. A continuation starts from the last state of the scene before it: what differs from its own script
at the start fades out within `BLEND` seconds. In a scene of its own that is longer than one of four seconds what goes to a side
turns round at the border of the frame and comes back, again and again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpt_video.diorama import physics
from gpt_video.diorama.camera import SHORT, shot_of, soft_clip
from gpt_video.diorama.layout import DISTANCE, VIEW, Thing, half_extents, layout
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.shapes import axis_angle, rotation, turn
from gpt_video.diorama.track import FPS, SPEED, Film, Track
from gpt_video.diorama.wide_places import place_of
from gpt_video.diorama.world import MOVES

BLEND = 0.75
LAP, TURNING = 8.2, 0.07  # seconds from border to border at normal speed; the share of it to the middle of a turn
SIDE_YAW = 66.0  # degrees from facing the viewer to facing a side
COLLISION_PACE = 0.40  # units a second of what runs into another, at normal speed


def simulate(scene: Scene, aspect: float) -> Film:
    """The film of `scene.frames` frames at FPS, for a frame of width / height = `aspect`."""
    before = None if scene.before is None else simulate(scene.before, aspect)
    # The script of a continuation starts one frame early, at the last frame of what was, to be joined to it.
    script_T = np.arange(scene.frames + (before is not None)) / FPS
    things = layout(scene, aspect)
    if before is not None:
        things = [_moved(thing, before, i) for i, thing in enumerate(things)]
    if scene.subjects[0].action == "into":
        things = _aimed(things)
    ends = [None] * len(things) if before is None else [*before.tracks, *[None] * len(things)][: len(things)]
    tracks = [_script(thing, script_T, aspect, end) for thing, end in zip(things, ends, strict=True)]
    if physics.is_needed(things):
        tracks = physics.simulated(things, tracks, begins=before is None)
    shot = shot_of(scene.camera, script_T, before.shot if before else None, _seen_from(things[0]))
    first, clock = (0, 0.0) if before is None else (1, before.clock_T[-1])
    tracks = [track.since(first) for track in tracks]
    return Film(things, tracks, shot.since(first), clock + script_T[first:])


def floating(film: Film, scene: Scene) -> list[Track]:
    """The film's tracks as they are seen: on water, what is down lies a little deeper, and bobs."""
    if not place_of(scene).floats:
        return film.tracks
    return [_bobbing(thing, track, film.clock_T) for thing, track in zip(film.things, film.tracks, strict=True)]


def _moved(thing: Thing, before: Film, i: int) -> Thing:
    """The thing as it stood at the end of the film before, if it was there."""
    if i >= len(before.things):
        return thing
    was, x, y = before.things[i], *before.tracks[i].centre_T3[-1, :2]
    ratio = 1.0
    if was.look.kind != thing.look.kind or was.look.pose != thing.look.pose or was.subject.size != thing.subject.size:
        ratio = thing.scale / was.scale
    now = replace(was, subject=thing.subject, record=thing.record, look=thing.look, heading="", is_hit=False)
    return replace(now, scale=was.scale * ratio, x=float(x), y=float(y))


def _seen_from(topic: Thing) -> int:
    """On which side the camera sees the face of the topic: -1 to the right of the picture, 1 to the left."""
    way = topic.heading or topic.subject.action
    return {"right": -1, "left": 1}.get(way, -topic.side)


def _aimed(things: list[Thing]) -> list[Thing]:
    """The things, where those of the first record know what they run into: the nearest thing of the second."""
    out = []
    for thing in things:
        if thing.record == 0:
            other = min((o for o in things if o.record == 1), key=lambda o: abs(o.x - thing.x))
            heading = "left" if other.x < thing.x else "right"
            touching = sum(min(half_extents(one.look)[0], 0.6) * one.scale for one in (thing, other))
            thing = replace(thing, heading=heading, target=(other.x, other.y), touching=touching)
        out.append(replace(thing, is_hit=thing.record == 1))
    return out


def _script(thing: Thing, t_T: np.ndarray, aspect: float, end: Track | None) -> Track:
    """What the thing does from t = 0 on; where it goes on from `end`, it starts as it was."""
    track = _own_script(thing, t_T, aspect, end)
    return track if end is None else _joined(track, end, t_T)


def _own_script(thing: Thing, t_T: np.ndarray, aspect: float, end: Track | None) -> Track:
    subject, s, n = thing.subject, thing.scale, len(t_T)
    speed, action = SPEED[subject.speed], subject.action
    centre_T3 = np.tile((thing.x, thing.y, 0.5 * s), (n, 1))
    squash_T3, swing_T, roll_T, gait_T = np.ones((n, 3)), np.ones(n), np.zeros(n), np.zeros(n)
    turn_T33 = np.tile(_posture(thing, end), (n, 1, 1))
    if action in MOVES or thing.heading:
        way_T, ahead_T, faces_T = t_T * speed, t_T * speed + 1 / FPS, np.ones(n)
        if end is None and n > SHORT and action in ("left", "right") and not thing.heading:
            (way_T, faces_T), (ahead_T, _) = _there_and_back(way_T), _there_and_back(ahead_T)
        path_T2 = _path(thing, way_T, aspect, end is None)
        centre_T3[:, :2] = path_T2
        step_T = np.linalg.norm(np.diff(path_T2, axis=0, prepend=path_T2[:1]), axis=1)
        run_T = np.cumsum(step_T)
        swing_T, roll_T = 1 + run_T * 2 * np.pi / (0.34 * s), run_T / (0.2 * s)
        ahead_T2 = _path(thing, ahead_T, aspect, end is None)
        gait_T = np.clip(np.linalg.norm(ahead_T2 - path_T2, axis=1) * FPS / 0.04, 0, 1)
        if thing.look.rolls:
            turn_T33, radius = _rolling(thing, np.cumsum(step_T * np.sign(np.diff(way_T, prepend=way_T[:1]))))
            centre_T3[:, 2] = radius
        else:
            turned_T = np.radians(SIDE_YAW) * (faces_T - 1)
            turn_T33 = rotation((0, 0, 1), turned_T if action == "right" else -turned_T) @ turn_T33
        if thing.look.flies:
            centre_T3[:, 2] += 0.32 * s + 0.04 * np.sin(2 * np.pi * t_T / 1.3 + thing.phase)
            swing_T, gait_T = 1 + 2 * np.pi * t_T * (0.8 + 0.6 * speed), np.ones(n)
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
        turn_T33 = rotation((0, 0, 1), 2 * np.pi * t_T * speed / 2.6) @ turn_T33
    elif thing.look.pose:  # waves, talks, warms itself
        swing_T, gait_T = 1 + 2 * np.pi * t_T * speed / (0.9 if thing.look.pose == "wave" else 1.4), np.ones(n)
    if thing.look.kind == "candle":
        swing_T, gait_T = 1 + 2 * np.pi * t_T / 0.9, np.ones(n)
    return Track(centre_T3, turn_T33, squash_T3, swing_T, roll_T, gait_T)


def _there_and_back(t_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times 0 .. LAP on a way that is gone there and back; and where it faces: 1 ahead, -1 back, 0 half way through a turn."""
    lap_T = t_T / LAP
    faces_T = np.where(lap_T < 0.5, 1, np.clip(np.abs(lap_T - np.round(lap_T)) / TURNING, 0, 1))
    return LAP * (1 - np.abs(lap_T % 2 - 1)), np.where(lap_T % 2 < 1, faces_T, -faces_T)


def _posture(thing: Thing, end: Track | None) -> np.ndarray:
    """How the thing is turned: where it goes, a little towards the viewer; what stays goes on as it was, upright."""
    action, kind, side = thing.heading or thing.subject.action, thing.subject.kind, thing.side
    if end is not None and action not in MOVES and (kind == "ball" or end.turn_T33[-1, 2, 2] > 0.97):
        return end.turn_T33[-1]
    yaw = {"left": 180 + 24, "right": -24, "closer": -90 + side * 24, "away": 90 + side * 32}
    jitter = 0.2 * thing.jitter if thing.look.pose == "podcast" else thing.jitter
    return turn(yaw=yaw.get(action, -90 + side * thing.look.rest_yaw) + jitter)


def _path(thing: Thing, t_T: np.ndarray, aspect: float, begins: bool) -> np.ndarray:
    """(x, y) of a thing that travels at normal speed, kept in the frame. Crosses most of it in 2 x 4 seconds."""
    action, s = thing.subject.action, thing.scale
    if thing.heading:
        return _collision_path(thing, t_T)
    x_T, y_T = np.full(len(t_T), thing.x), np.full(len(t_T), thing.y)
    if action in ("left", "right"):
        sign = -1 if action == "left" else 1
        half = s * (0.5 if thing.look.rolls else max(0.3, 0.94 * half_extents(thing.look)[0]))
        reach = max(0.5 * VIEW * aspect - 0.85 * half, 0.2)
        pace = 0.42 * reach * (1.0 if thing.alone else 0.8) / 2
        if begins:
            x_T = x_T * (1 if thing.alone else 0.8) - sign * (0.62 if thing.alone else 0.2) * reach
        return np.stack([soft_clip(x_T + sign * pace * t_T, reach), y_T], axis=1)
    sign = -1 if action == "closer" else 1
    least = 0.43 if thing.alone else 0.33
    near, far = -0.78, float(np.clip(DISTANCE * (s / (VIEW * least) - 1), 0.1, 1.6))
    if thing.above:  # there, further away is further up in the frame
        near, far = -0.45, 0.30
    middle, half = (far + near) / 2, (far - near) / 2
    if begins:
        y_T = np.full(len(t_T), middle - sign * 0.75 * half)
    return np.stack([x_T, middle + soft_clip(y_T - middle + sign * 0.2 * (far - near) / 1.6 * t_T, half)], axis=1)


def _collision_path(thing: Thing, t_T: np.ndarray) -> np.ndarray:
    """(x, y) of a thing that runs straight at its target, pushes it a little and comes to rest."""
    start, end = np.array((thing.x, thing.y)), np.array(thing.target)
    way = end - start
    length = max(float(np.linalg.norm(way)), 1e-6)
    gone_T = soft_clip(COLLISION_PACE * t_T, max(length - thing.touching + 0.42, 0.4))
    return start + gone_T[:, None] * way / length


def _rolling(thing: Thing, run_T: np.ndarray) -> tuple[np.ndarray, float]:
    """Turns of a ball or a lying cylinder that rolls without slipping, and the height of its centre."""
    action = thing.heading or thing.subject.action
    heading = {"left": 180, "right": 0, "closer": -90, "away": 90}[action]
    # The axle lies across the way, turned so that the viewer sees more than the end of a cylinder.
    skew = 28 * (-1 if action in ("left", "closer") else 1)
    base = rotation((0, 0, 1), np.radians(heading + skew))
    if thing.subject.kind == "ball":
        radius, lying = 0.5 * thing.scale, turn(roll=20)
    else:
        radius, lying = half_extents(thing.look)[0] * thing.scale, turn(roll=90)
    return base @ rotation((0, 1, 0), run_T / radius) @ lying, radius


def _joined(track: Track, end: Track, t_T: np.ndarray) -> Track:
    """The track, starting exactly where `end` ended: the difference at t = 0 fades out."""
    u_T = np.clip(t_T / BLEND, 0, 1)
    rest_T = 1 - u_T * u_T * (3 - 2 * u_T)
    rest_T1 = rest_T[:, None]
    angle, axis = axis_angle(track.turn_T33[0].T @ end.turn_T33[-1])
    return Track(
        track.centre_T3 + rest_T1 * (end.centre_T3[-1] - track.centre_T3[0]),
        track.turn_T33 @ rotation(axis, angle * rest_T),
        track.squash_T3 + rest_T1 * (end.squash_T3[-1] - track.squash_T3[0]),
        track.swing_T + (end.swing_T[-1] - track.swing_T[0]),
        track.roll_T + end.roll_T[-1],
        track.gait_T + rest_T * (end.gait_T[-1] - track.gait_T[0]),
    )


def _bobbing(thing: Thing, track: Track, clock_T: np.ndarray) -> Track:
    wave_T = np.sin(2 * np.pi * clock_T / 2.4 + thing.phase)
    down_T = np.clip(1 - (track.centre_T3[:, 2] - 0.5 * thing.scale) / 0.35, 0, 1)
    lift_T3 = np.zeros_like(track.centre_T3)
    lift_T3[:, 2] = down_T * (0.025 * wave_T - 0.085 * thing.scale)
    tilt_T33 = rotation((0, 1, 0), np.radians(3) * wave_T * down_T)
    return replace(track, centre_T3=track.centre_T3 + lift_T3, turn_T33=tilt_T33 @ track.turn_T33)
