"""Videos -> numbers: what a generated or reconstructed video is worth, and under which protocol."""
