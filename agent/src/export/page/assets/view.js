// What the user has chosen to see. All of it is in the address, so that it can be shared and comes back.

export const SPANS = {hour: {length: 3_600_000, step: 1000}, day: {length: 86_400_000, step: 60_000}};
export const SHORTEST_WINDOW = 5000;

/**
 * `level` is null until the user or the agent's first lines have decided; `length` in milliseconds, null for the whole
 * span; `end` in Unix milliseconds, null to follow what comes; `pick` the id of the line that is set apart; `since` is
 * `window`, a number of seconds, or `@` and Unix milliseconds; `zones` the keys of those that are drawn as lines.
 */
export const DEFAULTS = Object.freeze({
	level: null,
	span: 'hour',
	length: 300_000,
	end: null,
	pick: null,
	search: '',
	since: 'window',
	zones: [],
	sort: 'power',
	theme: 'auto',
	unit: 'J',
});

export class View {
	#choices;
	#listeners = [];

	constructor(choices) {
		this.#choices = {...DEFAULTS, ...choices};
	}

	get now() {
		return this.#choices;
	}

	/** @param change listeners are called once, with the names of what is different */
	set(change) {
		const changed = new Set(Object.keys(change).filter(name => !same(change[name], this.#choices[name])));
		if (changed.size === 0) return;
		this.#choices = {...this.#choices, ...change};
		for (const listener of this.#listeners) listener(changed, this.#choices);
	}

	on(listener) {
		this.#listeners.push(listener);
	}

	/** The window shown, as of the end of the latest frame. @returns Unix milliseconds */
	window(latest) {
		const {span, length, end} = this.#choices;
		const to = end ?? latest;
		return {from: to - (length ?? SPANS[span].length), to};
	}

	/** Shows this window; one that reaches the latest frame goes on following. */
	show(from, to, latest) {
		const whole = SPANS[this.#choices.span].length;
		const length = Math.min(
			whole,
			Math.max(SHORTEST_WINDOW, SPANS[this.#choices.span].step * 5, Math.round(to - from)),
		);
		const end = Math.round(Math.min(latest, Math.max(to, latest - whole + length)));
		const follows = end >= latest - SPANS[this.#choices.span].step / 2;
		this.set({length: length === whole ? null : length, end: follows ? null : end});
	}
}

function same(one, other) {
	return Array.isArray(one)
		? one.length === other.length && one.every((item, at) => item === other[at])
		: one === other;
}
