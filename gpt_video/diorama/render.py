"""A scene in, its video and the masks of its subjects out, drawn by MuJoCo's own renderer (EGL, else OSMesa).

Nothing is compiled per clip: one tiny model holds the meshes and the sky, and each frame's parts are written straight into
the scene's list of geoms. Frames are drawn at twice their size and averaged down, which is cheaper than multisampling.
Shadows are the parts once more, flattened on to the ground along the light.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from gpt_video.diorama.camera import view
from gpt_video.diorama.drawn import as_drawing, outlined
from gpt_video.diorama.layout import DISTANCE, VIEW, Thing
from gpt_video.diorama.looks import parts_of
from gpt_video.diorama.motion import floating, simulate
from gpt_video.diorama.places import Light
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.shapes import COARSE, FACES, MESHES, Part, rotation
from gpt_video.diorama.track import Film, Track
from gpt_video.diorama.weather import Falling, falling, under_weather
from gpt_video.diorama.wide_places import setting_of

SUPERSAMPLING = 2
MAX_GEOMS = 2000
FIELD_OF_VIEW = 2 * np.arctan(VIEW / 2 / DISTANCE)
LIGHT = np.array((0.42, 0.55, -0.80)) / np.linalg.norm((0.42, 0.55, -0.80))
SKY_SIDE = 64
AMBIENT, DIFFUSE = (0.58,) * 3, (0.52,) * 3
HIDES_UP_TO = 1.8  # depth of the props that may stand before a subject, and so are drawn into the masks
SHADOW_FROM = 0.06  # half extent of the smallest part that throws a shadow


class RendererUnavailable(OSError):
    """MuJoCo, or a way for it to draw without a screen, is missing on this machine."""


@dataclass(frozen=True)
class RenderedClip:
    """frames_THWC uint8 RGB; masks_THW uint8: 0 background, i + 1 where subject record i is seen. No masks: none were asked for."""

    frames_THWC: np.ndarray
    masks_THW: np.ndarray


class Renderer:
    """Draws scenes at one size. All renderers of a process share one GL context: use them from one thread."""

    def __init__(self, height: int, width: int):
        """height, width: of the frames in pixels, 16 to 1024. Raises RendererUnavailable, or ValueError for the size."""
        if not (16 <= height <= 1024 and 16 <= width <= 1024):
            raise ValueError(f"A frame of {width}x{height} was asked for; expected 16 to 1024 pixels on each side.")
        self.height, self.width = height, width
        self._large = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        self._stage = _stage()
        self._stage.make_room(*self._large)

    def render(self, scene: Scene, *, with_masks: bool = True) -> RenderedClip:
        """The clip of the scene: `scene.frames` frames at 8 a second, the same pixels for the same record.

        Without masks it is quicker, and masks_THW has no frames.
        """
        aspect = self.width / self.height
        film, stage = simulate(scene, aspect), self._stage
        setting, is_drawn = under_weather(setting_of(scene), scene), scene.style == "drawn"
        setting = as_drawing(setting) if is_drawn else setting
        stage.set_sky(setting.light)
        stage.set_shading(flat=is_drawn)
        drawn = _DrawList(stage)
        drawn.add_still(setting.parts)
        shade = np.asarray(setting.ground) * (0.8 if is_drawn else 0.55)
        for thing, track in zip(film.things, floating(film, scene), strict=True):
            drawn.add_thing(thing, track, setting.light.subject_tint, shade)
        flakes = falling(scene, aspect)
        if flakes:
            drawn.add_falling(flakes, film)
        frames = np.empty((scene.frames, self.height, self.width, 3), np.uint8)
        needs_masks = with_masks or is_drawn  # outlines follow the masks
        masks = np.empty((scene.frames if needs_masks else 0, self.height, self.width), np.uint8)
        for k in range(scene.frames):
            drawn.pose(k)
            stage.set_camera(*view(film.shot, k, aspect, scene.world), aspect)
            big = stage.draw(*self._large, "SKYBOX", "CULL_FACE")
            if needs_masks:
                coded = stage.draw(self.height, self.width, "SEGMENT", "IDCOLOR", "CULL_FACE")
                masks[k] = np.maximum(coded[::-1, :, 0], 1) - 1
            if is_drawn:
                big = self._outlined(big, masks[k, ::-1], drawn)
            frames[k] = np.asarray(Image.fromarray(big).reduce(SUPERSAMPLING))[::-1]
        return RenderedClip(frames, masks if with_masks else masks[:0])

    def _outlined(self, big: np.ndarray, mask: np.ndarray, drawn: _DrawList) -> np.ndarray:
        """The large picture with outlines; what falls has none, and lies over those of the rest."""
        mask, depth = mask.repeat(SUPERSAMPLING, 0).repeat(SUPERSAMPLING, 1), np.empty(self._large, np.float32)
        with drawn.without_falling():
            bare = self._stage.draw(*self._large, "SKYBOX", "CULL_FACE", depth_HW=depth)
        lined = outlined(bare, depth, mask)
        return np.where((big != bare).any(axis=-1, keepdims=True), big, lined)


class _Stage:
    """MuJoCo's drawing side: the GL context, the model of meshes and sky, and the list of geoms that is drawn."""

    def __init__(self, mujoco: Any):
        self.mujoco = mujoco
        self._size = [512, 512]
        self._context = mujoco.GLContext(*self._size)
        self._context.make_current()
        self._model = _compile(mujoco)
        self._gl = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._gl)
        self.scene = _empty_scene(mujoco, self._model)
        self.meshes = _mesh_frames(mujoco, self._model)
        self._light: Light | None = None

    def close(self) -> None:
        self._gl.free()
        self._context.free()

    def make_room(self, height: int, width: int) -> None:
        """Makes the picture that is drawn into at least so large."""
        if height > self._size[1] or width > self._size[0]:
            self._size = [max(width, self._size[0]), max(height, self._size[1])]
            self.mujoco.mjr_resizeOffscreen(*self._size, self._gl)

    def draw(self, height: int, width: int, *flags: str, depth_HW: np.ndarray | None = None) -> np.ndarray:
        """The picture (height, width, 3) uint8 of the geoms with these flags of mjtRndFlag, its last row on top.

        depth_HW: float32, to be filled with what the graphics card has for depth.
        """
        self.scene.flags[:] = 0
        for flag in flags:
            self.scene.flags[getattr(self.mujoco.mjtRndFlag, f"mjRND_{flag}")] = 1
        pixels = np.empty((height, width, 3), np.uint8)
        part_of_screen = self.mujoco.MjrRect(0, 0, width, height)
        self.mujoco.mjr_render(part_of_screen, self.scene, self._gl)
        self.mujoco.mjr_readPixels(pixels, depth_HW, part_of_screen, self._gl)
        return pixels

    def set_camera(self, eye: np.ndarray, forward: np.ndarray, up: np.ndarray, aspect: float) -> None:
        near, half = 0.15, np.tan(FIELD_OF_VIEW / 2)
        for camera in self.scene.camera:
            camera.pos, camera.forward, camera.up = eye, forward, up
            camera.frustum_near, camera.frustum_far = near, 80.0
            camera.frustum_bottom, camera.frustum_top = -near * half, near * half
            camera.frustum_center, camera.frustum_width = 0.0, near * half * aspect

    def set_sky(self, light: Light) -> None:
        if light != self._light:
            self._model.tex_data[:] = _sky(light).ravel()
            self.mujoco.mjr_uploadTexture(self._model, self._gl, 0)
            self._light = light

    def set_shading(self, *, flat: bool) -> None:
        """flat: every side of a thing has the same colour, as in a drawing."""
        light = self.scene.lights[0]
        light.ambient, light.diffuse = ((1.0,) * 3, (0.0,) * 3) if flat else (AMBIENT, DIFFUSE)


