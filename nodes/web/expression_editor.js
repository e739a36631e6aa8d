// The widget of Expression Editor: the editor is the widget, its value is the whole edit as text.
import { app } from "/scripts/app.js";
import { Editor } from "./editor.js";
import { hintSetting } from "./editor_hint.js";

const LEAST = [430, 560]; // pixels of a new editor

function chained(node, name, after) {
  const before = node[name];
  node[name] = function (...given) {
    const result = before?.apply(this, given);
    after.apply(this, given);
    return result;
  };
}

app.registerExtension({
  name: "FollowEmoji.ExpressionEditor",
  settings: [hintSetting],
  getCustomWidgets() {
    return {
      FOLLOWEMOJI_EDIT(node, inputName) {
        const editor = new Editor(node);
        const widget = node.addDOMWidget(inputName, "followemoji_edit", editor.element, {
          getValue: () => editor.state.text,
          setValue: (value) => (editor.state.text = typeof value === "string" ? value : ""),
          getMinHeight: () => 380,
          hideOnZoom: false,
        });
        editor.widget = widget;
        chained(node, "onRemoved", () => editor.remove());
        chained(node, "onExecuted", (output) => {
          node.followemojiKey = output?.followemoji_editor?.[0]?.key ?? node.followemojiKey;
        });
        return { widget, minWidth: LEAST[0], minHeight: LEAST[1] };
      },
    };
  },
});
