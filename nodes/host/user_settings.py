"""ComfyUI's settings panel, as a job sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import folder_paths


def user_setting(name: str, default: Any) -> Any:
    """What the settings panel says under an id; `default` where nobody has changed it.

    With --multi-user a job does not say whose it is: then it is `default` too.
    """
    file = Path(folder_paths.get_user_directory()) / "default" / "comfy.settings.json"
    try:
        settings = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):  # none yet, or just being written
        return default
    return settings.get(name, default) if isinstance(settings, dict) else default
