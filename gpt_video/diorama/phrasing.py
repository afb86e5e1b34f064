"""Other ways to say what a scene shows: lists of keywords, other word orders, rambling, one name for what all do together.

Enters: a `Scene` of the wide world and a `Voice`. Leaves: a caption. Like every caption it is true of the scene, and leaves out
what it likes; unlike those of sentences.py it keeps no order, so that a model learns what the words mean, and not where they stand.
"""

from __future__ import annotations

from gpt_video.diorama.grammar import Noun, Voice
from gpt_video.diorama.scene import Scene
from gpt_video.diorama.sentences import (
    KEYWORD,
    bare,
    caption,
    circumstances_of,
    joined,
    named,
    said_of,
    said_of_scene,
    twins,
)

ANIMALS = frozenset({"dog", "cat", "horse", "mammoth", "bear"})
SHARES = {"sentence": 52, "keywords": 14, "reordered": 14, "rambling": 14, "drawing": 6}


def wide_caption(scene: Scene, speaker: Voice) -> str:
    """One caption, in one of the manners of `SHARES`."""
    manner = speaker.rng.choices(list(SHARES), list(SHARES.values()))[0]
    if manner == "drawing" and scene.style == "drawn":
        return _drawing(scene, speaker)
    if _activity_of_all(scene) and speaker.chance(0.4):
        return _together(scene, speaker)
    if manner == "keywords":
        return _keywords(scene, speaker)
    if manner == "reordered":
        return _reordered(scene, speaker)
    if manner == "rambling":
        return _rambling(scene, speaker)
    if scene.style == "drawn" and speaker.chance(0.4):
        return _drawing(scene, speaker)
    return caption(scene, speaker)


def _keywords(scene: Scene, speaker: Voice) -> str:
    """ "night, neon signs, red woman, city": in any order, with or without commas."""
    said = said_of_scene(scene, speaker)
    words = [KEYWORD.sub("", c) if speaker.chance(0.7) else c for c in circumstances_of(scene, said, speaker)]
    words += [speaker.pick(name, getattr(scene, name)) for name in ("camera", "style") if name in said]
    topic = scene.subjects[0]
    if len(scene.subjects) == 1 and topic.action not in ("still", "into") and scene.frames > 1 and speaker.chance(0.6):
        words.append(speaker.action(topic, speaker.noun(topic), scene.place, "base"))
    words.append(bare(scene, speaker))
    speaker.rng.shuffle(words)
    separator = speaker.rng.choices((", ", " ", "; ", " - "), (60, 20, 10, 10))[0]
    return speaker.finish(separator.join(words))


def _what_happens(scene: Scene, speaker: Voice) -> tuple[str, str, Noun]:
    """The subjects as a noun phrase, what the first of them does as a finite clause ("" if nothing is said), and its noun."""
    topic, *others = scene.subjects
    noun, own = speaker.noun(topic), said_of(topic, scene, speaker)
    colour = {"colour"} if twins(scene) else set()
    names = [
        speaker.noun_phrase(topic, noun, "a", own | colour)
        if "action" in own
        else named(topic, noun, "a", own | colour, speaker)
    ]
    names += [
        named(s, speaker.noun(s), "a", {"colour"} | (said_of(s, scene, speaker) - {"action"}), speaker) for s in others
    ]
    action = ""
    if "action" in own and topic.action == "into":
        action = speaker.action(topic, noun, scene.place, "finite", speed="speed" in own, other=names[1])
        action += f", {speaker.pick('joint', 'with')} {names[2]}" if len(names) > 2 else ""
        names = names[:1]
    elif "action" in own:
        action = speaker.action(topic, noun, scene.place, "finite", speed="speed" in own)
    return joined(names, speaker), action, noun


