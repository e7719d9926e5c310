// The small label beside the pointer.

import { byId, make, setHidden, setText } from './elements.js';

const BESIDE = 14;

export class Tip {
	#box = byId('tip');
	#lines = [make('strong'), make('span'), make('span')];

	constructor() {
		this.#box.append(...this.#lines);
	}

	/** @param {string[]} texts up to three lines @param {number} width CSS pixels, of the chart */
	show(texts, x, width) {
		this.#lines.forEach((line, at) => setText(line, texts[at] ?? ''));
		setHidden(this.#box, false);
		const own = this.#box.offsetWidth;
		const left = x + BESIDE + own > width ? x - BESIDE - own : x + BESIDE;
		this.#box.style.transform = `translate(${Math.max(0, Math.round(left))}px, 0)`;
	}

	hide() {
		setHidden(this.#box, true);
	}
}
