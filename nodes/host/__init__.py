"""ComfyUI as the core's host, one file a concept: networks in its hands, its encoders, memory, progress, pictures.

The core asks a host for layers and an attention function, for encoders, for room on the device, and for something to
call between steps. What ComfyUI answers is here; the nodes above only unwrap, call and wrap.
"""
