// Settings > Follow-Your-Emoji: whether the samplers show pictures while they work. The server reads it with each job.
import { app } from "/scripts/app.js";

app.registerExtension({
  name: "followyouremoji.PreviewSetting",
  settings: [
    {
      id: "FollowEmoji.Preview",
      category: ["Follow-Your-Emoji", "Sampling", "Preview"],
      name: "Show previews while sampling",
      tooltip: "Rough pictures of the clip while it is made, whatever preview method ComfyUI uses.",
      type: "boolean",
      defaultValue: true,
    },
  ],
});
