"""Every sentence of the page, in English and French.

The browser translates the widgets by itself (`WORDS` goes into gr.I18n whole); what the server writes while it works
comes from `say`, in the language that the browser asked for. What it refuses is a `Refusal`, which can be said in both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

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
        "empty_message": "The message is empty: describe the video in a few words.",
        "say_what_next": "Say in a few words what happens next.",
        "no_variation": "There are no variations of this video: nothing in it was drawn by chance.",
        "unknown_action": "{action} is no action of this page.",
        "too_many_variations": "{n} variations were asked for: 1 to {most} are possible.",
        "length_unknown": "{seconds} s is a length that this model did not learn: choose {known} s, or a longer multiple of half a second.",
        "board_too_many": "The storyboard has {n} parts and at most {most} are possible.",
        "board_starts_late": "The storyboard starts at {time} s: its first part must start at 0s.",
        "board_order": "In the storyboard {after} s comes after {before} s: each part must start later than the one before.",
        "board_too_late": "The part at {time} s starts after the end of the video at {end} s: choose a longer video or an earlier time.",
        "board_no_time": "“{part}” has no time: start each part of a storyboard with one, such as 2s:",
        "board_no_words": "The part at {time} s has no words: say what happens then.",
        "did_new": "New video",
        "did_board": "New video from a storyboard",
        "did_image": "New video from your image",
        "did_edit": "Changed the video",
        "did_continue": "Went on from the end",
        "did_from_here": "Went on from a moment of the video",
        "did_loop": "Made a loop, forth and back",
        "did_upload": "Took in your video",
        "reply_waiting": "{action}…",
        "reply_made": "{seconds} s, seed {seed}.",
        "reply_still": "A still, seed {seed}.",
        "reply_seconds": "{seconds} s.",
        "note_from": "It goes on from {at} s: videos are made in steps, and that is the last step before the moment you chose.",
        "note_stopped": "You stopped it: what was made until then is kept.",
        "note_shortened": "It was shortened to {seconds} s.",
        "note_read_as": "The model read: “{words}”.",
        "note_resumed": "Making it was interrupted and taken up again.",
        "note_unknown": "I never met the word {words} in training, so it had little effect.",
        "note_unknown_many": "I never met these words in training, so they had little effect: {words}.",
        "folder_unusable": "The data folder {folder} cannot be used ({reason}): name another with GPT_VIDEO_HOME.",
        "folder_newer": "The data folder {folder} was written by a newer program (format {version}; this one knows {known}): "
        "update gpt-video, or name another folder with GPT_VIDEO_HOME.",
        "unknown_conversation": "There is no such conversation here: it was deleted, or it is not yours.",
        "unknown_version": "There is no such version here: it was deleted, or it is not yours.",
        "unknown_job": "There is no such job here: it was deleted, or it is not yours.",
        "no_such_file": "This version has no such file.",
        "empty_title": "The title is empty: give the conversation a name.",
        "has_children": "Other versions start from this one: delete those first, or the whole conversation.",
        "queue_full": "{n} videos are waiting already, as many as this page takes: try again when some are done.",
        "your_queue_full": "{n} of your videos are waiting already: let some be made, or cancel one.",
        "message_too_long": "The message has {n} characters and at most {most} are read: shorten it.",
        "worker_died": "The worker ended {n} times while making this video: ask for a shorter or smaller one.",
        "parent_failed": "The video that this one starts from was not made.",
        "no_reason": "Something went wrong that this page does not know: {reason}",
        "same_version": "A version cannot be better than itself: choose two.",
        "other_conversation": "These two versions belong to different conversations: compare versions of one.",
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
        "empty_message": "Le message est vide : décrivez la vidéo en quelques mots.",
        "say_what_next": "Dites en quelques mots ce qui se passe ensuite.",
        "no_variation": "Cette vidéo n'a pas de variantes : rien n'y est dû au hasard.",
        "unknown_action": "{action} n'est pas une action de cette page.",
        "too_many_variations": "{n} variantes ont été demandées : 1 à {most} sont possibles.",
        "length_unknown": "Ce modèle n'a pas appris la durée {seconds} s : choisissez {known} s, ou un multiple plus long d'une demi-seconde.",
        "board_too_many": "Le scénario a {n} parties et {most} au plus sont possibles.",
        "board_starts_late": "Le scénario commence à {time} s : sa première partie doit commencer à 0s.",
        "board_order": "Dans le scénario, {after} s vient après {before} s : chaque partie doit commencer plus tard que la précédente.",
        "board_too_late": "La partie à {time} s commence après la fin de la vidéo à {end} s : choisissez une vidéo plus longue ou un temps plus court.",
        "board_no_time": "« {part} » n'a pas de temps : commencez chaque partie d'un scénario par le sien, comme 2s :",
        "board_no_words": "La partie à {time} s n'a pas de mots : dites ce qui se passe alors.",
        "did_new": "Nouvelle vidéo",
        "did_board": "Nouvelle vidéo d'après un scénario",
        "did_image": "Nouvelle vidéo d'après votre image",
        "did_edit": "Vidéo modifiée",
        "did_continue": "Suite depuis la fin",
        "did_from_here": "Suite depuis un moment de la vidéo",
        "did_loop": "Boucle, en avant puis en arrière",
        "did_upload": "Votre vidéo est prise en compte",
        "reply_waiting": "{action}…",
        "reply_made": "{seconds} s, graine {seed}.",
        "reply_still": "Une image fixe, graine {seed}.",
        "reply_seconds": "{seconds} s.",
        "note_from": "Elle repart de {at} s : les vidéos se font par pas, et c'est le dernier pas avant le moment choisi.",
        "note_stopped": "Vous l'avez arrêtée : ce qui était fait est gardé.",
        "note_shortened": "Elle a été raccourcie à {seconds} s.",
        "note_read_as": "Le modèle a lu : « {words} ».",
        "note_resumed": "Sa fabrication a été interrompue puis reprise.",
        "note_unknown": "Je n'ai jamais rencontré le mot {words} à l'entraînement : il a eu peu d'effet.",
        "note_unknown_many": "Je n'ai jamais rencontré ces mots à l'entraînement, ils ont eu peu d'effet : {words}.",
        "folder_unusable": "Le dossier de données {folder} est inutilisable ({reason}) : nommez-en un autre avec GPT_VIDEO_HOME.",
        "folder_newer": "Le dossier de données {folder} vient d'un programme plus récent (format {version} ; celui-ci connaît {known}) : "
        "mettez gpt-video à jour, ou nommez un autre dossier avec GPT_VIDEO_HOME.",
        "unknown_conversation": "Cette conversation n'existe pas ici : elle a été supprimée, ou elle n'est pas à vous.",
        "unknown_version": "Cette version n'existe pas ici : elle a été supprimée, ou elle n'est pas à vous.",
        "unknown_job": "Cette tâche n'existe pas ici : elle a été supprimée, ou elle n'est pas à vous.",
        "no_such_file": "Cette version n'a pas ce fichier.",
        "empty_title": "Le titre est vide : donnez un nom à la conversation.",
        "has_children": "D'autres versions partent de celle-ci : supprimez-les d'abord, ou toute la conversation.",
        "queue_full": "{n} vidéos attendent déjà, autant que cette page en accepte : réessayez quand quelques-unes seront faites.",
        "your_queue_full": "{n} de vos vidéos attendent déjà : laissez-en finir quelques-unes, ou annulez-en une.",
        "message_too_long": "Le message a {n} caractères et {most} au plus sont lus : raccourcissez-le.",
        "worker_died": "Le moteur s'est arrêté {n} fois en faisant cette vidéo : demandez-en une plus courte ou plus petite.",
        "parent_failed": "La vidéo dont celle-ci part n'a pas été faite.",
        "no_reason": "Un problème que cette page ne connaît pas : {reason}",
        "same_version": "Une version ne peut pas être meilleure qu'elle-même : choisissez-en deux.",
        "other_conversation": "Ces deux versions sont de conversations différentes : comparez les versions d'une seule.",
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
    return WORDS[language][key].format(**values)


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
