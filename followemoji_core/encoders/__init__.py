"""Pictures to latents and back, pictures to tokens."""
