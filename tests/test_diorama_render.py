"""Laws of the renderer: the same record gives the same pixels, an edit changes what it names, subjects are large enough."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gpt_video.diorama.layout import layout
from gpt_video.diorama.motion import simulate
from gpt_video.diorama.render import RenderedClip, Renderer, RendererUnavailable
from gpt_video.diorama.scene import (
    ACTIONS,
    CAMERAS,
    KINDS,
    PLACES,
    SPEEDS,
    TIMES,
    Scene,
    Subject,
    allowed,
    from_json,
    to_json,
)

RED_DOG = Scene((Subject("dog", "red"),), layout_seed=5, frames=1)


@cache
def renderer(height: int = 128, width: int = 128) -> Renderer:
    try:
        return Renderer(height, width)
    except RendererUnavailable as error:
        pytest.skip(f"no GL back end for MuJoCo: {error}")


def render(scene: Scene, height: int = 128, width: int = 128) -> RenderedClip:
    return renderer(height, width).render(scene)


def heights(mask_HW: np.ndarray, record: int = 1) -> float:
    """The height of the record's mask as a share of the frame's."""
    rows = np.flatnonzero((mask_HW == record).any(axis=1))
    return 0.0 if len(rows) == 0 else (rows[-1] + 1 - rows[0]) / len(mask_HW)


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask (..., H, W) with a border of `by` pixels around it."""
    height, width = mask.shape[-2:]
    wide = np.pad(mask, [(0, 0)] * (mask.ndim - 2) + [(by, by), (by, by)])
    steps = range(2 * by + 1)
    return np.any([wide[..., y : y + height, x : x + width] for y in steps for x in steps], axis=0)


def test_a_scene_survives_json():
    scene = replace(RED_DOG, before=replace(RED_DOG, frames=9), frames=8, camera="pan left")
    assert from_json(to_json(scene)) == scene


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"place": "moon"}, "moon"),
        ({"frames": 32}, "1 \\+ 4k"),
        ({"relation": "behind"}, "two subjects"),
        ({"subjects": (Subject("dog", "red", count=3), Subject("cube", "blue"))}, "4 things"),
        ({"subjects": ()}, "0 things"),
    ],
)
def test_a_wrong_scene_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(RED_DOG, **changes)


def test_a_wrong_subject_or_record_is_named():
    with pytest.raises(ValueError, match="unicorn"):
        Subject("unicorn", "red")
    with pytest.raises(ValueError, match="what to_json wrote"):
        from_json({"subjects": [{"kind": "dog"}]})


def test_trees_stay_where_they_are():
    assert not allowed("tree", "left") and allowed("tree", "spin") and allowed("car", "ocean")


@pytest.mark.parametrize("size", [(8, 128), (128, 4096)])
def test_a_size_that_cannot_be_drawn_is_named(size):
    with pytest.raises(ValueError, match=str(size[1])):
        Renderer(*size)


def test_the_same_record_gives_the_same_pixels_whatever_was_drawn_before():
    scene = replace(RED_DOG, frames=5, subjects=(Subject("ball", "blue", action="bounce"),))
    once = render(scene)
    render(replace(RED_DOG, place="city street", time="night"))
    render(RED_DOG, 96, 160)
    again = render(scene)
    assert np.array_equal(once.frames_THWC, again.frames_THWC) and np.array_equal(once.masks_THW, again.masks_THW)
    assert once.frames_THWC.shape == (5, 128, 128, 3) and once.masks_THW.shape == (5, 128, 128)


@pytest.mark.parametrize("style", ["plain", "drawn"])
def test_without_masks_the_pixels_are_the_same(style):
    scene = replace(RED_DOG, world="wide", style=style, frames=5)
    bare = Renderer(64, 64).render(scene, with_masks=False)
    assert np.array_equal(bare.frames_THWC, Renderer(64, 64).render(scene).frames_THWC)
    assert bare.masks_THW.shape == (0, 64, 64)


