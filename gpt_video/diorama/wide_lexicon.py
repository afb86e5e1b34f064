"""The words that the wide world adds to the core's: tables only, in the form of lexicon.py, which joins the two.

Besides its sections there are here: "weather", "style", "activity" (what stands after a noun: "a bear on a bicycle"), "detail"
(what is true of a place at a time), "together" (who do the same at once), and the words of rambling people. In verbs ITS is
the possessive that agrees with the subject, HANDS what it has for hands, OTHER what it runs into.
"""

ENGLISH = {
    "kind": {
        "ball": "beach ball", "car": "sedan", "dog": "hound", "mammoth": "wooly mammoth", "robot": "bot",
        "tree": "oak", "cat": "cat|kitten|kitty", "horse": "horse|pony|stallion", "bird": "bird|birdie",
        "monster": "monster|furry monster|fluffy monster|fuzzy monster", "man": "man|gentleman|guy",
        "cyclist": "cyclist|bicycle rider|biker|bike rider", "house": "house|cottage|cabin", "candle": "candle",
        "bear": "bear|teddy bear",
    },
    "feminine": {"noun": "woman"},
    "masculine": {"noun": "man|gentleman|guy|cyclist|bicycle rider|biker|bike rider"},
    "worn": {
        "man": "in {m}|in a {m} shirt|dressed in {m}|wearing {m}|in a {m} jacket|with a {m} jacket",
        "cyclist": "in {m}|in a {m} jersey|dressed in {m}|wearing {m}|on a {m} bike",
    },
    "worn plural": {"man": "in {m}|in {m} shirts|dressed in {m}", "cyclist": "in {m}|in {m} jerseys|dressed in {m}"},
    "colour": {"red": "scarlet", "yellow": "golden", "blue": "bright blue", "green": "bright green"},
    "size": {"small": "miniature", "large": "enormous|giant", "large man": "tall", "large house": "big|large|huge"},
    "move": {
        "cat": "walk|run|prowl", "horse": "gallop|trot|walk|run", "bird": "fly|flap|glide", "monster": "walk|waddle|run",
        "man": "walk|run|stroll", "cyclist": "cycle|ride|pedal", "candle": "slide|glide", "bear": "walk|run|plod",
        "mammoth": "trudge", "woman": "stroll",
        "bicycle": "ride a bicycle|ride a bike|cycle|pedal|ride on a bicycle|race on a bicycle",
        "bicycle plural": "ride bicycles|ride bikes|cycle|pedal|race on bicycles",
    },
    "action": {
        "left": "head left|cross the picture from right to left", "right": "head right"
        "|cross the picture from left to right",
        "closer": "come straight at us", "away": "head away from us", "spin": "turn in circles",
        "wave": "wave|wave hello|wave at us|wave goodbye|wave at the camera|say hello with a wave",
        "into": "MOVE into OTHER|bump into OTHER|crash into OTHER|hit OTHER|run into OTHER|collide with OTHER"
        "|knock into OTHER",
        "still bicycle plural": "sit on bicycles|sit on bikes",
        "still podcast plural": "record a podcast|host a podcast|talk into microphones|make a podcast",
        "still bicycle": "sit on a bicycle|sit on a bike|stay on a bicycle without moving",
        "still podcast": "record a podcast|host a podcast|talk into a microphone|make a podcast|speak into a microphone",
        "still candle": "warm ITS HANDS at a candle|warm ITS HANDS over a candle|warm up at a candle"
        "|warm ITS HANDS by a candle flame|sit by a candle|hold out ITS HANDS to a candle",
    },
    "hands": {"anything": "hands", "dog": "paws", "cat": "paws", "bear": "paws|hands", "horse": "hooves",
    "mammoth": "feet"},
    "activity": {
        "bicycle": "on a bicycle|on a bike|riding a bicycle|with a bicycle",
        "podcast": "recording a podcast|with a microphone|at a table with a microphone|with headphones and a microphone",
        "bicycle plural": "on bicycles|on bikes|riding bicycles",
        "podcast plural": "recording a podcast|with microphones|at a table with microphones|in front of microphones",
        "candle": "at a candle|by a candle|warming up at a candle|in front of a candle",
    },
    "across": {
        "snow": "through snow|over the snow", "city street": "along a city street",
        "mountain top": "across the mountain top|over the summit|along the ridge",
        "room": "across the room|through the room",
    },
    "place": {
        "meadow": "in the pasture", "snow": "in deep snow", "ocean": "out at sea", "city street": "on the sidewalk"
        "|in town",
        "mountain top": "on a mountain top|on top of a mountain|on a mountain|on a summit|high in the mountains"
        "|on a mountaintop|on the peak",
        "room": "in a room|indoors|inside a room|at home|in a living room|in the living room|inside",
    },
    "time": {"night": "late at night", "sunset": "at sundown"},
    "weather": {
        "clear": "in clear weather|under a clear sky|in fine weather",
        "snowing": "while it snows|under falling snow|in falling snow|in a snowfall|as snow falls|while snowflakes fall",
        "raining": "in the rain|in rainy weather|while it rains|as rain falls|in pouring rain",
    },
    "weather clause": {
        "clear": "the weather is clear|the sky is clear",
        "snowing": "it is snowing|it snows|snow is falling|snowflakes are falling",
        "raining": "it is raining|it rains|rain is falling",
    },
    "style": {
        "plain": "not drawn|without outlines",
        "drawn": "as a drawing|as a cartoon|in cartoon style|in comic style|drawn with outlines|cartoon style",
    },
    "camera": {
        "orbit": "the camera orbits around|the camera circles around the scene|orbiting camera|orbit shot"
        "|the camera goes around",
        "drone": "filmed by a drone|seen from a drone|drone shot|drone view|aerial shot|the drone flies over"
        "|shot from a drone",
        "cut": "seen from several angles|from two angles|with a cut to another angle|from different angles"
        "|the camera cuts to another angle|multiple camera angles",
    },
    "detail": {
        "city street night": "with neon signs|with neon lights|lit by neon signs|full of neon signs|under neon lights",
        "mountain top day": "above the clouds|among the peaks", "mountain top sunset": "above the clouds|among the peaks",
        "mountain top night": "among the peaks",
    },
    "together": {
        "bicycle": "a bicycle race with {}|a bike race with {}|a bicycle race: {}",
        "podcast": "a podcast with {}|a podcast episode with {}",
        "bicycle animals": "a bicycle race with animals riding|a bicycle race of animals|animals racing on bicycles"
        "|animals riding bicycles",
        "podcast animals": "animals recording a podcast",
    },
    "request": {
        "drawn": "a drawing of {}|a cartoon of {}|an animated drawing of {}|a cartoon with {}|draw {}|sketch {}",
        "video": "how about {}|{} please|scene: {}|just {}|could I have {}",
    },
    "ramble opener": {
        "np": "so I was thinking of {}|what I would really like is {}|how about something with {}|okay so, {}"
        "|I have an idea for a video, {}|picture this: {}|for my next clip I need {}|hello, could you show me {}"
        "|I don't know exactly, but maybe {}",
    },
    "ramble clause": {
        "action": "{they} {finite}|and {they} {finite}|you know, {they} {finite}|where {they} {finite}"
        "|it would be nice if {they} {finite}",
        "place": "it happens {}|the whole thing takes place {}|we are {}|all of it {}|and it should be {}",
        "time": "it happens {}|and it should be {}|all of this {}|let's say {}",
        "weather": "and {}|oh and {}|{}",
        "camera": "and {}|{}|oh, and {}|ideally {}",
        "style": "{} if possible|and all {}|oh, and {}|{}",
    },
    "ramble closer": {"any": "thanks|that would be great|if you can|that's all|something like that"
    "|if it is not too much work"},
}  # fmt: skip

