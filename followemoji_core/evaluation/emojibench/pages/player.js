// Videos of one case in step, for a page's own script, which stands after this one.
"use strict";

const LATE = 0.045; // seconds by which a video may be off before it is put right

class InStep {
    constructor(playButton, seek) {
        Object.assign(this, { playButton, seek, videos: [], frames: 1, fps: 25, frame: 0, playing: false });
    }

    toggle() {
        this.playing ? this.pause() : this.play();
    }

    async play() {
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
        if (lead.ended) {
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
        this.pause();
        this.tell(Math.max(0, Math.min(frame, this.frames - 1)));
        // The middle of a frame: at its edge browsers differ in which one they show.
        for (const video of this.videos) video.currentTime = (this.frame + 0.5) / this.fps;
    }

    tell(frame) {
        this.frame = frame;
        this.seek.value = String(frame);
    }
}