@pytest.mark.parametrize("shape", [(128, 128), (96, 160), (160, 96)])
def test_every_kind_is_seen_large_enough_and_differs_from_the_others(shape):
    pictures = []
    for kind in KINDS:
        clip = render(replace(RED_DOG, subjects=(Subject(kind, "red", "small"),)), *shape)
        assert heights(clip.masks_THW[0]) >= 0.4, kind
        pictures.append(clip.frames_THWC[0].astype(int))
    for i, one in enumerate(pictures):
        assert all(np.abs(one - other).mean() > 1.5 for other in pictures[:i]), KINDS[i]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_topic_stays_large_while_it_acts(action):
    for kind in ("dog", "woman", "ball"):
        scene = replace(RED_DOG, subjects=(Subject(kind, "red", "medium", action, "fast"),), frames=17)
        assert min(heights(mask) for mask in render(scene).masks_THW[::4]) >= 0.4, kind


def test_two_and_three_things_are_seen_large_enough():
    pair = (Subject("cube", "red"), Subject("woman", "blue"))
    trio = (*pair, Subject("cone", "yellow"))
    for subjects in (pair, trio):
        clip = render(replace(RED_DOG, subjects=subjects))
        assert min(heights(clip.masks_THW[0], i + 1) for i in range(len(subjects))) >= 0.3


def test_left_of_and_behind_are_seen():
    pair = (Subject("cube", "red"), Subject("woman", "blue"))
    for seed in range(4):
        masks = [render(replace(RED_DOG, subjects=pair, relation=r, layout_seed=seed)).masks_THW[0] for r in
                 ("left of", "behind")]  # fmt: skip
        centres = [np.argwhere(masks[0] == i).mean(axis=0)[1] for i in (1, 2)]
        assert centres[0] < centres[1]
        feet = [np.argwhere(masks[1] == i)[:, 0].max() for i in (1, 2)]
        assert feet[0] < feet[1]


@pytest.mark.parametrize("change", [{"colour": "blue"}, {"kind": "robot"}, {"size": "large"}, {"action": "jump"}])
def test_an_edit_of_the_subject_leaves_the_background_as_it_was(change):
    before = replace(RED_DOG, frames=5)
    after = replace(before, subjects=(replace(before.subjects[0], **change),))
    one, two = render(before), render(after)
    # Shadows, to the right, and the pixels on the edge of a mask may differ.
    outside = ~grown(one.masks_THW > 0, 2) & ~grown(two.masks_THW > 0, 2)
    outside[:, :, 64:] &= np.arange(128)[:, None] < 60
    assert outside.mean() > 0.2
    assert np.array_equal(one.frames_THWC[outside], two.frames_THWC[outside])


def test_an_edit_of_the_colour_leaves_everything_else_as_it_was():
    after = replace(RED_DOG, subjects=(Subject("dog", "blue"),))
    one, two = render(RED_DOG), render(after)
    assert np.array_equal(one.masks_THW, two.masks_THW)
    changed = (one.frames_THWC != two.frames_THWC).any(axis=-1) & (one.masks_THW == 0)
    assert changed.mean() < 0.02  # pixels that a subject shares with what is behind it


def test_edits_of_time_and_place_leave_the_subject_where_it_was():
    for change in ({"time": "night"}, {"place": "snow"}):
        assert np.array_equal(render(RED_DOG).masks_THW > 0, render(replace(RED_DOG, **change)).masks_THW > 0)


def test_places_and_times_differ_and_every_subject_stands_out():
    for time in TIMES:
        for place in PLACES:
            for colour in ("white", "black", "green"):
                clip = render(replace(RED_DOG, subjects=(Subject("cone", colour),), place=place, time=time))
                frame, mask = clip.frames_THWC[0].astype(float), clip.masks_THW[0] > 0
                ring = grown(mask, 3) & ~mask
                assert np.abs(frame[mask].mean(axis=0) - frame[ring].mean(axis=0)).max() > 25, (time, place, colour)