FRENCH = {
    "kind": {
        "car": "bagnole", "dog": "toutou", "mammoth": "mammouth poilu", "robot": "automate",
        "tree": "chêne", "cat": "chat|chaton|minou", "horse": "cheval|poney", "bird": "oiseau|oisillon",
        "monster": "monstre|monstre poilu|monstre pelucheux|monstre duveteux", "man": "homme|monsieur|type",
        "cyclist": "cycliste|coureur cycliste", "house": "maison|maisonnette|chaumière", "candle": "bougie|chandelle",
        "bear": "ours|ourson",
    },
    "feminine": {"noun": "bagnole|maison|maisonnette|chaumière|bougie|chandelle"},
    "masculine": {"noun": "homme"},
    "worn": {
        "man": "en {m}|en chemise {f}|habillé en {m}|vêtu de {m}|avec une veste {f}|à la veste {f}",
        "cyclist": "en {m}|en maillot {m}|habillé en {m}|avec un maillot {m}|au maillot {m}",
    },
    "worn plural": {"man": "en {m}|en chemise {f}|habillés en {m}", "cyclist": "en {m}|en maillot {m}|habillés en {m}"},
    "colour": {"red": "écarlate", "yellow": "doré/dorée"},
    "size": {
        "small": "tout petit/toute petite", "large": "immense", "large man": "grand/grande|immense",
        "large house": "grand/grande|énorme|immense", "large horse": "grand/grande|énorme|immense",
    },
    "move": {
        "cat": "marcher|courir|trottiner", "horse": "galoper|trotter|marcher|courir", "bird": "voler|planer|voleter",
        "monster": "marcher|se dandiner|courir", "man": "marcher|se promener|courir", "cyclist": "pédaler|rouler",
        "candle": "glisser", "bear": "marcher|courir|se dandiner",
        "bicycle": "faire du vélo|rouler à vélo|pédaler|rouler à bicyclette|avancer à vélo",
        "bicycle plural": "faire du vélo|rouler à vélo|pédaler|faire la course à vélo",
    },
    "action": {
        "left": "filer vers la gauche|traverser l'image de droite à gauche",
        "right": "filer vers la droite|traverser l'image de gauche à droite",
        "closer": "arriver droit sur nous", "away": "filer au loin", "spin": "tourner en rond",
        "wave": "saluer|faire signe|faire coucou|saluer de la main|faire un signe de la main|dire bonjour de la main",
        "into": "MOVE jusque dans OTHER|foncer dans OTHER|rentrer dans OTHER|percuter OTHER|heurter OTHER"
        "|se cogner contre OTHER|entrer en collision avec OTHER",
        "still bicycle plural": "rester sur des vélos|se tenir sur des vélos",
        "still podcast plural": "enregistrer un podcast|faire un podcast|parler dans des micros|animer un podcast",
        "still bicycle": "rester sur un vélo|se tenir sur un vélo|être sur un vélo",
        "still podcast": "enregistrer un podcast|faire un podcast|parler dans un micro|animer un podcast",
        "still candle": "se réchauffer les HANDS à une bougie|se chauffer les HANDS à une bougie"
        "|se réchauffer devant une bougie|se réchauffer les HANDS au-dessus d'une bougie"
        "|tendre les HANDS vers une bougie|se réchauffer les HANDS à la flamme d'une bougie",
    },
    "hands": {"anything": "mains", "dog": "pattes", "cat": "pattes", "bear": "pattes|mains", "horse": "sabots",
    "mammoth": "pattes"},
    "activity": {
        "bicycle": "à vélo|sur un vélo|à bicyclette|sur une bicyclette",
        "podcast": "avec un micro|devant un micro|à une table avec un micro|avec un casque et un micro",
        "bicycle plural": "à vélo|sur des vélos|à bicyclette",
        "podcast plural": "avec des micros|devant des micros|à une table avec des micros|avec des casques et des micros",
        "candle": "devant une bougie|près d'une bougie|à côté d'une bougie|face à une bougie",
    },
    "across": {
        "snow": "sur la neige", "city street": "dans une rue de la ville", "mountain top": "le long de la crête"
        "|sur la crête",
        "room": "à travers la pièce|à travers le salon",
    },
    "place": {
        "meadow": "dans le pré", "snow": "dans la neige profonde", "ocean": "sur les vagues",
        "city street": "sur le trottoir|dans une rue en ville",
        "mountain top": "au sommet d'une montagne|en haut d'une montagne|sur une montagne|sur un sommet"
        "|tout en haut de la montagne"
        "|à la montagne|au sommet",
        "room": "dans une pièce|à l'intérieur|dans un salon|dans le salon|dans la pièce|dans une chambre|chez moi",
    },
    "time": {"night": "tard dans la nuit", "sunset": "en soirée"},
    "weather": {
        "clear": "par temps clair|sous un ciel dégagé|par beau temps",
        "snowing": "pendant qu'il neige|sous les flocons|alors qu'il neige|sous une averse de neige"
        "|pendant que la neige tombe",
        "raining": "sous la pluie|pendant qu'il pleut|alors qu'il pleut|par temps de pluie|sous une pluie battante",
    },
    "weather clause": {
        "clear": "il fait beau|le ciel est dégagé",
        "snowing": "il neige|la neige tombe|des flocons tombent",
        "raining": "il pleut|la pluie tombe|il tombe de la pluie",
    },
    "style": {
        "plain": "sans contours|pas en dessin",
        "drawn": "en dessin animé|façon dessin animé|comme un dessin|en style bande dessinée"
        "|en dessin avec des contours|style dessin animé",
    },
    "camera": {
        "orbit": "la caméra tourne autour|la caméra fait le tour de la scène|travelling circulaire"
        "|la caméra tourne tout autour",
        "drone": "filmé par un drone|filmée par un drone|vu d'un drone|vue de drone|plan de drone|vue aérienne"
        "|le drone survole la scène",
        "cut": "vu sous plusieurs angles|vue sous plusieurs angles|sous deux angles|avec un changement d'angle"
        "|la caméra change d'angle"
        "|sous différents angles|avec plusieurs angles de caméra",
    },
    "detail": {
        "city street night": "avec des néons|avec des enseignes au néon|sous les néons|à la lumière des néons"
        "|pleine de néons",
        "mountain top day": "au-dessus des nuages|parmi les sommets", "mountain top sunset": "au-dessus des nuages"
        "|parmi les sommets",
        "mountain top night": "parmi les sommets",
    },
    "together": {
        "bicycle": "une course de vélos avec {}|une course cycliste avec {}|une course à vélo : {}",
        "podcast": "un podcast avec {}|un épisode de podcast avec {}",
        "bicycle animals": "une course de vélos avec des animaux|une course d'animaux à vélo"
        "|des animaux qui font la course à vélo",
        "podcast animals": "des animaux qui enregistrent un podcast",
    },
    "request": {
        "drawn": "un dessin de {}|un dessin animé de {}|un dessin animé avec {}|dessine {}|dessine-moi {}",
        "video": "et si on voyait {}|{} s'il te plaît|scène : {}|juste {}|est-ce que je peux avoir {}",
    },
    "ramble opener": {
        "np": "alors je pensais à {}|ce que je voudrais vraiment, c'est {}|pourquoi pas quelque chose avec {}|bon alors, {}"
        "|j'ai une idée de vidéo, {}|imagine un peu : {}|pour mon prochain clip il me faut {}"
        "|bonjour, tu pourrais me montrer {}"
        "|je ne sais pas trop, mais peut-être {}",
    },
    "ramble clause": {
        "action": "{they} {finite}|et {they} {finite}|tu vois, {they} {finite}|et là {they} {finite}"
        "|ce serait bien, {they} {finite}",
        "place": "ça se passe {}|toute la scène se passe {}|on est {}|le tout {}|et ça doit être {}",
        "time": "ça se passe {}|et ça doit être {}|tout ça {}|disons {}",
        "weather": "et {}|ah et {}|{}",
        "camera": "et {}|{}|ah, et {}|idéalement {}",
        "style": "{} si possible|et tout {}|ah, et {}|{}",
    },
    "ramble closer": {"any": "merci|ce serait super|si tu peux|c'est tout|quelque chose comme ça"
    "|si ce n'est pas trop de travail"},
}  # fmt: skip

# Phrases of the core that would mislead where drawings are told from the rest.
DROPPED = {
    ("request", "still"): ("draw {}", "dessine {}"),
    ("request", "video"): ("an animation of {}", "une animation de {}"),
}
