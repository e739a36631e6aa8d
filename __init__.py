"""Follow-Your-Emoji for ComfyUI. Nothing is imported before ComfyUI asks for the nodes."""

WEB_DIRECTORY = "./nodes/web"


async def comfy_entrypoint():
    from .nodes import FollowEmojiExtension

    return FollowEmojiExtension()
