// The legend, which is the reading too: each line's power at the reading, or its mean over the window.

import {byId, make, setAttribute, setText} from './elements.js';
import {clean, shorten} from './names.js';
import {clock, percent, watts} from './units.js';

// Widths in CSS pixels.
const BESIDE_NAME = 165;
const LETTER = 7.3;

export class Legend {
	#list = byId('legend');
	#when = byId('legend-when');
	#entries = new Map();
	#pick;
	#letters = 20;

	constructor(pick) {
		this.#pick = pick;
		new ResizeObserver(([{contentRect}]) => {
			this.#letters = Math.max(12, Math.floor((contentRect.width - BESIDE_NAME) / LETTER));
		}).observe(this.#list);
	}

	/**
	 * @param model `entries` with `watts`, null where not in the reading; `total` in watts; `at` the time of the
	 *   reading, null for the window's mean
	 */
	draw({entries, total, at, picked}) {
		setText(this.#when, at === null ? 'Mean of the window' : `At ${clock(at)}`);
		const shown = new Set(entries.map(({id}) => id));
		for (const [id, entry] of this.#entries) {
			if (shown.has(id)) continue;
			entry.item.remove();
			this.#entries.delete(id);
		}
		let before = null;
		for (const one of entries) {
			const entry = this.#entries.get(one.id) ?? this.#make(one.id);
			setText(entry.name, shorten(one.name, this.#letters));
			setText(entry.watts, one.watts === null ? '–' : watts(one.watts));
			setText(entry.share, one.watts === null || total <= 0 ? '' : percent(one.watts / total));
			setAttribute(
				entry.button,
				'title',
				clean(`${one.name}\n${one.detail}${one.note && `\n${one.note}`}`.trim()).replaceAll('\ufffd', ' '),
			);
			setAttribute(entry.button, 'aria-pressed', one.id === picked);
			entry.button.classList.toggle('faded', !one.strong);
			entry.swatch.classList.toggle('hatched', one.hatched);
			if (entry.colour !== one.colour) entry.swatch.style.backgroundColor = entry.colour = one.colour;
			const next = before === null ? this.#list.firstElementChild : before.nextElementSibling;
			if (next !== entry.item) this.#list.insertBefore(entry.item, next);
			before = entry.item;
		}
	}

	#make(id) {
		const [swatch, name] = [make('span', {class: 'swatch', 'aria-hidden': 'true'}), make('bdi', {class: 'name'})];
		const [power, share] = [make('span', {class: 'number'}), make('span', {class: 'number share'})];
		const button = make('button', {'data-line-id': id, onclick: () => this.#pick(id)}, swatch, name, power, share);
		const entry = {item: make('li', {}, button), button, swatch, name, watts: power, share, colour: null};
		this.#entries.set(id, entry);
		return entry;
	}
}
