"""Words and video codes in, video codes out: the world, the sequence, the GPT and what makes a video of them."""
