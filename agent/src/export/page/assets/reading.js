// The time in the chart that figures are read at, and the line there.

export class Reading {
	/** Unix milliseconds. */
	time = null;
	/** Id of the line or part under the pointer. */
	id = null;
	/** Times between which is dragged. */
	selection = null;

	clear() {
		[this.time, this.id, this.selection] = [null, null, null];
	}

	frame(store) {
		return this.time === null || store === null ? undefined : store.at(this.time);
	}

	/** Goes so many frames on, from the latest where nothing is read yet. */
	step(frames, store, window) {
		if (!store?.latest) return;
		const inside = at => Math.min(store.frames.length - 1, Math.max(0, at));
		const [first, last] = [inside(store.after(window.from)), inside(store.after(window.to - 1))];
		const here = this.time === null ? last : store.after(this.time - 0.5) + frames;
		const frame = store.frames[Math.min(last, Math.max(first, here))];
		this.time = frame.end - frame.length / 2;
	}
}