@pytest.mark.parametrize("camera", [c for c in CAMERAS if c != "still"])
def test_a_camera_that_moves_changes_the_view_and_keeps_the_subject(camera):
    scene = replace(RED_DOG, camera=camera, frames=33)
    clip = render(scene)
    assert all((mask > 0).mean() > 0.08 for mask in clip.masks_THW)
    still = render(replace(scene, camera="still"))
    assert np.abs(clip.frames_THWC[-1].astype(int) - still.frames_THWC[-1]).mean() > 1 or camera == "zoom out"
    if camera != "from above":
        assert np.abs(clip.frames_THWC[-1].astype(int) - clip.frames_THWC[0]).mean() > 5


@pytest.mark.parametrize(("action", "sign"), [("left", -1), ("right", 1)])
def test_what_moves_goes_there_and_faster_goes_further(action, sign):
    ways = []
    for speed in SPEEDS:
        scene = replace(RED_DOG, subjects=(Subject("car", "red", action=action, speed=speed),), frames=33)
        x_T = simulate(scene, 1.0).tracks[0].centre_T3[:, 0]
        ways.append(sign * (x_T[-1] - x_T[0]))
    assert ways[0] > 0.1 and ways[1] > 1.6 * ways[0] and ways[2] > 1.6 * ways[1]


def test_a_fall_comes_down_and_a_bounce_comes_up_again():
    for action in ("fall", "bounce"):
        scene = replace(RED_DOG, subjects=(Subject("ball", "red", action=action),), frames=33)
        z_T = simulate(scene, 1.0).tracks[0].centre_T3[:, 2]
        assert z_T[0] > z_T.min() + 0.4
        assert (z_T[12:].max() > z_T.min() + 0.15) == (action == "bounce")


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_tree_that_falls_lies_down(size):
    scene = Scene((Subject("tree", "green", size, "fall", count=2),))
    assert all(track.turn_T33[-1, 2, 2] < 0.3 for track in simulate(scene, 1.0).tracks)


def test_a_rolling_ball_pushes_a_cube():
    scene = Scene((Subject("ball", "red", action="right", speed="fast"), Subject("cube", "blue")), relation="left of")
    cube = simulate(scene, 1.0).tracks[1].centre_T3
    assert cube[-1, 0] > cube[0, 0] + 0.05


@pytest.mark.parametrize("action", ["left", "jump", "spin", "fall", "closer"])
def test_a_continuation_begins_where_its_parent_ended(action):
    parent = replace(RED_DOG, subjects=(Subject("dog", "red", action=action),), camera="zoom in", frames=17)
    child = replace(parent, subjects=(Subject("dog", "red"),), camera="still", before=parent, frames=4)
    last, first = render(parent).frames_THWC[-1].astype(int), render(child).frames_THWC[0].astype(int)
    assert len(render(child).frames_THWC) == 4
    other = render(replace(RED_DOG, subjects=(Subject("dog", "red", action=action),))).frames_THWC[0].astype(int)
    assert np.abs(last - first).mean() < 0.6 * np.abs(other - first).mean()


def test_sizes_can_be_told_apart():
    small, medium, large = (
        heights(render(replace(RED_DOG, subjects=(Subject("dog", "red", size),))).masks_THW[0])
        for size in ("small", "medium", "large")
    )
    assert small * 1.12 < medium and medium * 1.12 < large


def test_an_added_thing_leaves_the_sides_of_the_layout():
    one = layout(RED_DOG, 1.0)
    two = layout(replace(RED_DOG, subjects=(*RED_DOG.subjects, Subject("tree", "green"))), 1.0)
    assert (one[0].side, one[0].jitter, one[0].phase) == (two[0].side, two[0].jitter, two[0].phase)