def _reordered(scene: Scene, speaker: Voice) -> str:
    """The circumstances first, or around: "at night it is raining: a red dog jumps in the city"."""
    said = said_of_scene(scene, speaker)
    name, action, _ = _what_happens(scene, speaker)
    around = circumstances_of(scene, said - {"weather"}, speaker)
    around += [speaker.pick(part, getattr(scene, part)) for part in ("camera", "style") if part in said]
    speaker.rng.shuffle(around)
    cut = speaker.rng.randint(0, len(around))
    before, after = around[:cut], around[cut:]
    if "weather" in said:
        clause = speaker.pick("weather clause", scene.weather)
        (before if speaker.chance(0.6) else after).append(clause)
    is_single = len(scene.subjects) == 1 or scene.subjects[0].action == "into"
    core = f"{name} {action}".strip() if is_single else name
    colon = speaker.rng.choice((", ", ": ", ". ")) if before else ""
    text = ", ".join(before) + colon + (_capital(core) if colon == ". " else core)
    return speaker.finish(", ".join([text, *after]))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _rambling(scene: Scene, speaker: Voice) -> str:
    """A long sentence of somebody who thinks while typing."""
    words, said = speaker.words, said_of_scene(scene, speaker)
    name, action, noun = _what_happens(scene, speaker)
    opener = speaker.rng.choice(words["ramble opener"]["np"])
    if len(scene.subjects) > 1 and opener.endswith((" de {}", " à {}")):  # would have to be said before each of them
        opener = "{}"
    clauses = []
    if action and (len(scene.subjects) == 1 or scene.subjects[0].action == "into"):
        they = speaker.pronouns(noun)["they"]
        clauses.append(speaker.rng.choice(words["ramble clause"]["action"]).format(they=they, finite=action))
    rest = []
    for part in ("place", "time", "camera", "style"):
        if part in said:
            template = speaker.rng.choice(words["ramble clause"][part])
            rest.append(template.format(speaker.pick(part, getattr(scene, part))))
    if "weather" in said:
        template = speaker.rng.choice(words["ramble clause"]["weather"])
        rest.append(template.format(speaker.pick("weather clause", scene.weather)))
    speaker.rng.shuffle(rest)
    clauses += rest
    if speaker.chance(0.4):
        clauses.append(speaker.rng.choice(words["ramble closer"]["any"]))
    return speaker.finish(", ".join([opener.format(name), *clauses]))


def _drawing(scene: Scene, speaker: Voice) -> str:
    """ "A cartoon of a red dog running in the snow"."""
    said = said_of_scene(scene, speaker)
    request = speaker.pick("request", "drawn")
    if len(scene.subjects) > 1:
        name = _what_happens(scene, speaker)[0]
        request = "{}, " + speaker.pick("style", "drawn") if request.endswith(" de {}") else request
    else:
        topic = scene.subjects[0]
        noun, own = speaker.noun(topic), said_of(topic, scene, speaker)
        name = named(topic, noun, "a", own, speaker)
        if "action" in own:
            name += " " + speaker.action(topic, noun, scene.place, "modifier", speed="speed" in own)
    camera = [speaker.pick("camera", scene.camera)] if "camera" in said else []
    text = request.format(" ".join([name, *circumstances_of(scene, said, speaker)]))
    return speaker.finish(", ".join([text, *camera]))


def _activity_of_all(scene: Scene) -> str:
    """What several do at once: "bicycle" (a cyclist rides too), "podcast", or ""."""
    doing = {"bicycle" if s.kind == "cyclist" else s.activity for s in scene.subjects}
    ways = {s.action for s in scene.subjects}
    if sum(s.count for s in scene.subjects) < 2 or len(doing) > 1 or len(ways) > 1:
        return ""
    activity = doing.pop()
    if activity == "bicycle":
        return "" if ways == {"still"} and scene.frames > 1 else activity
    return activity if activity == "podcast" else ""


def _together(scene: Scene, speaker: Voice) -> str:
    """ "A bicycle race with a dog and a bear on the ocean, filmed by a drone"."""
    activity, said = _activity_of_all(scene), said_of_scene(scene, speaker)
    if all(s.kind in ANIMALS for s in scene.subjects) and speaker.chance(0.35):
        text = speaker.pick("together", f"{activity} animals")
    else:
        names = [
            speaker.noun_phrase(s, speaker.noun(s), "a", {"colour"} if twins(scene) or speaker.chance(0.7) else set())
            for s in scene.subjects
        ]
        text = speaker.pick("together", activity).format(joined(names, speaker))
    around = circumstances_of(scene, said, speaker)
    tail = [speaker.pick(part, getattr(scene, part)) for part in ("camera", "style") if part in said]
    if around and speaker.chance(0.2):
        text = f"{around[0]}, {text}"
        around = around[1:]
    text = " ".join([text, *around])
    return speaker.finish(", ".join([text, *tail]))
