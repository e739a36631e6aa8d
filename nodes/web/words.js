// The editors' texts in the language that ComfyUI is set to. The English stands where it is said; the other languages are
// in locales/<language>/main.json under `followEmoji`, which ComfyUI serves with everybody else's.
import { api } from "/scripts/api.js";
import { app } from "/scripts/app.js";

const PATIENCE = 3000; // ms that the start of the page waits for translations at most
let languages = {};

function spoken() {
  const locale = String(app.extensionManager?.setting?.get("Comfy.Locale") ?? "en").toLowerCase();
  return languages[locale] ?? languages[locale.split("-")[0]];
}

// The text of a key "group.name" in the chosen language, else the English; {name} in it stands for given.name.
export function say(key, english, given = {}) {
  const [group, name] = key.split(".");
  const text = spoken()?.[group]?.[name] || english;
  return text.replace(/\{(\w+)\}/g, (whole, each) => given[each] ?? whole);
}

app.registerExtension({
  name: "followyouremoji.Words",
  // All languages at once: when another is chosen, the frontend only builds the graph's nodes anew.
  async init() {
    try {
      const answer = await api.fetchApi("/i18n", { signal: AbortSignal.timeout(PATIENCE) });
      const told = Object.entries(await answer.json());
      languages = Object.fromEntries(told.map(([language, { followEmoji }]) => [language.toLowerCase(), followEmoji]));
    } catch {
      languages = {}; // English
    }
  },
});
