// A colour of its own for each type of ours that travels on wires.
import { app } from "/scripts/app.js";

const COLOURS = {
  FOLLOWEMOJI_MODEL: "#b39ddb",
  FOLLOWEMOJI_MOTION: "#4dd0a6",
  FOLLOWEMOJI_ALIGNED_MOTION: "#f48fb1",
  FOLLOWEMOJI_APPEARANCE: "#ffb74d",
  FOLLOWEMOJI_CROP: "#aed581",
};

// The frontend empties its tables of colours whenever it loads a palette: only a colour that a palette names replaces ours.
function keep(table, type, ours) {
  let colour = table[type] || ours;
  Object.defineProperty(table, type, {
    configurable: true,
    enumerable: true,
    get: () => colour,
    set: (chosen) => (colour = chosen || ours),
  });
}

app.registerExtension({
  name: "followyouremoji.SocketColours",
  setup() {
    // What Nodes 2.0 reads: variables of our own types, and nothing else.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(
      `:root { ${Object.entries(COLOURS)
        .map(([type, colour]) => `--color-datatype-${type}: ${colour};`)
        .join(" ")} }`,
    );
    document.adoptedStyleSheets.push(sheet);
    for (const [type, colour] of Object.entries(COLOURS)) {
      keep(app.canvas.default_connection_color_byType, type, colour);
      keep(app.canvas.constructor.link_type_colors, type, colour);
    }
    app.canvas.setDirty(true, true);
  },
});
