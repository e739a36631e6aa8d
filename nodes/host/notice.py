"""What a node has to tell whoever looks at it: on the node, in the log, and in the run's history."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from comfy_api.v0_0_2 import ui

log = logging.getLogger(__name__)
_told: set[str] = set()


def tell(title: str, node_id: str | None, sentences: Sequence[str]) -> ui.PreviewText | None:
    """Warn of something: `sentences` on the node with that id, and in the log under `title`.

    Returns the same for NodeOutput(ui=...), which puts it into the history; None where there is nothing to say. Then
    nothing appears, but for "all is well" on a node that has warned before, as frontends keep a text until the next.
    """
    for sentence in sentences:
        log.warning("%s: %s", title, sentence)
    text = "\n".join(sentences)
    if node_id is not None and (sentences or node_id in _told):
        from server import PromptServer  # ComfyUI's own, there while it runs

        # `ui` alone is shown on core's own preview node only; this text is shown on any node.
        server = PromptServer.instance
        server.send_progress_text(text or "All is well.", node_id, server.client_id)
        (_told.add if sentences else _told.discard)(node_id)
    return ui.PreviewText(text) if sentences else None
