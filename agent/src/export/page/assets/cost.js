// What the agent itself costs.

import {byId, make, setAttribute, setText} from './elements.js';
import {bytes, count, energy, percent, watts} from './units.js';

const NOT_KNOWN = 'not counted';

export class Cost {
	#list = byId('cost');
	#facts = new Map();

	draw(cost, unit) {
		const known = (value, text) => (value === null || value === undefined ? NOT_KNOWN : text(value));
		this.#put('Power', known(cost.watts, watts), 'Now');
		this.#put(
			'Energy',
			known(cost.microjoules, value => energy(value, unit)),
			'Since it started',
		);
		this.#put('CPU', `${percent(cost.cpu_cores)} of one`, 'Mean of the latest seconds');
		this.#put('Memory', bytes(cost.resident_bytes), 'Resident');
		this.#put(
			'In the kernel',
			known(cost.kernel_nanoseconds_per_switch, value => `${Math.round(value)}\u202fns a switch`),
			'Counted where sysctl kernel.bpf_stats_enabled is 1',
		);
		this.#put('Windows', count(cost.windows), 'Closed since it started');
		this.#put(
			'Windows missed',
			count(cost.windows_missed),
			'Joined with the next: no time is left out',
			cost.windows_missed > 0,
		);
		this.#put('Events lost', count(cost.events_lost), 'A name may be missing; time never is', cost.events_lost > 0);
	}

	#put(name, text, hint, alarming = false) {
		let fact = this.#facts.get(name);
		if (!fact) {
			fact = make('dd');
			this.#facts.set(name, fact);
			this.#list.append(make('div', {title: hint}, make('dt', {}, name), fact));
		}
		setText(fact, text);
		setAttribute(fact, 'class', alarming ? 'alarming' : '');
	}
}
