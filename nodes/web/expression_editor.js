// The widget of Expression Editor: the editor is the widget, its value is the whole edit as text.
import { app } from "/scripts/app.js";
import { Editor } from "./editor.js";
import { asWideAsItsNode, chained, whileInGraph } from "./node_life.js";

const LEAST = [430, 560]; // pixels of a new editor

app.registerExtension({
  name: "followyouremoji.ExpressionEditor",
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
        asWideAsItsNode(widget);
        editor.widget = widget;
        whileInGraph(node, () => editor.start(), () => editor.rest());
        chained(node, "onExecuted", (output) => {
          node.followemojiKey = output?.followemoji_editor?.[0]?.key ?? node.followemojiKey;
          editor.forget(); // the same key, but a server that may have lost what it stood for
        });
        return { widget, minWidth: LEAST[0], minHeight: LEAST[1] };
      },
    };
  },
});
