"""Follow-Your-Emoji (Ma et al., SIGGRAPH Asia 2024): portrait animation by expression-aware landmarks.

The method alone: it knows nothing of ComfyUI and runs without it. `walk/animate.py` is the whole walk on one page.
"""

__version__ = "0.1.0"
