"""Sentences about a scene: a caption at several levels of detail, of noun phrases, actions and circumstances.

Enters: a `Scene` and a `Voice`. Leaves: one caption, and the phrases that phrasing.py makes other sentences of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gpt_video.diorama.grammar import Noun, Voice
from gpt_video.diorama.scene import Scene, Subject
from gpt_video.diorama.world import CORE, MOVES

# How often an attribute is said: when it is not the usual value, and when it is.
_SAID_OF_SCENE = {
    "place": ("", 0.90, 0.0),
    "time": ("day", 0.90, 0.15),
    "camera": ("still", 0.92, 0.06),
    "relation": (None, 0.85, 0.0),
}
_SAID_OF_WIDE_SCENE = {"weather": ("clear", 0.92, 0.05), "style": ("plain", 0.94, 0.01)}
_SAID_OF_SUBJECT = {
    "colour": ("", 0.93, 0.0),
    "size": ("medium", 0.88, 0.04),
    "action": ("still", 0.92, 0.30),
    "speed": ("normal", 0.88, 0.05),
}
# What stands before the noun of a place or a time.
KEYWORD = re.compile(
    r"^(?!in the middle|au milieu)(?:(?:in|on|at|by|dans|sur|en|au|de) )?(?:(?:the|a|le|la|un|une) |l')?"
)
BARE_SHARE = 0.08  # captions that are no more than "red ball"


def said_of_scene(scene: Scene, speaker: Voice) -> set[str]:
    """The attributes of the scene that are said this time."""
    table = _SAID_OF_SCENE if scene.world == CORE.name else _SAID_OF_SCENE | _SAID_OF_WIDE_SCENE
    return _said(scene, table, scene.frames, speaker)


def said_of(subject: Subject, scene: Scene, speaker: Voice) -> set[str]:
    """The attributes of the subject that are said this time; whoever is busy is seldom named without it."""
    said = _said(subject, _SAID_OF_SUBJECT, scene.frames, speaker)
    if subject.activity != "none" and scene.frames > 1 and speaker.chance(0.9):
        said.add("action")
    return said


def _said(record: Scene | Subject, table: Mapping[str, tuple], frames: int, speaker: Voice) -> set[str]:
    said = {
        name
        for name, (usual, rare, often) in table.items()
        if speaker.chance(often if getattr(record, name) == usual else rare)
    }
    if frames == 1:  # nothing moves in a still
        said -= {"action"} | (set() if getattr(record, "camera", "") == "from above" else {"camera"})
    return said


def caption(scene: Scene, speaker: Voice) -> str:
    """One sentence, or a few words."""
    if speaker.chance(BARE_SHARE):
        return speaker.tidy(bare(scene, speaker))
    said = said_of_scene(scene, speaker)
    circumstances = circumstances_of(scene, said, speaker)
    camera = speaker.pick("camera", scene.camera) if "camera" in said else ""
    style = speaker.pick("style", scene.style) if "style" in said else ""
    if speaker.chance(0.07):  # "red ball, snow, at night"
        circumstances = [KEYWORD.sub("", c) if speaker.chance(0.6) else c for c in circumstances]
        separator = " " if speaker.chance(0.3) else ", "
        return speaker.finish(separator.join(filter(None, [bare(scene, speaker), *circumstances, camera, style])))
    owns = [said_of(subject, scene, speaker) for subject in scene.subjects]
    describe = _one if len(scene.subjects) == 1 else _several
    text = with_camera(describe(scene, said, owns, circumstances, speaker), camera, speaker)
    return speaker.finish(with_camera(text, style, speaker))


def circumstances_of(scene: Scene, said: set[str], speaker: Voice) -> list[str]:
    """Where, when and in what weather, as far as it is said."""
    circumstances = [speaker.pick("place", scene.place)] if "place" in said else []
    circumstances += [speaker.pick("time", scene.time)] if "time" in said else []
    if speaker.chance(0.2):
        circumstances.reverse()
    circumstances += [speaker.pick("weather", scene.weather)] if "weather" in said else []
    detail = f"{scene.place} {scene.time}"
    if detail in speaker.words.get("detail", ()) and speaker.chance(0.5):
        circumstances.append(speaker.pick("detail", detail))
    return circumstances


def bare(scene: Scene, speaker: Voice) -> str:
    article = "a" if speaker.chance(0.3) else ""
    names = []
    for subject in scene.subjects:
        said = {"colour"} if twins(scene) or speaker.chance(0.75) else set()
        names.append(named(subject, speaker.noun(subject), article, said, speaker))
    return joined(names, speaker)


def twins(scene: Scene) -> bool:
    """Whether two records are of one kind, so that only their colours tell them apart."""
    return len({subject.kind for subject in scene.subjects}) < len(scene.subjects)


def named(subject: Subject, noun: Noun, article: str, said: set[str], speaker: Voice) -> str:
    """The noun phrase, with what the subject is busy with where no verb will say it: "a bear on a bicycle"."""
    name = speaker.noun_phrase(subject, noun, article, said)
    if subject.activity != "none" and "action" not in said and speaker.chance(0.8):
        many = (f"{subject.activity} plural",) if noun.plural else ()
        return f"{name} {speaker.pick('activity', *many, subject.activity)}"
    return name


def joined(parts: list[str], speaker: Voice) -> str:
    *head, last = parts
    return f"{', '.join(head)} {speaker.pick('joint', 'and')} {last}" if head else last


def with_camera(text: str, camera: str, speaker: Voice) -> str:
    if not camera:
        return text
    if camera.startswith(("the camera", "la caméra")) and speaker.chance(0.4):
        return f"{text}. {camera[0].upper()}{camera[1:]}"
    in_front = speaker.chance(0.2) and not camera.startswith(("the camera", "la caméra"))
    return f"{camera}, {text}" if in_front else f"{text}, {camera}"


def set_in(text: str, circumstances: list[str], speaker: Voice) -> str:
    """The text with its place and time after it, or one of them before it."""
    if circumstances and speaker.chance(0.2):
        first, *circumstances = circumstances
        text = f"{first}, {text}"
    return " ".join([text, *circumstances])


def pictured(text: str, circumstances: list[str], scene: Scene, speaker: Voice) -> str:
    """A noun phrase in its circumstances, as it is or asked for: "show me a red ball in the snow"."""
    if speaker.chance(0.6):
        return set_in(text, circumstances, speaker)
    request = speaker.pick("request", "still" if scene.frames == 1 else "video")
    if request.endswith("de {}") and len(scene.subjects) > 1:  # "de" would have to be said before each of them
        request = "{}"
    return request.format(" ".join([text, *circumstances]))


def _one(scene: Scene, said: set[str], owns: list[set[str]], circumstances: list[str], speaker: Voice) -> str:
    (subject,), (own,) = scene.subjects, owns
    noun = speaker.noun(subject)
    name = named(subject, noun, "a", own, speaker)
    if "action" not in own:
        return pictured(name, circumstances, scene, speaker)
    weights = (8, 2, 8, 2 if subject.action != "still" else 0)
    form = speaker.rng.choices(("finite", "progressive", "modifier", "base"), weights)[0]
    if subject.action in MOVES and speaker.chance(0.15):  # it moves, whichever way
        action = speaker.inflect(speaker.verb(subject, scene.place), noun, form)
        if "place" in said and speaker.chance(0.7):  # "rolls across the snow"
            action = f"{action} {speaker.pick('across', scene.place)}"
            circumstances = [speaker.pick("time", scene.time)] if "time" in said else []
    else:
        action = speaker.action(subject, noun, scene.place, form, speed="speed" in own)
    if form == "base":
        verb, rest = speaker.split_verb(action)
        template = speaker.words["request"]["make"][-1] if verb == "faire" else speaker.pick("request", "make")
        text = template.format(np=name, base=action, verb=verb, rest=rest)
        return set_in(text.strip(), circumstances, speaker)
    if form == "modifier":
        return pictured(f"{name} {action}", circumstances, scene, speaker)
    return set_in(f"{name} {action}", circumstances, speaker)


def _several(scene: Scene, said: set[str], owns: list[set[str]], circumstances: list[str], speaker: Voice) -> str:
    subjects, nouns = scene.subjects, [speaker.noun(s) for s in scene.subjects]
    alike = twins(scene)
    names = [
        named(s, noun, "a", own | {"colour"} if alike else own, speaker)
        for s, noun, own in zip(subjects, nouns, owns, strict=True)
    ]
    acting = [
        i for i, s in enumerate(subjects) if "action" in owns[i] and (s.action != "still" or s.activity != "none")
    ]

    def act(i: int, form: str) -> str:
        return speaker.action(subjects[i], nouns[i], scene.place, form, speed="speed" in owns[i])

    if subjects[0].action == "into":
        return _colliding(scene, names, nouns, owns, circumstances, speaker)
    if "relation" in said:
        text = _related(scene, names, speaker)
    elif len(acting) == len(subjects) and len({(s.action, s.speed, s.activity) for s in subjects}) == 1:
        everybody = Noun("", all(n.feminine for n in nouns), plural=True)
        action = speaker.action(
            subjects[0],
            everybody,
            scene.place,
            "finite",
            speed="speed" in owns[0],
            generic=len({s.kind for s in subjects}) > 1,
        )
        return set_in(f"{joined(names, speaker)} {action}", circumstances, speaker)
    elif acting and speaker.chance(0.3):  # "a dog running to the left and a tree"
        names = [f"{name} {act(i, 'modifier')}" if i in acting else name for i, name in enumerate(names)]
        return pictured(joined(names, speaker), circumstances, scene, speaker)
    else:
        text = joined(names, speaker)
    text = pictured(text, circumstances, scene, speaker)
    if not acting:
        return text
    known = [
        speaker.noun_phrase(s, noun, "the", {"colour"} if alike else set())
        for s, noun in zip(subjects, nouns, strict=True)
    ]
    form = "progressive" if speaker.chance(0.2) else "finite"
    clauses = [f"{known[i]} {act(i, form)}" for i in acting]
    comma = speaker.rng.choice((", ", "; ", f", {speaker.pick('joint', 'and')} "))
    joint = f" {speaker.pick('joint', 'while')} "
    return text + comma + (joint.join(clauses) if len(clauses) < 3 else joined(clauses, speaker))


def _colliding(
    scene: Scene, names: list[str], nouns: list[Noun], owns: list[set[str]], circumstances: list[str], speaker: Voice
) -> str:
    """ "A red ball rolls into a blue cube"; the others stand by."""
    first, second, *rest = names
    form = speaker.rng.choices(("finite", "progressive", "modifier"), (6, 2, 3))[0]
    speed = "speed" in owns[0]
    action = speaker.action(scene.subjects[0], nouns[0], scene.place, form, speed=speed, other=second)
    text = f"{first} {action}"
    text += f", {speaker.pick('joint', 'with')} {rest[0]}" if rest else ""
    if form == "modifier":
        return pictured(text, circumstances, scene, speaker)
    return set_in(text, circumstances, speaker)


def _related(scene: Scene, names: list[str], speaker: Voice) -> str:
    """A relation as it stands, or seen from the other side: "a cube in front of a ball" for a ball behind a cube."""
    relation = scene.relation or ""
    first, second, *rest = names
    if speaker.chance(0.15):
        text = f"{second} {speaker.pick('inverse', relation)} {first}"
    else:
        text = f"{first} {speaker.pick('relation', relation)} {second}"
    return f"{text}, {speaker.pick('joint', 'with')} {rest[0]}" if rest else text
