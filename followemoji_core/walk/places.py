"""Where the released files lie in a models folder laid out as ComfyUI's."""

VAE_FILE = "vae/sd-vae-ft-mse.safetensors"
CLIP_FILE = "clip_vision/sd-image-variations-encoder-fp16.safetensors"
