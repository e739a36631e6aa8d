// The study's page: one case after the other, tries put into an order three times. Nothing is sent, nothing is fetched
// but the videos beside it, and nothing is written as HTML.

const study = JSON.parse(document.getElementById("study").textContent);
const place = `followemoji-study-${study.study}`;
const simulated = location.hash === "#simulated";
const questions = Object.keys(study.questions);
const at = (id) => document.getElementById(id);

let record = null; // {rater, name, simulated, answers: {case: {question: [candidates, best first]}}, page}
let cases = []; // in this rater's order, each with its candidates in theirs
let keeps = true;

// --- what is kept in the browser

function load() {
    try {
        const found = JSON.parse(localStorage.getItem(place) ?? "null");
        const usable = typeof found?.rater === "string" && found.answers && Number.isInteger(found.page);
        return usable ? found : null;
    } catch {
        return null;
    }
}

function keep() {
    try {
        localStorage.setItem(place, JSON.stringify(record));
    } catch {
        keeps = false;
    }
}

// --- orders: by study and rater, the same after a reload

function numbers(seed) {
    let state = 2166136261;
    for (const letter of seed) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

function shuffled(things, draw) {
    const result = [...things];
    for (let last = result.length - 1; last > 0; last--) {
        const other = Math.floor(draw() * (last + 1));
        [result[last], result[other]] = [result[other], result[last]];
    }
    return result;
}

const letter = (index) => String.fromCharCode(65 + index);

// --- screens

function show(id, title) {
    for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
    at(title).focus();
    window.scrollTo(0, 0);
}

function begin() {
    const draw = numbers(study.study + record.rater);
    cases = shuffled(study.cases, draw).map((each) => ({ ...each, candidates: shuffled(each.candidates, draw) }));
    keep();
    record.page < cases.length ? openCase() : openEnd();
}

const current = () => cases[record.page];
const answers = () => (record.answers[current().id] ??= Object.fromEntries(questions.map((name) => [name, []])));
const whole = (each) => questions.every((name) => record.answers[each.id]?.[name]?.length === each.candidates.length);
const answered = () => cases.filter(whole).length;

function openCase() {
    const each = current();
    for (const video of document.querySelectorAll("#case video")) { // else browsers keep them, up to a few dozen
        video.removeAttribute("src");
        video.load();
    }
    at("case-title").textContent = `Page ${record.page + 1} of ${cases.length}`;
    at("progress").max = cases.length;
    at("given").replaceChildren(
        tile("img", `media/${each.id}.jpg`, "Portrait"), tile("video", `media/${each.id}.mp4`, "Driver"),
    );
    at("tries").replaceChildren(
        ...each.candidates.map((name, index) => tile("video", `media/${name}.mp4`, letter(index))),
    );
    at("seek").max = each.frames - 1;
    at("previous").disabled = record.page === 0;
    player.open(each);
    at("questions").replaceChildren(...questions.map(fieldset));
    tell("");
    show("case", "case-title");
}

function tile(kind, source, label) {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const media = document.createElement(kind);
    if (kind === "video") {
        Object.assign(media, { muted: true, playsInline: true, preload: "auto" });
        media.setAttribute("aria-label", label);
    } else {
        media.alt = label;
    }
    caption.textContent = label;
    media.addEventListener("error", () => media.hasAttribute("src") && (caption.textContent = `${label}: it cannot be shown here`));
    media.src = source;
    figure.append(media, caption);
    return figure;
}

function fieldset(name) {
    const set = document.createElement("fieldset"), legend = document.createElement("legend");
    const row = document.createElement("div"), order = document.createElement("p");
    set.dataset.question = name;
    legend.textContent = study.questions[name];
    order.className = "order";
    for (const [index, candidate] of current().candidates.entries()) {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.candidate = candidate;
        button.addEventListener("click", () => choose(name, index));
        row.append(button);
    }
    const clear = document.createElement("button");
    clear.type = "button";
    clear.className = "clear";
    clear.textContent = "Clear";
    clear.addEventListener("click", () => { answers()[name] = []; changed(`${name}: cleared.`); });
    row.append(clear);
    set.append(legend, row, order);
    return set;
}

function openEnd() {
    const missing = cases.length - answered();
    at("end-text").textContent = missing
        ? `${missing} of ${cases.length} pages are not answered yet. Go back to them, or save what is there.`
        : "Everything is answered. Save the file and send it to whoever asked you.";
    at("saved").textContent = "";
    player.pause();
    show("end", "end-title");
}

function tell(text) {
    const each = current(), found = answers();
    const open = questions.find((name) => found[name].length < each.candidates.length);
    for (const set of at("questions").children) {
        const name = set.dataset.question, order = found[name];
        set.classList.toggle("current", name === open);
        for (const button of set.querySelectorAll("[data-candidate]")) {
            const index = each.candidates.indexOf(button.dataset.candidate);
            const rank = order.indexOf(button.dataset.candidate) + 1;
            button.textContent = rank ? `${letter(index)}: ${rank}` : letter(index);
            button.setAttribute("aria-pressed", String(rank > 0));
            button.setAttribute("aria-label", `${letter(index)}, ${rank ? `place ${rank}` : "no place yet"}`);
        }
        const letters = order.map((candidate) => letter(each.candidates.indexOf(candidate)));
        set.querySelector(".order").textContent = letters.length ? `Best first: ${letters.join(", ")}` : "Choose the best.";
    }
    at("progress").value = answered();
    at("next").disabled = !whole(each);
    at("told").textContent = keeps ? text : `${text} This browser keeps nothing: do not close the page before saving.`;
}

function changed(text) {
    keep();
    tell(text);
}

// --- answers

function choose(name, index) {
    const each = current(), order = answers()[name], candidate = each.candidates[index];
    if (order.includes(candidate)) {
        order.splice(order.indexOf(candidate));
    } else {
        order.push(candidate);
        const left = each.candidates.filter((other) => !order.includes(other));
        if (left.length === 1) order.push(left[0]);
    }
    const letters = order.map((other) => letter(each.candidates.indexOf(other))).join(", ");
    changed(`${name}: ${letters || "nothing"}.${whole(each) ? " This page is answered: Enter goes on." : ""}`);
    if (whole(each)) at("next").focus({ preventScroll: true });
}

function takeBack() {
    const found = answers(), count = current().candidates.length;
    const name = [...questions].reverse().find((question) => found[question].length);
    if (!name) return;
    found[name].splice(found[name].length === count ? count - 2 : found[name].length - 1);
    changed(`${name}: the last one is taken back.`);
}

function turn(by) {
    record.page = Math.max(0, Math.min(record.page + by, cases.length));
    keep();
    record.page < cases.length ? openCase() : openEnd();
}

function save() {
    const ranks = {};
    for (const each of cases) {
        const found = record.answers[each.id] ?? {};
        const full = questions.filter((name) => found[name]?.length === each.candidates.length);
        if (full.length) ranks[each.id] = Object.fromEntries(full.map((name) => [
            name, Object.fromEntries(found[name].map((candidate, index) => [candidate, index + 1])),
        ]));
    }
    const { rater, name } = record;
    const file = { format: "followemoji-study-answers", version: study.version, study: study.study, rater, name,
        simulated: record.simulated, answers: ranks };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
    const plain = name.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 40);
    link.download = `answers_${study.study}_${plain}_${rater.slice(0, 6)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    at("saved").textContent = at("told").textContent = `Saved as ${link.download}: send that file.`;
}

// --- videos

class StudyPlayer extends InStep {
    open(each) {
        this.pause();
        Object.assign(this, { frames: each.frames, fps: each.fps, frame: 0 });
        this.videos = [...document.querySelectorAll("#case video")];
        this.tell(0);
        if (this.asked || !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
    }

    toggle() {
        this.asked = true;
        super.toggle();
    }
}
const player = new StudyPlayer(at("play"), at("seek"));

// --- what people do

at("start").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = at("name").value.trim();
    if (!name) return;
    if (!record) {
        const random = crypto.getRandomValues(new Uint8Array(8));
        const rater = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        record = { rater, simulated, answers: {}, page: 0 };
    }
    record.name = name;
    begin();
});
at("other").addEventListener("click", () => {
    if (!confirm("The answers that are kept here will be gone. Were they saved?")) return;
    record = null;
    try { localStorage.removeItem(place); } catch { keeps = false; }
    at("name").value = "";
    welcome();
    at("name").focus();
});
at("play").addEventListener("click", () => player.toggle());
at("back").addEventListener("click", () => player.step(-1));
at("forward").addEventListener("click", () => player.step(1));
at("seek").addEventListener("input", () => player.show(Number(at("seek").value)));
at("previous").addEventListener("click", () => turn(-1));
at("next").addEventListener("click", () => turn(1));
at("review").addEventListener("click", () => turn(-1));
for (const button of document.querySelectorAll(".save")) button.addEventListener("click", save);

document.addEventListener("keydown", (event) => {
    if (at("case").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target instanceof HTMLButtonElement, onSlider = event.target === at("seek");
    const index = event.key.length === 1 ? event.key.toUpperCase().charCodeAt(0) - 65 : -1;
    const open = questions.find((name) => answers()[name].length < current().candidates.length);
    if (index >= 0 && index < current().candidates.length) {
        if (open) choose(open, index);
    } else if (event.key === "Backspace") takeBack();
    else if (event.key === "Enter" && !onButton) { if (whole(current())) turn(1); }
    else if (event.key === " " && !onButton) player.toggle();
    else if (event.key === "ArrowLeft" && !onSlider) player.step(-1);
    else if (event.key === "ArrowRight" && !onSlider) player.step(1);
    else return;
    event.preventDefault();
});

function welcome() {
    at("simulated").hidden = !(record ? record.simulated : simulated);
    at("other").hidden = !record;
    at("begin").textContent = record ? "Go on" : "Begin";
    at("kept").textContent = record ? `${Object.keys(record.answers).length} of ${study.cases.length} pages were begun.` : "";
}

record = load();
if (record) at("name").value = record.name ?? "";
welcome();
