"""Every sentence of the page, in English and French.

The browser translates the widgets by itself (`WORDS` goes into gr.I18n whole); what the server writes comes from `say`, in
the language that the browser asked for, out of `WORDS` and the table in replies.py. What it refuses is a `Refusal`, which can
be said in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from chat_app.replies import REPLIES

LANGUAGES = ("en", "fr")

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "tagline": "Describe a scene. The film appears frame by frame, made on this machine.",
        "prompt": "Your message",
        "prompt_hint": "a red ball rolls across the snow",
        "prompt_next": "make it blue · then it jumps · 4 more seconds",
        "action": "This message",
        "auto": "automatic",
        "new": "new video",
        "edit": "change it",
        "continue": "go on",
        "from_here": "from here",
        "again": "variation",
        "shape": "Shape",
        "square": "square",
        "wide": "wide",
        "tall": "tall",
        "length": "Length",
        "auto_length": "auto",
        "still": "a still picture",
        "variations": "How many",
        "more": "Seed and sampling",
        "seed": "Seed",
        "seed_hint": "empty: another video each time",
        "keep_seed": "Keep this seed",
        "temperature": "Temperature",
        "temperature_hint": "lower: calmer; higher: more surprising",
        "guidance_scale": "Guidance",
        "guidance_scale_hint": "how closely the video follows the words; 1 switches it off",
        "top_p": "Top p",
        "top_p_hint": "keeps only the likeliest codes, up to this share",
        "load_settings": "Load message and settings from a video",
        "storyboard_hint": "Timed prompts make one video: 0s: a dog runs in the snow / 2s: it jumps / 4s: night falls",
        "chat": "Conversation",
        "welcome": "What should happen in your video?",
        "welcome_more": "Describe it in a sentence, in English or in French. Then say what to change. Or start with one of these:",
        "empty": "Your video appears here while it is being made.",
        "loading": "The model is loading…",
        "absent": "The engine is starting again…",
        "broken": "The model cannot be loaded: {reason}",
        "lost": "The server does not answer. What was asked for is kept; this page goes on when it is back.",
        "reading": "Reading your words…",
        "progress": "Frame {done} of {total}, {left} s left",
        "stopping": "Stopping…",
        "place": "Number {place} in the queue",
        "and_more": "and {n} more",
        "stop": "Stop",
        "cancel_one": "Cancel version {n}",
        "preview": "The video so far",
        "versions": "Versions",
        "version": "Version {n}",
        "version_from": "Version {n}, from {parent}",
        "is_waiting": "being made",
        "is_failed": "not made",
        "is_partial": "stopped early",
        "variant": "Another version",
        "extend": "Go on",
        "extend_by": "{n} s longer",
        "loop": "Loop",
        "compare": "Side by side",
        "compare_end": "End the comparison",
        "compare_with": "Compare with version {n}",
        "better": "Version {n} is better",
        "thanks": "Noted: version {better} is better than version {worse}.",
        "play_both": "Play or pause both",
        "position": "Position",
        "use_seed": "Seed {seed}",
        "use_seed_hint": "Use this seed for the next message",
        "download": "Download",
        "film": "Whole branch as one film",
        "settings": "Settings",
        "moment": "Paused. Your next message goes on from {at} s, with your words.",
        "moment_off": "Do not go on from here",
        "rather": "Meant as:",
        "rather_new": "Rather a new video",
        "rather_edit": "Rather change the video",
        "rather_continue": "Rather go on from its end",
        "undo": "Undo",
        "siblings": "Version {n} of {total}:",
        "library": "Conversations",
        "new_conversation": "New",
        "search": "Search titles and messages",
        "untitled": "New conversation",
        "nothing_found": "Nothing here yet.",
        "this_conversation": "This conversation",
        "title": "Title",
        "rename": "Rename",
        "export": "Export as zip",
        "import": "Import a zip",
        "delete": "Delete this conversation",
        "delete_sure": "Delete “{title}” with its {n} versions for good?",
        "delete_yes": "Delete for good",
        "delete_no": "Keep it",
        "ratings": "Ratings",
        "consent": "My ratings may be exported to train models",
        "export_ratings": "Export my ratings (JSONL)",
        "language": "Language",
        "open_library": "Conversations and settings",
        "login": "Log in",
        "name": "Name",
        "password": "Password",
        "login_failed": "This name and password do not go together.",
        "stopped_early": "Stopped before the first frame.",
        "failed": "Nothing was made.",
        "no_video_yet": "There is no video to change or go on from yet: describe a new one first.",
        "choose_version": "Choose a version with a video first.",
        "seed_not_a_number": "The seed is “{seed}”: give a whole number, 0 or more, or leave it empty.",
    },
    "fr": {
        "tagline": "Décrivez une scène. Le film apparaît image par image, fait sur cette machine.",
        "prompt": "Votre message",
        "prompt_hint": "une balle rouge roule dans la neige",
        "prompt_next": "rends-la bleue · puis elle saute · encore 4 secondes",
        "action": "Ce message",
        "auto": "automatique",
        "new": "nouvelle vidéo",
        "edit": "la modifier",
        "continue": "la continuer",
        "from_here": "à partir d'ici",
        "again": "variante",
        "shape": "Format",
        "square": "carré",
        "wide": "large",
        "tall": "haut",
        "length": "Durée",
        "auto_length": "auto",
        "still": "une image fixe",
        "variations": "Combien",
        "more": "Graine et tirage",
        "seed": "Graine",
        "seed_hint": "vide : une autre vidéo à chaque fois",
        "keep_seed": "Garder cette graine",
        "temperature": "Température",
        "temperature_hint": "basse : plus sage ; haute : plus surprenante",
        "guidance_scale": "Guidage",
        "guidance_scale_hint": "à quel point la vidéo suit les mots ; 1 le désactive",
        "top_p": "Top p",
        "top_p_hint": "ne garde que les codes les plus probables, jusqu'à cette part",
        "load_settings": "Charger le message et les réglages d'une vidéo",
        "storyboard_hint": "Des temps font un scénario : 0s: un chien court dans la neige / 2s: il saute / 4s: la nuit tombe",
        "chat": "Conversation",
        "welcome": "Que doit-il se passer dans votre vidéo ?",
        "welcome_more": "Décrivez-le en une phrase, en français ou en anglais, puis dites quoi changer. Ou partez d'un exemple :",
        "empty": "Votre vidéo apparaît ici pendant qu'elle se fait.",
        "loading": "Le modèle se charge…",
        "absent": "Le moteur redémarre…",
        "broken": "Le modèle ne peut pas être chargé : {reason}",
        "lost": "Le serveur ne répond pas. Ce qui a été demandé est gardé ; la page reprend à son retour.",
        "reading": "Lecture de vos mots…",
        "progress": "Image {done} sur {total}, encore {left} s",
        "stopping": "Arrêt…",
        "place": "Numéro {place} dans la file",
        "and_more": "et {n} de plus",
        "stop": "Arrêter",
        "cancel_one": "Annuler la version {n}",
        "preview": "La vidéo jusqu'ici",
        "versions": "Versions",
        "version": "Version {n}",
        "version_from": "Version {n}, d'après {parent}",
        "is_waiting": "en cours",
        "is_failed": "pas faite",
        "is_partial": "arrêtée avant la fin",
        "variant": "Autre version",
        "extend": "Prolonger",
        "extend_by": "{n} s de plus",
        "loop": "Boucle",
        "compare": "Côte à côte",
        "compare_end": "Finir la comparaison",
        "compare_with": "Comparer à la version {n}",
        "better": "La version {n} est meilleure",
        "thanks": "Noté : la version {better} est meilleure que la version {worse}.",
        "play_both": "Lire ou arrêter les deux",
        "position": "Position",
        "use_seed": "Graine {seed}",
        "use_seed_hint": "Prendre cette graine pour le prochain message",
        "download": "Télécharger",
        "film": "Toute la branche en un film",
        "settings": "Réglages",
        "moment": "En pause. Votre prochain message repart de {at} s, avec vos mots.",
        "moment_off": "Ne pas repartir d'ici",
        "rather": "Compris comme :",
        "rather_new": "Plutôt une nouvelle vidéo",
        "rather_edit": "Plutôt modifier la vidéo",
        "rather_continue": "Plutôt continuer sa fin",
        "undo": "Annuler",
        "siblings": "Version {n} sur {total} :",
        "library": "Conversations",
        "new_conversation": "Nouvelle",
        "search": "Chercher dans les titres et les messages",
        "untitled": "Nouvelle conversation",
        "nothing_found": "Rien ici pour l'instant.",
        "this_conversation": "Cette conversation",
        "title": "Titre",
        "rename": "Renommer",
        "export": "Exporter en zip",
        "import": "Importer un zip",
        "delete": "Supprimer cette conversation",
        "delete_sure": "Supprimer « {title} » et ses {n} versions pour de bon ?",
        "delete_yes": "Supprimer pour de bon",
        "delete_no": "La garder",
        "ratings": "Avis",
        "consent": "Mes avis peuvent être exportés pour entraîner des modèles",
        "export_ratings": "Exporter mes avis (JSONL)",
        "language": "Langue",
        "open_library": "Conversations et réglages",
        "login": "Se connecter",
        "name": "Nom",
        "password": "Mot de passe",
        "login_failed": "Ce nom et ce mot de passe ne vont pas ensemble.",
        "stopped_early": "Arrêté avant la première image.",
        "failed": "Rien n'a été fait.",
        "no_video_yet": "Il n'y a pas encore de vidéo à modifier ou à prolonger : décrivez-en d'abord une nouvelle.",
        "choose_version": "Choisissez d'abord une version avec une vidéo.",
        "seed_not_a_number": "La graine est « {seed} » : donnez un nombre entier, 0 ou plus, ou laissez vide.",
    },
}

# Offered in an empty conversation: written in the words of the world that the embedded model was trained on.
EXAMPLES = {
    "en": (
        "a red ball rolls across the snow",
        "a mammoth walks in the meadow at sunset",
        "a small blue boat on the ocean at night",
        "a yellow car drives fast on the road",
    ),
    "fr": (
        "une balle rouge roule dans la neige",
        "un mammouth marche dans le pré au coucher du soleil",
        "un petit bateau bleu sur l'océan la nuit",
        "une voiture jaune roule vite sur la route",
    ),
}
LANGUAGE_COOKIE = "gpt_video_language"


def language_of(headers: Mapping[str, str] | None) -> str:
    """The language that was chosen on the page (a cookie), else the browser's first: "fr" or "en"."""
    headers = headers or {}
    chosen = re.search(rf"(?:^|;\s*){LANGUAGE_COOKIE}=(en|fr)(?:;|$)", headers.get("cookie", ""))
    if chosen:
        return chosen[1]
    first = headers.get("accept-language", "").split(",")[0].strip().lower()
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

    def __reduce__(self) -> tuple[object, ...]:
        return _refusal, (self.key, self.values)  # so that it comes whole out of another process


def _refusal(key: str, values: dict[str, object]) -> Refusal:
    return Refusal(key, **values)


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
