"""What the server says in the chat, in English and French: replies, notes, and why something cannot be done.

One table, {key: (English, French)}, read through words.py; {places} are filled where a sentence is said.
"""

REPLIES: dict[str, tuple[str, str]] = {
    "empty_message": (
        "The message is empty: describe the video in a few words.",
        "Le message est vide : décrivez la vidéo en quelques mots.",
    ),
    "say_what_next": (
        "Say in a few words what happens next.",
        "Dites en quelques mots ce qui se passe ensuite.",
    ),
    "no_variation": (
        "There are no variations of this video: nothing in it was drawn by chance.",
        "Cette vidéo n'a pas de variantes : rien n'y est dû au hasard.",
    ),
    "unknown_action": (
        "{action} is no action of this page.",
        "{action} n'est pas une action de cette page.",
    ),
    "too_many_variations": (
        "{n} variations were asked for: 1 to {most} are possible.",
        "{n} variantes ont été demandées : 1 à {most} sont possibles.",
    ),
    "length_unknown": (
        "{seconds} s is a length that this model did not learn: choose {known} s, or a longer multiple of "
        "half a second.",
        "Ce modèle n'a pas appris la durée {seconds} s : choisissez {known} s, ou un multiple plus long d'une"
        " demi-seconde.",
    ),
    "board_too_many": (
        "The storyboard has {n} parts and at most {most} are possible.",
        "Le scénario a {n} parties et {most} au plus sont possibles.",
    ),
    "board_starts_late": (
        "The storyboard starts at {time} s: its first part must start at 0s.",
        "Le scénario commence à {time} s : sa première partie doit commencer à 0s.",
    ),
    "board_order": (
        "In the storyboard {after} s comes after {before} s: each part must start later than the one before.",
        "Dans le scénario, {after} s vient après {before} s : chaque partie doit commencer plus tard que la "
        "précédente.",
    ),
    "board_too_late": (
        "The part at {time} s starts after the end of the video at {end} s: choose a longer video or an earlier time.",
        "La partie à {time} s commence après la fin de la vidéo à {end} s : choisissez une vidéo plus longue "
        "ou un moment plus tôt.",
    ),
    "board_no_time": (
        "“{part}” has no time: start each part of a storyboard with one, such as 2s:",
        "« {part} » n'a pas de temps : commencez chaque partie d'un scénario par le sien, comme 2s :",
    ),
    "board_no_words": (
        "The part at {time} s has no words: say what happens then.",
        "La partie à {time} s n'a pas de mots : dites ce qui se passe alors.",
    ),
    "did_new": (
        "New video",
        "Nouvelle vidéo",
    ),
    "did_board": (
        "New video from a storyboard",
        "Nouvelle vidéo d'après un scénario",
    ),
    "did_image": (
        "New video from your image",
        "Nouvelle vidéo d'après votre image",
    ),
    "did_edit": (
        "Changed the video",
        "Vidéo modifiée",
    ),
    "did_continue": (
        "Went on from the end",
        "Suite depuis la fin",
    ),
    "did_from_here": (
        "Went on from a moment of the video",
        "Suite depuis un moment de la vidéo",
    ),
    "did_loop": (
        "Made a loop, forth and back",
        "Boucle, en avant puis en arrière",
    ),
    "did_upload": (
        "Took in your video",
        "Votre vidéo est prise en compte",
    ),
    "doing_new": (
        "A new video is being made…",
        "Une nouvelle vidéo se fait…",
    ),
    "doing_board": (
        "A new video is being made from your storyboard…",
        "Une nouvelle vidéo se fait d'après votre scénario…",
    ),
    "doing_image": (
        "A new video is being made from your image…",
        "Une nouvelle vidéo se fait d'après votre image…",
    ),
    "doing_edit": (
        "The video is being changed…",
        "La vidéo est en train d'être modifiée…",
    ),
    "doing_continue": (
        "The video goes on from its end…",
        "La suite se fait, depuis la fin…",
    ),
    "doing_from_here": (
        "The video goes on from that moment…",
        "La suite se fait, depuis ce moment…",
    ),
    "doing_loop": (
        "A loop is being made…",
        "La boucle se fait…",
    ),
    "doing_upload": (
        "Your video is being read…",
        "Votre vidéo est en cours de lecture…",
    ),
    "reply_made": (
        "{seconds} s, seed {seed}.",
        "{seconds} s, graine {seed}.",
    ),
    "reply_still": (
        "A still, seed {seed}.",
        "Une image fixe, graine {seed}.",
    ),
    "reply_seconds": (
        "{seconds} s.",
        "{seconds} s.",
    ),
    "note_from": (
        "It goes on from {at} s: videos are made in steps, and that is the last step before the moment you chose.",
        "Elle repart de {at} s : les vidéos se font par pas, et c'est le dernier pas avant le moment choisi.",
    ),
    "note_stopped": (
        "You stopped it: what was made until then is kept.",
        "Vous l'avez arrêtée : ce qui était fait est gardé.",
    ),
    "note_shortened": (
        "It was shortened to {seconds} s.",
        "Elle a été raccourcie à {seconds} s.",
    ),
    "note_read_as": (
        "The model read: “{words}”.",
        "Le modèle a lu : « {words} ».",
    ),
    "note_resumed": (
        "Making it was interrupted and taken up again.",
        "Sa fabrication a été interrompue puis reprise.",
    ),
    "note_unknown": (
        "I never met the word {words} in training, so it had little effect.",
        "Je n'ai jamais rencontré le mot {words} à l'entraînement : il a eu peu d'effet.",
    ),
    "note_unknown_many": (
        "I never met these words in training, so they had little effect: {words}.",
        "Je n'ai jamais rencontré ces mots à l'entraînement, ils ont eu peu d'effet : {words}.",
    ),
    "folder_unusable": (
        "The data folder {folder} cannot be used ({reason}): name another with GPT_VIDEO_HOME.",
        "Le dossier de données {folder} est inutilisable ({reason}) : nommez-en un autre avec GPT_VIDEO_HOME.",
    ),
    "folder_newer": (
        "The data folder {folder} was written by a newer program (format {version}; this one knows {known}): "
        "update gpt-video, or name another folder with GPT_VIDEO_HOME.",
        "Le dossier de données {folder} vient d'un programme plus récent (format {version} ; celui-ci connaît"
        " {known}) : mettez gpt-video à jour, ou nommez un autre dossier avec GPT_VIDEO_HOME.",
    ),
    "unknown_conversation": (
        "There is no such conversation here: it was deleted, or it is not yours.",
        "Cette conversation n'existe pas ici : elle a été supprimée, ou elle n'est pas à vous.",
    ),
    "unknown_version": (
        "There is no such version here: it was deleted, or it is not yours.",
        "Cette version n'existe pas ici : elle a été supprimée, ou elle n'est pas à vous.",
    ),
    "unknown_job": (
        "There is no such job here: it was deleted, or it is not yours.",
        "Cette tâche n'existe pas ici : elle a été supprimée, ou elle n'est pas à vous.",
    ),
    "no_such_file": (
        "This version has no such file.",
        "Cette version n'a pas ce fichier.",
    ),
    "empty_title": (
        "The title is empty: give the conversation a name.",
        "Le titre est vide : donnez un nom à la conversation.",
    ),
    "has_children": (
        "Other versions start from this one: delete those first, or the whole conversation.",
        "D'autres versions partent de celle-ci : supprimez-les d'abord, ou toute la conversation.",
    ),
    "queue_full": (
        "{n} videos are waiting already, as many as this page takes: try again when some are done.",
        "{n} vidéos attendent déjà, autant que cette page en accepte : réessayez quand quelques-unes seront faites.",
    ),
    "your_queue_full": (
        "{n} of your videos are waiting already: let some be made, or cancel one.",
        "{n} de vos vidéos attendent déjà : laissez-en finir quelques-unes, ou annulez-en une.",
    ),
    "message_too_long": (
        "The message has {n} characters and at most {most} are read: shorten it.",
        "Le message a {n} caractères et {most} au plus sont lus : raccourcissez-le.",
    ),
    "worker_died": (
        "The worker ended {n} times while making this video: ask for a shorter or smaller one.",
        "Le moteur s'est arrêté {n} fois en faisant cette vidéo : demandez-en une plus courte ou plus petite.",
    ),
    "parent_failed": (
        "The video that this one starts from was not made.",
        "La vidéo dont celle-ci part n'a pas été faite.",
    ),
    "no_reason": (
        "Something went wrong that this page does not know: {reason}",
        "Un problème que cette page ne connaît pas : {reason}",
    ),
    "same_version": (
        "A version cannot be better than itself: choose two.",
        "Une version ne peut pas être meilleure qu'elle-même : choisissez-en deux.",
    ),
    "other_conversation": (
        "These two versions belong to different conversations: compare versions of one.",
        "Ces deux versions sont de conversations différentes : comparez les versions d'une seule.",
    ),
    "seed_unknown": (
        "{seed} is no seed: give a whole number, 0 or more, or leave it empty.",
        "{seed} n'est pas une graine : donnez un nombre entier, 0 ou plus, ou laissez le champ vide.",
    ),
    "disk_full": (
        "There is no space left on the disk where conversations are kept: free some, then ask again.",
        "Il n'y a plus de place sur le disque où les conversations sont gardées : libérez-en, puis redemandez.",
    ),
    "not_an_image": (
        "This file is not an image that can be read: give a png, jpeg or webp file.",
        "Ce fichier n'est pas une image lisible : donnez un fichier png, jpeg ou webp.",
    ),
    "image_too_large": (
        "The image has more than {most} million pixels: give a smaller one.",
        "L'image a plus de {most} millions de pixels : donnez-en une plus petite.",
    ),
    "not_a_video": (
        "This file holds no video that can be read: give an mp4, webm, mov or gif file.",
        "Ce fichier ne contient pas de vidéo lisible : donnez un fichier mp4, webm, mov ou gif.",
    ),
    "upload_too_large": (
        "The video is missing or larger than {most} MB: give a smaller file.",
        "La vidéo manque ou dépasse {most} Mo : donnez un fichier plus petit.",
    ),
    "not_an_archive": (
        "This file is not a conversation that this program exported: {reason}.",
        "Ce fichier n'est pas une conversation exportée par ce programme : {reason}.",
    ),
    "archive_too_large": (
        "The conversation in this file is larger than {most} MB unpacked: it was not imported.",
        "La conversation de ce fichier dépasse {most} Mo une fois décompressée : elle n'a pas été importée.",
    ),
    "archive_newer": (
        "This file was exported by a newer program (format {version}): update gpt-video.",
        "Ce fichier vient d'un programme plus récent (format {version}) : mettez gpt-video à jour.",
    ),
    "was_waiting": (
        "This video was still being made when its conversation was exported.",
        "Cette vidéo était encore en cours quand sa conversation a été exportée.",
    ),
    "nothing_to_show": (
        "There is no video on this branch yet.",
        "Il n'y a pas encore de vidéo sur cette branche.",
    ),
    "film_too_long": (
        "The film of this branch would last {seconds} s and at most {most} s are written: choose an earlier version.",
        "Le film de cette branche durerait {seconds} s et {most} s au plus sont écrites : choisissez une version antérieure.",
    ),
    "not_ours": (
        "This video does not say how it was made: only videos of this program can be loaded with their settings.",
        "Cette vidéo ne dit pas comment elle a été faite : seules celles de ce programme se chargent avec leurs réglages.",
    ),
}
