// Energy as tiles: all of the total, so that what nobody used is seen too.

import {byId, make, setAttribute, setText} from './elements.js';
import {inkOn} from './colours.js';
import {clean, shorten} from './names.js';
import {layOut} from './treemap_layout.js';
import {energy, percent} from './units.js';

const GAP = 1;
const NAME_FITS = {width: 46, height: 20};
const VALUE_FITS = {width: 56, height: 36};
const CHARACTER = 7.4;

export class Treemap {
	#area = byId('treemap');
	#tiles = new Map();
	#pick;

	constructor(pick, resized) {
		this.#pick = pick;
		new ResizeObserver(resized).observe(this.#area);
	}

	/** @param total microjoules of all parts */
	draw(parts, total, picked, unit) {
		const shown = parts
			.filter(({microjoules}) => microjoules > 0)
			.sort((one, two) => two.microjoules - one.microjoules);
		const places = layOut(
			shown.map(({microjoules}) => microjoules),
			this.#area.clientWidth,
			this.#area.clientHeight,
		);
		const kept = new Set();
		shown.forEach((part, at) => {
			if (!places[at]) return;
			kept.add(part.id);
			this.#put(this.#tiles.get(part.id) ?? this.#make(part.id), part, places[at], total, picked, unit);
		});
		for (const [id, tile] of this.#tiles) {
			if (kept.has(id)) continue;
			tile.button.remove();
			this.#tiles.delete(id);
		}
	}

	#put(tile, part, {x, y, width, height}, total, picked, unit) {
		const {button} = tile;
		const used = energy(part.microjoules, unit);
		const amount = `${used}, ${percent(part.microjoules / total)}`;
		Object.assign(button.style, {
			transform: `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`,
			width: `${Math.max(1, width - GAP).toFixed(1)}px`,
			height: `${Math.max(1, height - GAP).toFixed(1)}px`,
		});
		if (tile.colour !== part.colour) {
			tile.colour = button.style.backgroundColor = part.colour;
			button.style.color = inkOn(part.colour);
		}
		button.classList.toggle('hatched', part.hatched);
		button.classList.toggle('faded', !part.strong);
		button.classList.toggle('tiny', width < NAME_FITS.width || height < NAME_FITS.height);
		const letters = Math.floor((width - 10) / CHARACTER);
		setText(
			tile.name,
			width < NAME_FITS.width || height < NAME_FITS.height ? '' : shorten(part.name, Math.max(4, letters)),
		);
		setText(
			tile.amount,
			width < VALUE_FITS.width || height < VALUE_FITS.height ? '' : amount.length <= letters + 1 ? amount : used,
		);
		setAttribute(button, 'aria-pressed', part.id === picked);
		setAttribute(button, 'aria-label', `${shorten(part.name, 80)}: ${amount}`);
		setAttribute(button, 'title', `${clean(part.name)}\n${amount}`);
		setAttribute(button, 'data-microjoules', part.microjoules);
	}

	#make(id) {
		const [name, amount] = [make('bdi', {class: 'name'}), make('span', {class: 'amount'})];
		const button = make('button', {class: 'tile', 'data-line-id': id, onclick: () => this.#pick(id)}, name, amount);
		this.#area.append(button);
		const tile = {button, name, amount, colour: null};
		this.#tiles.set(id, tile);
		return tile;
	}
}
