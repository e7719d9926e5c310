// What is to be seen, worked out once for all parts of the page.

import {theme} from './colours.js';
import {provenanceOf} from './headline.js';
import {matches} from './names.js';
import {IDLE, OTHER, PARTS, UNATTRIBUTED, partColour} from './parts.js';
import {ShownLines} from './shown_lines.js';
import {Store} from './store.js';

const NOTHING = new Store(0);

export class Scene {
	#view;
	#live;
	#colours;
	#shown = new ShownLines();
	#names = new Map();
	store = null;
	window = {from: 0, to: 1};
	tally = NOTHING.tally(0, 1);
	/** Of the total. */
	provenance = null;

	constructor(view, live, colours) {
		[this.#view, this.#live, this.#colours] = [view, live, colours];
		view.on(changed => {
			if (['level', 'span', 'length', 'end'].some(name => changed.has(name))) this.#shown.reset();
		});
	}

	/** Lines with a layer of their own, most energy first. */
	get lines() {
		return this.#shown.lines;
	}

	get latest() {
		return this.store?.latest?.end ?? Date.now();
	}

	/** Works everything out anew. */
	refresh() {
		const {span, pick} = this.#view.now;
		const store = this.#live.store(span);
		if (store !== this.store) this.#shown.reset();
		this.store = store;
		this.window = this.#view.window(this.latest);
		this.tally = (store ?? NOTHING).tally(this.window.from, this.window.to);
		this.#shown.update(this.tally, pick === null ? undefined : store?.line(pick));
		this.#colours.keep(this.lines.map(({id}) => id));
		this.provenance = provenanceOf(store?.zones ?? []);
	}

	colour(id) {
		return partColour(id, theme()) ?? this.#colours.of(id);
	}

	/** Whether it stands out: all do where nothing is picked or searched for. */
	strong(id) {
		const {pick, search} = this.#view.now;
		if (pick !== null) return id === pick;
		if (search.trim() === '') return true;
		const line = this.store?.line(id);
		return line !== undefined && matches(search, line.name, line.detail);
	}

	/** Remembers a name that frames may not have. */
	note(id, name) {
		this.#names.set(id, name);
	}

	describe(id) {
		return PARTS[id] ? {id, ...PARTS[id]} : (this.store?.line(id) ?? {id, name: this.#names.get(id) ?? id, detail: ''});
	}

	/** A tally by what is stacked: each line, other, not attributed, idle. They add up to its total. */
	partsOf(tally, lines) {
		const own = lines.map(line => ({id: line.id, microjoules: tally.sums[line.number] ?? 0}));
		const rest =
			tally.total - tally.idle - tally.unattributed - own.reduce((all, {microjoules}) => all + microjoules, 0);
		return [
			...own,
			{id: OTHER, microjoules: rest},
			{id: UNATTRIBUTED, microjoules: tally.unattributed},
			{id: IDLE, microjoules: tally.idle},
		];
	}

	/** Energy of a line or part in the window shown; null: no frame has it. */
	energyOf(id) {
		if (PARTS[id]) return this.partsOf(this.tally, this.lines).find(one => one.id === id).microjoules;
		const line = this.store?.line(id);
		const sum = line === undefined ? 0 : this.tally.sums[line.number];
		return sum > 0 ? sum : null;
	}
}
