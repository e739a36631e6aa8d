// Settings > Follow-Your-Emoji: whether the samplers show pictures while they work. The server reads it with each job.
import { app } from "/scripts/app.js";

app.registerExtension({
  name: "followyouremoji.PreviewSetting",
  settings: [
    {
      id: "FollowEmoji.Preview",
      category: ["Follow-Your-Emoji", "Sampling", "Preview"],
      name: "Show previews while sampling",
      tooltip: "Rough pictures of the clip as it takes shape, whatever ComfyUI's own preview method is.",
      type: "boolean",
      defaultValue: true,
    },
  ],
});
