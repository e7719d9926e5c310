// The table of functions.

import {byId, setText} from './elements.js';
import {KNOWN_BY} from './empty_reasons.js';
import {clean, matches, shorten} from './names.js';
import {zoneKey} from './store.js';
import {Table, fillName} from './table.js';
import {count, energy, seconds, watts} from './units.js';
import {headlinePlaces, sumOver} from './zone_figures.js';

const NOT_MORE = 300;

const call = (figure, unit) => (figure === null || figure === undefined ? '–' : energy(figure * 1e6, unit));
const time = figure => (figure === null || figure === undefined ? '–' : seconds(figure));

function columns(colour, unit) {
	const numeric = (key, name, title, text) => ({key, name, title, numeric: true, sortable: true, text});
	return [
		{
			key: 'name',
			name: 'Function',
			sortable: true,
			fill: (cell, row) => fillName(cell, {text: shorten(row.title, 44), title: row.hint, colour: colour(row.id)}),
		},
		numeric('watts', 'Power', 'Now', row => watts(row.watts)),
		numeric('microjoules', 'Energy', 'Since the books began', row => energy(row.microjoules, unit())),
		numeric('invocations', 'Calls', 'Invocations', row => count(row.invocations)),
		numeric('mean', 'J/call', 'Energy per call: mean', row => call(row.mean, unit())),
		numeric('p50', 'p50', 'Energy per call: half of them use less', row => call(row.p50, unit())),
		numeric('p95', 'p95', 'Energy per call: 95 of 100 use less', row => call(row.p95, unit())),
		numeric('wall', 'Time/call', 'Wall time per call: mean', row => time(row.wall)),
		numeric('wall95', 'p95', 'Wall time per call: 95 of 100 take less', row => time(row.wall95)),
		numeric('coldStarts', 'Cold starts', 'How many', row => count(row.coldStarts)),
		numeric('coldStart', 'Their energy', 'Energy of cold starts', row => energy(row.coldStart, unit())),
		numeric('keepWarm', 'Keep-warm', 'Energy while no call was running', row => energy(row.keepWarm, unit())),
		numeric('containers', 'Containers', 'How many there are', row => count(row.containers)),
	];
}

export class Functions {
	#table;
	#note = byId('functions-note');
	#count = byId('functions-count');
	#rows = null;
	#zones = [];
	#sort = {key: 'microjoules', down: true};
	#view;

	constructor(view, colour, pick) {
		this.#view = view;
		this.#table = new Table(
			byId('functions'),
			columns(colour, () => view.now.unit),
			{
				caption: 'Functions, their calls and energy',
				key: row => row.id,
				attributes: row => ({
					'data-line-id': row.id,
					'data-function': row.name,
					'data-invocations': row.invocations,
					'data-microjoules': row.microjoules,
				}),
				sort: key => {
					this.#sort = {key, down: this.#sort.key === key ? !this.#sort.down : key !== 'name'};
					this.draw();
				},
				pick: row => pick(row.id),
			},
		);
	}

	/** Takes over an answer of `/live/functions`. */
	take({zones, functions}) {
		const places = headlinePlaces(zones);
		this.#zones = places.map(at => zones[at]);
		this.#rows = functions.map(one => rowOf(one, places));
		this.draw();
	}

	refuse(reason) {
		this.#rows = [];
		this.draw();
		setText(this.#table.empty, reason);
	}

	draw() {
		const {search, pick} = this.#view.now;
		const {key, down} = this.#sort;
		const all = this.#rows ?? [];
		const found = all.filter(row => matches(search, row.title, row.platform));
		found.sort((one, two) => (down ? -1 : 1) * compare(one[key], two[key]) || compare(one.title, two.title));
		this.#table.draw(found.slice(0, NOT_MORE), this.#sort, row => row.id === pick);
		const hidden = found.length - NOT_MORE;
		setText(
			this.#count,
			all.length === 0
				? ''
				: `${count(found.length)} of ${count(all.length)}${hidden > 0 ? `, ${hidden} not shown: search` : ''}`,
		);
		setText(
			this.#table.empty,
			this.#rows === null
				? 'Loading'
				: all.length === 0
					? `No function has been seen. ${KNOWN_BY}`
					: found.length === 0
						? 'No function has a name like this.'
						: '',
		);
		setText(
			this.#note,
			this.#zones.length > 1
				? `p50 and p95 of energy are those of ${zoneKey(this.#zones[0])} alone: medians of several zones do not add up.`
				: '',
		);
	}
}

function rowOf(one, places) {
	const perCall = places.map(at => one.joules_per_call?.[at]).filter(Boolean);
	const title = `${one.namespace ? `${one.namespace}/` : ''}${one.name}${one.revision ? `@${one.revision}` : ''}`;
	return {
		id: one.id,
		name: one.name,
		title,
		platform: one.platform,
		hint: clean(`${title}, ${one.platform}`),
		watts: sumOver(one.watts, places),
		microjoules: sumOver(one.microjoules, places),
		invocations: one.invocations,
		mean: perCall.length > 0 ? perCall.reduce((all, {mean}) => all + mean, 0) : null,
		p50: perCall[0]?.p50 ?? null,
		p95: perCall[0]?.p95 ?? null,
		wall: one.seconds_per_call?.mean ?? null,
		wall95: one.seconds_per_call?.p95 ?? null,
		coldStarts: one.cold_starts,
		coldStart: sumOver(one.phases?.cold_start, places),
		keepWarm: sumOver(one.phases?.keep_warm, places),
		containers: one.containers,
	};
}

/** Nothing comes before everything else. */
function compare(one, two) {
	if (typeof one === 'string') return one.localeCompare(two);
	return (one ?? -1) - (two ?? -1);
}
