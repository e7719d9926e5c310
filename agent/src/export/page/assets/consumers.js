// The table of all consumers at the chosen level: searched, sorted and cut by the agent.

import {byId, setText} from './elements.js';
import {clean, shorten} from './names.js';
import {Table, fillName} from './table.js';
import {count, energy, percent, seconds, watts} from './units.js';
import {headlinePlaces, sumOver} from './zone_figures.js';

// Of the window, in CSS pixels.
const NARROW = 700;

export class Consumers {
	#table;
	#title = byId('consumers-title');
	#count = byId('consumers-count');
	#limit = byId('consumers-limit');
	#answer = null;
	#view;

	/** @param ask is called when another answer is wanted */
	constructor(view, colour, pick, ask) {
		this.#view = view;
		this.#limit.addEventListener('change', ask);
		const sortable = (key, name, title, text) => ({key, name, title, numeric: true, sortable: true, text});
		this.#table = new Table(
			byId('consumers'),
			[
				{
					key: 'name',
					name: 'Name',
					sortable: true,
					fill: (cell, row) =>
						fillName(cell, {
							text: shorten(row.name, innerWidth < NARROW ? 20 : 44),
							title: clean(row.name),
							colour: colour(row.id),
						}),
				},
				sortable('power', 'Power', 'Now', row => watts(row.watts)),
				{key: 'share', name: 'Share', title: 'Of all power now', numeric: true, text: row => percent(row.share)},
				sortable('energy', 'Energy', 'Since the books began', row => energy(row.microjoules, view.now.unit)),
				sortable('cpu', 'CPU time', 'Since the books began', row => seconds(row.cpu_nanoseconds / 1e9)),
				{key: 'state', name: 'State', text: row => row.state},
				{
					key: 'detail',
					name: 'Where',
					text: row => (row.detail === '' || row.detail === row.name ? '' : shorten(row.detail, 60)),
					hint: row => clean(row.detail),
				},
			],
			{
				caption: 'Consumers at the chosen level',
				key: row => row.id,
				attributes: row => ({'data-line-id': row.id, 'data-microjoules': row.microjoules, 'data-state': row.state}),
				sort: key => view.set({sort: key}),
				pick: row => pick(row.id, row.name),
			},
		);
	}

	question() {
		const {level, search, sort} = this.#view.now;
		return {path: 'live/lines', parameters: {level, search, sort, limit: Math.min(200, Number(this.#limit.value))}};
	}

	/** Takes over an answer of `/live/lines`. @param total watts of the machine now */
	take(answer, total) {
		const places = headlinePlaces(answer.zones);
		const rows = answer.lines.map(line => {
			const power = sumOver(line.watts, places);
			return {...line, watts: power, share: power / total, microjoules: sumOver(line.microjoules, places)};
		});
		this.#answer = {...answer, rows, rest: sumOver(answer.other.microjoules, places)};
		this.draw();
	}

	refuse(reason) {
		this.#answer = null;
		this.draw();
		setText(this.#table.empty, reason);
	}

	/** What is shown is of another level: it goes until the next answer is here. */
	forget() {
		this.#answer = null;
		this.draw();
	}

	draw() {
		const {level, sort, pick, search, unit} = this.#view.now;
		setText(this.#title, `Consumers by ${level}`);
		const rows = this.#answer?.rows ?? [];
		this.#table.draw(rows, {key: sort, down: sort !== 'name'}, row => row.id === pick);
		const {matched = 0, total = 0, rest = 0} = this.#answer ?? {};
		const hidden = matched - rows.length;
		const all = search ? ` that match, of ${count(total)}` : '';
		const others = hidden > 0 ? `; the others: ${energy(rest, unit)}` : '';
		setText(this.#count, this.#answer === null ? '' : `${count(rows.length)} of ${count(matched)}${all}${others}`);
		setText(
			this.#table.empty,
			this.#answer === null
				? 'Loading'
				: rows.length > 0
					? ''
					: search
						? 'Nothing here has a name like this.'
						: 'Nothing has run at this level yet.',
		);
	}
}
