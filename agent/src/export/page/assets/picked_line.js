// The line that is set apart: its whole name and what it had.

import {byId, make, setHidden, setText} from './elements.js';
import {clean, shorten} from './names.js';
import {energy, percent, watts} from './units.js';

const LONGEST = 160;
const HINT = 'Click a line, here or in any list, to set it apart. Drag to zoom.';

export class PickedLine {
	#box = byId('picked');
	#name = make('bdi', {class: 'picked-name'});
	#detail = make('span', {class: 'picked-detail'});
	#figures = make('span');
	#button = make('button', {}, 'Let go');

	constructor(letGo) {
		this.#button.addEventListener('click', letGo);
		this.#box.append(this.#name, this.#detail, this.#figures, this.#button);
	}

	/**
	 * @param line microjoules null: no frame of the
	 *   window has it
	 */
	draw(line, tally, unit) {
		setHidden(this.#button, line === null);
		if (line === null) {
			for (const part of [this.#name, this.#detail]) setText(part, '');
			setText(this.#figures, HINT);
			return;
		}
		setText(this.#name, shorten(line.name, LONGEST));
		this.#name.title = clean(line.name);
		setText(this.#detail, line.detail === line.name ? '' : shorten(line.detail, LONGEST));
		this.#detail.title = clean(line.detail);
		const used = line.microjoules;
		const mean = watts(used / tally.milliseconds / 1000);
		setText(
			this.#figures,
			used === null
				? 'not among the lines with most energy in this window: its share is in “other”'
				: `${energy(used, unit)} in the window, mean ${mean}, ${percent(used / tally.total)} of the total`,
		);
	}
}
