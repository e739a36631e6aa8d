"""Pictures to latents and back, pictures to tokens; what they agree on is in interfaces.py.

autoencoder.py, sd_vae.py       codecs, which opening.py tells apart
clip.py, image_encoder.py       token encoders: CLIP as published, or the one that a checkpoint brings along
"""
