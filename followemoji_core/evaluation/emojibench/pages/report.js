// Players of the report: the videos of one case in step, by buttons and by keys. Nothing is written as HTML.
"use strict";

const LATE = 0.045; // seconds by which a video may be off before it is put right

class Player {
    constructor(section) {
        this.section = section;
        this.frames = Number(section.dataset.frames);
        this.fps = Number(section.dataset.fps);
        this.frame = 0;
        this.playing = false;
        this.videos = [...section.querySelectorAll("video")];
        this.playButton = section.querySelector(".play");
        this.seek = section.querySelector(".seek");
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

    toggle() {
        this.playing ? this.pause() : this.play();
    }

    async play() {
        for (const other of players) if (other !== this) other.pause();
        this.load();
        if (this.frame >= this.frames - 1) this.show(0);
        this.playing = true;
        this.playButton.textContent = "Pause";
        const run = (this.run = {}); // the last one counts
        await Promise.allSettled(this.videos.map((video) => video.play()));
        if (this.run !== run) return;
        if (this.videos.every((video) => video.paused && !video.ended)) return this.pause(); // a phone that saves power
        requestAnimationFrame(() => this.follow());
    }

    pause() {
        if (!this.playing) return;
        this.playing = false;
        this.playButton.textContent = "Play";
        for (const video of this.videos) video.pause();
        this.show(this.frame);
    }

    // While playing: the first video leads, the others are put right, the end begins again.
    follow() {
        if (!this.playing) return;
        const [lead, ...rest] = this.videos;
        if (!lead || lead.ended) {
            for (const video of this.videos) { video.currentTime = 0; video.play().catch(() => this.pause()); }
        } else {
            for (const video of rest)
                if (Math.abs(video.currentTime - lead.currentTime) > LATE) video.currentTime = lead.currentTime;
            this.tell(Math.min(Math.floor(lead.currentTime * this.fps + 1e-6), this.frames - 1));
        }
        requestAnimationFrame(() => this.follow());
    }

    step(by) {
        this.pause();
        this.show(this.frame + by);
    }

    show(frame) {
        if (this.playing) this.pause();
        this.load();
        this.tell(Math.max(0, Math.min(frame, this.frames - 1)));
        // The middle of a frame: at its edge browsers differ in which one they show.
        for (const video of this.videos) video.currentTime = (this.frame + 0.5) / this.fps;
    }

    tell(frame) {
        this.frame = frame;
        this.seek.value = String(frame);
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
