// Graphs that were saved when a node's widgets or outputs had another order: brought into today's before the node takes
// its values, which frontends save by place.
import { app } from "/scripts/app.js";

const STILL_LIDS = { at: 38, value: 0, until: 45 }; // lids_still came between dimple_right and jaw_forward

const mend = {
  FollowEmojiExpression(node, saved) {
    const values = saved.widgets_values;
    if (!Array.isArray(values) || values.length !== STILL_LIDS.until) return;
    saved.widgets_values = [...values.slice(0, STILL_LIDS.at), STILL_LIDS.value, ...values.slice(STILL_LIDS.at)];
  },
  FollowEmojiExtractLandmarks(node, saved) {
    const [motion, fps, audio, ...more] = saved.outputs ?? [];
    if (fps?.type !== "FLOAT" || audio?.type !== "AUDIO") return; // today sound comes before the frame rate
    saved.outputs = [motion, audio, fps, ...more];
    saved.outputs.forEach((output, slot) => {
      if ("slot_index" in output) output.slot_index = slot;
      for (const id of output.links ?? []) {
        const link = node.graph?.getLink?.(id) ?? node.graph?.links?.[id];
        if (link) link.origin_slot = slot;
      }
    });
  },
};

app.registerExtension({
  name: "followyouremoji.SavedGraphs",
  beforeRegisterNodeDef(nodeType, { name }) {
    if (!mend[name]) return;
    const configure = nodeType.prototype.configure;
    nodeType.prototype.configure = function (saved) {
      mend[name](this, saved);
      return configure.call(this, saved);
    };
  },
});
