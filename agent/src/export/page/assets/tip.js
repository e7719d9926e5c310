// The small label beside the pointer.

import {byId, make, setHidden, setText} from './elements.js';

const BESIDE = 14;

export class Tip {
	#box = byId('tip');
	/** @param x and `width` of the chart in CSS pixels */
	show(texts, x, width) {
		while (this.#box.children.length < texts.length) this.#box.append(make('span'));
		[...this.#box.children].forEach((line, at) => setText(line, texts[at] ?? ''));
		setHidden(this.#box, false);
		const own = this.#box.offsetWidth;
		const left = x + BESIDE + own > width ? x - BESIDE - own : x + BESIDE;
		this.#box.style.transform = `translate(${Math.max(0, Math.round(left))}px, 0)`;
	}

	hide() {
		setHidden(this.#box, true);
	}
}
