"""The diorama: a small procedural world of scene records, their words, and their MuJoCo renderings."""
