"""Where the released files lie in a models folder laid out as ComfyUI's, and what some of them are known by."""

VAE_FILE = "vae/sd-vae-ft-mse.safetensors"
CLIP_FILE = "clip_vision/sd-image-variations-encoder-fp16.safetensors"
# Folders of the networks: this pack's, and those of older packs.
NETWORK_FOLDERS = ("followemoji", "FYE", "follow_emoji/ckpts")
TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
# SHA-256 -> file. Of the networks themselves none is known here: `download` keeps what Hugging Face announces of them.
KNOWN_SHA256 = {
    TASK_SHA256: "MediaPipe's Face Landmarker, float16/1",
    "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815": "VAE of stabilityai/sd-vae-ft-mse",
    "69ed0f5fef82b110aca51bcab73b21104242bc65d6ab4b8b2a2a94d31cad1bf0": "mm_sd_v15_v2.ckpt of guoyww/animatediff",
}
