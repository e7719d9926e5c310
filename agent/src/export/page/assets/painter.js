// One picture at a time: whatever has changed is drawn together, at most once for each frame of the screen. How long
// each took can be read as the measure `prony-draw`.

const DRAWS_REMEMBERED = 1000;

export class Painter {
	#parts = new Map();
	#stale = new Set();
	#due = false;
	#draws = 0;

	/** @param draw in the order in which parts are given */
	part(name, draw) {
		this.#parts.set(name, draw);
	}

	/** @param names parts that are to be drawn anew; none: all */
	stale(...names) {
		for (const name of names.length > 0 ? names : this.#parts.keys()) this.#stale.add(name);
		if (this.#due) return;
		this.#due = true;
		requestAnimationFrame(() => this.#draw());
	}

	#draw() {
		const start = performance.now();
		this.#due = false;
		const stale = this.#stale;
		this.#stale = new Set();
		for (const [name, draw] of this.#parts) if (stale.has(name)) draw();
		if (++this.#draws % DRAWS_REMEMBERED === 0) performance.clearMeasures('prony-draw');
		performance.measure('prony-draw', {start});
	}
}
