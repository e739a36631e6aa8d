// Players of the report: the videos of each case, by buttons and by keys. Nothing is written as HTML.

class Player extends InStep {
    constructor(section) {
        super(section.querySelector(".play"), section.querySelector(".seek"));
        this.section = section;
        this.frames = Number(section.dataset.frames);
        this.fps = Number(section.dataset.fps);
        this.videos = [...section.querySelectorAll("video")];
        this.told = section.querySelector(".frame");
        this.playButton.addEventListener("click", () => this.toggle());
        section.querySelector(".back").addEventListener("click", () => this.step(-1));
        section.querySelector(".forward").addEventListener("click", () => this.step(1));
        this.seek.addEventListener("input", () => this.show(Number(this.seek.value)));
        section.addEventListener("keydown", (event) => this.key(event));
    }

    // Browsers hold a few dozen videos at once: only those near the window are loaded, at the frame that is told.
    load() {
        if (this.loaded) return;
        this.loaded = true;
        for (const video of this.videos) video.src = video.dataset.src;
        this.show(this.frame);
    }

    unload() {
        if (!this.loaded) return;
        this.pause();
        this.loaded = false;
        for (const video of this.videos) {
            video.removeAttribute("src");
            video.load();
        }
    }

    key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const onButton = event.target instanceof HTMLButtonElement;
        const onSlider = event.target === this.seek;
        const does = {
            k: () => this.toggle(), ",": () => this.step(-1), ".": () => this.step(1),
            ...(onButton ? {} : { " ": () => this.toggle() }),
            ...(onSlider ? {} : {
                ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
                Home: () => this.show(0), End: () => this.show(this.frames - 1),
            }),
        }[event.key];
        if (!does) return;
        event.preventDefault();
        does();
    }

    play() {
        for (const other of players) if (other !== this) other.pause();
        this.load();
        return super.play();
    }

    show(frame) {
        this.load();
        super.show(frame);
    }

    tell(frame) {
        super.tell(frame);
        this.told.textContent = `${frame + 1} / ${this.frames}`;
    }
}

const players = [...document.querySelectorAll(".player")].map((section) => new Player(section));
const bySection = new Map(players.map((player) => [player.section, player]));
const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
        const player = bySection.get(target);
        isIntersecting ? player.load() : player.unload();
    }
}, { rootMargin: "300px 0px" });
for (const { section } of players) near.observe(section);