@cache
def _stage() -> _Stage:
    stage = _Stage(_load_mujoco())
    atexit.register(stage.close)  # left to the garbage collector, OSMesa complains at exit
    return stage


class _DrawList:
    """The geoms of a scene: what stands still is written once, what moves is written at each frame."""

    def __init__(self, stage: _Stage):
        self._mujoco, self._scene, self._meshes = stage.mujoco, stage.scene, stage.meshes
        self._scene.ngeom = 0
        self.falling = 0
        self._views: list[tuple[Any, Any]] = []
        self._pos_TN3: list[np.ndarray] = []
        self._mat_TN33: list[np.ndarray] = []

    def add_still(self, parts: list[Part]) -> None:
        for p in parts:
            geom = self._new(p, p.tone, segment=0 if p.pos[1] < HIDES_UP_TO else -1)
            pos, mat = self._placed(p, p.pos, p.mat)
            geom.pos[:], geom.mat[:] = pos, mat

    def add_thing(self, thing: Thing, track: Track, tint, shade: np.ndarray) -> None:
        """The thing's parts and their shadows, with their poses at every frame."""
        parts = parts_of(thing.look)
        rgb = {name: np.multiply(c, tint) for name, c in thing.look.tones(thing.subject.colour).items()}
        posed = [self._placed(p, *_posed(p, thing, track)) for p in parts]
        pos_TN3, mat_TN33 = (np.stack([one[i] for one in posed], axis=1) for i in (0, 1))
        for p in parts:
            colour = rgb[p.tone] if isinstance(p.tone, str) else np.multiply(p.tone, tint)
            self._view(self._new(p, colour, segment=0 if p.prop else thing.record + 1))
        flat = np.eye(3)
        flat[:, 2] = -LIGHT / LIGHT[2]
        flat[2, 2] = 1e-3
        dark = [
            replace(p, shape=COARSE.get(p.shape, p.shape), emission=0.0) for p in parts if max(p.size) > SHADOW_FROM
        ]
        posed = [self._placed(p, *_posed(p, thing, track)) for p in dark]
        shadow_TN3, shadow_TN33 = (np.stack([one[i] for one in posed], axis=1) for i in (0, 1))
        for p in dark:
            self._view(self._new(p, shade, segment=-1))
        self._pos_TN3 += [pos_TN3, shadow_TN3 @ flat.T + (0, 0, 0.012)]
        self._mat_TN33 += [mat_TN33, flat @ shadow_TN33]

    def add_falling(self, flakes: Falling, film: Film) -> None:
        """What falls; it is seen through in the masks."""
        self.falling = len(flakes.start_N3)
        for _ in flakes.start_N3:
            self._view(self._new(flakes.part, flakes.part.tone, segment=-1))
        places = [flakes.at(*at) for at in zip(film.clock_T, film.shot.orbit_T, strict=True)]
        self._pos_TN3.append(np.stack(places))
        self._mat_TN33.append(np.broadcast_to(flakes.part.mat, (len(places), len(flakes.start_N3), 3, 3)))

    @contextmanager
    def without_falling(self) -> Iterator[None]:
        """What falls is last in the list, so it is left out by a shorter one."""
        self._scene.ngeom -= self.falling
        yield
        self._scene.ngeom += self.falling

    def pose(self, k: int) -> None:
        if not self._views:
            return
        pos_N3 = np.concatenate([p[k] for p in self._pos_TN3]).astype(np.float32)
        mat_N33 = np.concatenate([m[k] for m in self._mat_TN33]).astype(np.float32)
        for (pos, mat), new_pos, new_mat in zip(self._views, pos_N3, mat_N33, strict=True):
            pos[:] = new_pos
            mat[:] = new_mat

    def _view(self, geom: Any) -> None:
        self._views.append((geom.pos, geom.mat))

    def _new(self, p: Part, colour, *, segment: int) -> Any:
        mujoco, scene = self._mujoco, self._scene
        geom = scene.geoms[scene.ngeom]
        kind = mujoco.mjtGeom.mjGEOM_MESH if p.shape in MESHES else getattr(mujoco.mjtGeom, f"mjGEOM_{p.shape.upper()}")
        rgba = np.array((*colour, 1.0), np.float32)
        size = np.array((p.size[0], p.size[2], 0) if p.shape in ("cylinder", "capsule") else p.size, float)
        mujoco.mjv_initGeom(geom, kind, size, np.zeros(3), np.eye(3).ravel(), rgba)
        geom.segid, geom.objid = segment, 0
        geom.emission = p.emission
        geom.specular, geom.shininess, geom.reflectance = 0.0, 0.0, 0.0
        if p.shape in MESHES:
            geom.dataid = self._meshes[p.shape][0]
        scene.ngeom += 1
        return geom

    def _placed(self, p: Part, pos: np.ndarray, mat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position and matrix as MuJoCo draws them: it knows meshes by their own principal axes, without a size."""
        if p.shape not in MESHES:
            return pos, mat
        _, mesh_pos, mesh_mat = self._meshes[p.shape]
        sized = mat * np.asarray(p.size)
        return pos + sized @ mesh_pos, sized @ mesh_mat


def _posed(p: Part, thing: Thing, track: Track) -> tuple[np.ndarray, np.ndarray]:
    """World positions (T, 3) and matrices (T, 3, 3) of the part over the track; the matrices carry the scale."""
    pos_T3 = np.broadcast_to(p.pos, (len(track.swing_T), 3))
    mat_T33 = np.broadcast_to(p.mat, (len(track.swing_T), 3, 3))
    if p.joint is not None:
        j = p.joint
        angle_T = track.roll_T if j.roll else track.gait_T * j.amplitude * np.sin(track.swing_T + j.offset)
        angle_T = angle_T + track.gait_T * j.lift
        bend_T33 = rotation(j.axis, angle_T)
        pos_T3 = np.einsum("tij,j->ti", bend_T33, p.pos - j.pivot) + j.pivot
        mat_T33 = bend_T33 @ p.mat
    frame_T33 = track.turn_T33 * (track.squash_T3 * thing.scale)[:, None, :]
    centred_T3 = pos_T3 - (0, 0, 0.5)
    return np.einsum("tij,tj->ti", frame_T33, centred_T3) + track.centre_T3, frame_T33 @ mat_T33


@cache
def _sky(light: Light) -> np.ndarray:
    """Six faces of a sky whose colour depends on height alone, in MuJoCo's order: right, left, up, down, front, back."""
    n = SKY_SIDE
    v, u = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    height = -v / np.sqrt(1 + u * u + v * v)  # of a side face, its first row on top
    up = 1 / np.sqrt(1 + u * u + v * v)
    faces = np.stack([height, height, up, -up, height, height])
    share = np.clip(faces / 0.30, 0, 1)[..., None]
    colour = np.asarray(light.horizon) * (1 - share) + np.asarray(light.zenith) * share
    return (colour * 255).round().astype(np.uint8)


def _load_mujoco() -> Any:
    """MuJoCo with a GL back end chosen: the one that MUJOCO_GL names, else the first of EGL and OSMesa that works."""
    try:
        if "MUJOCO_GL" not in os.environ:
            os.environ["MUJOCO_GL"] = "egl" if _has_egl() else "osmesa"
        import mujoco

        return mujoco
    except ImportError as error:
        raise RendererUnavailable(
            "The diorama needs MuJoCo: install the extra 'world' (pip install -e .[world])."
        ) from error
    except Exception as error:
        raise RendererUnavailable(
            f"MuJoCo finds no way to draw without a screen ({error}): install libegl1 or libosmesa6, or set MUJOCO_GL."
        ) from error


def _has_egl() -> bool:
    import ctypes.util

    return ctypes.util.find_library("EGL") is not None


def _compile(mujoco: Any) -> Any:
    """The model that every clip shares: the meshes and a sky to paint; nothing stands in it."""
    meshes = "".join(
        f'<mesh name="{name}" vertex="{" ".join(f"{x:.6g}" for x in corners.ravel())}"{_faces(name)}/>'
        for name, corners in MESHES.items()
    )
    used = "".join(f'<geom type="mesh" mesh="{name}" pos="0 0 -9" contype="0" conaffinity="0"/>' for name in MESHES)
    return mujoco.MjModel.from_xml_string(
        f"""<mujoco><visual><global offwidth="512" offheight="512"/>
        <quality shadowsize="0" offsamples="0" numslices="10" numstacks="6"/></visual>
        <asset><texture type="skybox" builtin="flat" rgb1="0 0 0" rgb2="0 0 0" width="{SKY_SIDE}" height="{6 * SKY_SIDE}"/>
        {meshes}</asset><worldbody>{used}</worldbody></mujoco>"""
    )


def _faces(name: str) -> str:
    """The triangles of a mesh that is not convex; MuJoCo finds those of the others."""
    return f' face="{" ".join(map(str, FACES[name].ravel()))}"' if name in FACES else ""


def _empty_scene(mujoco: Any, model: Any) -> Any:
    """A list of geoms with one light from the upper left, behind the viewer."""
    scene = mujoco.MjvScene(model, maxgeom=MAX_GEOMS)
    scene.nlight = 1
    light = scene.lights[0]
    light.type, light.castshadow, light.headlight = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, 0, 0
    light.pos, light.dir, light.attenuation = -10 * LIGHT, LIGHT, (1, 0, 0)
    light.ambient, light.diffuse, light.specular = AMBIENT, DIFFUSE, (0.0,) * 3
    return scene


def _mesh_frames(mujoco: Any, model: Any) -> dict[str, tuple[int, np.ndarray, np.ndarray]]:
    """For each mesh: its id in a list of geoms, and the frame that MuJoCo moved its corners from."""
    frames = {}
    for name in MESHES:
        index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MESH, name)
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, model.mesh_quat[index])
        frames[name] = (2 * index, model.mesh_pos[index].copy(), matrix.reshape(3, 3))
    return frames
