// The latest invocations, newest first.

import {byId, setText} from './elements.js';
import {clean, matches, shorten} from './names.js';
import {zoneKey} from './store.js';
import {Table} from './table.js';
import {energy, instant, moment, seconds} from './units.js';

const SEEN = {process: 'a process for each', report: 'reported', socket: 'on its socket'};

export class Invocations {
	#table;
	#count = byId('invocations-count');
	#rows = null;
	#withheld = null;
	#view;

	constructor(view) {
		this.#view = view;
		this.#table = new Table(
			byId('invocations'),
			[
				{key: 'start', name: 'Start', text: row => instant(row.start), hint: row => moment(row.start)},
				{
					key: 'name',
					name: 'Function',
					text: row => shorten(row.name, 34),
					hint: row => clean(`${row.name}, ${SEEN[row.seen_by] ?? row.seen_by}`),
				},
				{key: 'seconds', name: 'Time', title: 'Wall time', numeric: true, text: row => seconds(row.seconds)},
				{key: 'cpu', name: 'CPU', title: 'CPU time', numeric: true, text: row => seconds(row.cpu_nanoseconds / 1e9)},
				{
					key: 'energy',
					name: 'Energy ± σ',
					title: 'With one standard deviation',
					numeric: true,
					text: row => `${energy(row.microjoules, view.now.unit)} ± ${energy(row.sigma, view.now.unit)}`,
				},
			],
			{
				caption: 'Latest invocations, newest first',
				key: row => row.id,
				attributes: row => ({'data-invocation': row.id, 'data-microjoules': row.microjoules}),
			},
		);
	}

	/** Takes over an answer of `/live/invocations`. @param headline keys of the zones of the total */
	take({withheld, invocations}, headline) {
		this.#withheld = withheld;
		this.#rows = invocations.map(one => {
			const parts = one.energy.filter(part => headline.includes(zoneKey({name: part.zone, socket: part.socket})));
			const used = parts.length > 0 ? parts : one.energy.slice(0, 1);
			return {
				...one,
				name: `${one.namespace ? `${one.namespace}/` : ''}${one.function}${one.revision ? `@${one.revision}` : ''}`,
				microjoules: used.reduce((all, part) => all + part.microjoules, 0),
				// Zones share what is uncertain of an invocation, its CPU time: their errors add up.
				sigma: used.reduce((all, part) => all + part.sigma_microjoules, 0),
			};
		});
		this.draw();
	}

	refuse(reason) {
		this.#rows = [];
		this.#withheld = reason;
		this.draw();
	}

	get withheld() {
		return this.#withheld;
	}

	draw() {
		const {search} = this.#view.now;
		const all = this.#rows ?? [];
		const rows = all.filter(row => matches(search, row.name, row.platform));
		this.#table.draw(rows, null, () => false);
		setText(this.#count, all.length > 0 ? `${rows.length}${search ? ` of ${all.length}` : ''}` : '');
		setText(
			this.#table.empty,
			rows.length > 0
				? ''
				: this.#rows === null
					? 'Loading'
					: (this.#withheld ??
						(all.length > 0
							? 'No invocation is of a function with a name like this.'
							: 'No invocation has been seen yet.')),
		);
	}
}
