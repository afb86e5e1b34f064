"""Every sentence of the page, in English and French.

The browser translates the widgets by itself (`WORDS` goes into gr.I18n whole); what the server writes comes from `say`, in
the language that the browser asked for, out of `WORDS` and the table in replies.py. What it refuses is a `Refusal`, which can
be said in both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from chat_app.replies import REPLIES

LANGUAGES = ("en", "fr")

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "tagline": "Describe a scene. The film appears frame by frame, made on this machine.",
        "prompt": "What happens in the video",
        "prompt_hint": "a red ball rolls across the snow",
        "action": "With this message",
        "new": "new video",
        "edit": "edit the last",
        "continue": "continue it",
        "shape": "Shape",
        "square": "square",
        "wide": "wide",
        "tall": "tall",
        "length": "Length",
        "still": "a still picture",
        "seed": "Seed",
        "seed_hint": "empty: another film each time",
        "advanced": "Advanced",
        "temperature": "Temperature",
        "temperature_hint": "lower: calmer; higher: more surprising",
        "guidance_scale": "Guidance",
        "guidance_scale_hint": "how closely the film follows the words; 1 switches it off",
        "top_p": "Top p",
        "top_p_hint": "keeps only the likeliest codes, up to this share",
        "generate": "Generate",
        "stop": "Stop",
        "examples": "Or start from one of these",
        "download": "Download the video",
        "settings_file": "Download its settings",
        "settings": "Settings of this video",
        "empty": "Your video appears here while it is being made.",
        "loading": "Loading the model…",
        "reading": "Reading your words…",
        "progress": "Frame {done} of {total}, {left} s left",
        "finished": "{n} frames in {took} s, seed {seed}.",
        "stopped": "Stopped: the {n} frames that were made are kept. Seed {seed}.",
        "stopped_early": "Stopped before the first frame.",
        "failed": "Nothing was made.",
        "no_video_yet": "There is no video to change or go on from yet: choose “new video” first.",
    },
    "fr": {
        "tagline": "Décrivez une scène. Le film apparaît image par image, fait sur cette machine.",
        "prompt": "Ce qui se passe dans la vidéo",
        "prompt_hint": "une balle rouge roule dans la neige",
        "action": "Avec ce message",
        "new": "nouvelle vidéo",
        "edit": "modifier la dernière",
        "continue": "la prolonger",
        "shape": "Format",
        "square": "carré",
        "wide": "large",
        "tall": "haut",
        "length": "Durée",
        "still": "une image fixe",
        "seed": "Graine",
        "seed_hint": "vide : un autre film à chaque fois",
        "advanced": "Réglages avancés",
        "temperature": "Température",
        "temperature_hint": "basse : plus sage ; haute : plus surprenante",
        "guidance_scale": "Guidage",
        "guidance_scale_hint": "à quel point le film suit les mots ; 1 le désactive",
        "top_p": "Top p",
        "top_p_hint": "ne garde que les codes les plus probables, jusqu'à cette part",
        "generate": "Générer",
        "stop": "Arrêter",
        "examples": "Ou partez d'un de ces exemples",
        "download": "Télécharger la vidéo",
        "settings_file": "Télécharger ses réglages",
        "settings": "Réglages de cette vidéo",
        "empty": "Votre vidéo apparaît ici pendant qu'elle se fait.",
        "loading": "Chargement du modèle…",
        "reading": "Lecture de vos mots…",
        "progress": "Image {done} sur {total}, encore {left} s",
        "finished": "{n} images en {took} s, graine {seed}.",
        "stopped": "Arrêté : les {n} images déjà faites sont gardées. Graine {seed}.",
        "stopped_early": "Arrêté avant la première image.",
        "failed": "Rien n'a été fait.",
        "no_video_yet": "Il n'y a pas encore de vidéo à modifier ou à prolonger : choisissez « nouvelle vidéo ».",
    },
}

# Clicked into the prompt: written in the words of the world that the embedded model was trained on.
EXAMPLES = (
    "a red ball rolls across the snow",
    "a mammoth walks in the meadow at sunset",
    "a small blue boat on the ocean at night",
    "un chien blanc saute dans le désert",
    "une voiture jaune roule vite sur la route",
)


def language_of(headers: Mapping[str, str] | None) -> str:
    """The page's language from the browser's Accept-Language header: "fr" when French comes first, else "en"."""
    first = (headers or {}).get("accept-language", "").split(",")[0].strip().lower()
    return "fr" if first.split("-")[0] == "fr" else "en"


def say(language: str, key: str, **values: object) -> str:
    """One sentence of the page, its {places} filled."""
    text = REPLIES[key][LANGUAGES.index(language)] if key in REPLIES else WORDS[language][key]
    return text.format(**values)


class Refusal(ValueError):
    """Something that the chat cannot do, in one sentence: str() says it in English, `said_in` in any language."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(say("en", key, **values))
        self.key, self.values = key, values

    def said_in(self, language: str) -> str:
        return say(language, self.key, **self.values)


def to_record(error: Exception) -> str:
    """An error as text to keep, so that `from_record` can say it in another language later."""
    if isinstance(error, Refusal):
        values = {name: v if isinstance(v, int | float | str) else str(v) for name, v in error.values.items()}
        return json.dumps({"key": error.key, "values": values}, ensure_ascii=False)
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def from_record(text: str, language: str) -> str:
    """What `to_record` kept, as a sentence; what came from the model's side is in English, as it was."""
    try:
        record = json.loads(text)
        return say(language, record["key"], **record["values"])
    except (ValueError, TypeError, KeyError):
        return text
