// A table whose rows stay the same elements, so that focus, selection and the pointer are not lost when figures change.

import {make, setAttribute, setText} from './elements.js';

export class Table {
	#columns;
	#options;
	#body = make('tbody');
	#heads = new Map();
	#rows = new Map();
	#lastOrder = '';

	constructor(place, columns, options) {
		[this.#columns, this.#options] = [columns, options];
		const heads = columns.map(column => this.#head(column));
		this.empty = make('p', {class: 'empty', role: 'status'});
		place.append(
			make(
				'table',
				{},
				make('caption', {class: 'visually-hidden'}, options.caption),
				make('thead', {}, make('tr', {}, ...heads)),
				this.#body,
			),
			this.empty,
		);
	}

	draw(rows, sort, picked) {
		for (const [key, head] of this.#heads) {
			setAttribute(head, 'aria-sort', sort?.key === key ? (sort.down ? 'descending' : 'ascending') : 'none');
		}
		const wanted = new Map(rows.map(row => [this.#options.key(row), row]));
		for (const [key, row] of this.#rows) {
			if (wanted.has(key)) continue;
			row.element.remove();
			this.#rows.delete(key);
		}
		// Rows do not run away from under the pointer.
		const order = `${sort?.key} ${sort?.down}`;
		const held = this.#body.matches(':hover') && order === this.#lastOrder;
		this.#lastOrder = order;
		let before = null;
		for (const [key, data] of wanted) {
			const known = this.#rows.get(key);
			const row = known ?? this.#make(key);
			this.#fill(row, data, picked(data));
			const next = before === null ? this.#body.firstElementChild : before.nextElementSibling;
			if (!(held && known) && next !== row.element) this.#body.insertBefore(row.element, next);
			before = row.element;
		}
	}

	#head(column) {
		const properties = {scope: 'col', title: column.title ?? '', class: column.numeric ? 'numeric' : ''};
		if (!column.sortable) return make('th', properties, column.name);
		const head = make('th', properties, make('button', {onclick: () => this.#options.sort(column.key)}, column.name));
		this.#heads.set(column.key, head);
		return head;
	}

	#make(key) {
		const cells = this.#columns.map(({numeric}, at) =>
			make(at === 0 ? 'th' : 'td', {class: numeric ? 'numeric' : '', ...(at === 0 ? {scope: 'row'} : {})}),
		);
		const row = {element: make('tr', {}, ...cells), cells, data: null};
		if (this.#options.pick) {
			row.element.classList.add('pickable');
			row.element.addEventListener('click', () => this.#options.pick(row.data));
		}
		this.#rows.set(key, row);
		return row;
	}

	#fill(row, data, picked) {
		row.data = data;
		for (const [name, value] of Object.entries(this.#options.attributes(data))) setAttribute(row.element, name, value);
		row.element.classList.toggle('picked-row', picked);
		this.#columns.forEach((column, at) => {
			const cell = row.cells[at];
			if (column.fill) column.fill(cell, data);
			else setText(cell, column.text(data));
			if (column.hint) setAttribute(cell, 'title', column.hint(data));
		});
		const button = row.cells[0].querySelector('button');
		if (button) setAttribute(button, 'aria-pressed', picked);
	}
}

/** A name in a row's first cell: a button, so that the keyboard reaches it, and the colour that the chart gives it. */
export function fillName(cell, {text, title, colour}) {
	let [button] = cell.children;
	if (!button) {
		button = make('button', {class: 'row-name'}, make('span', {class: 'swatch', 'aria-hidden': 'true'}), make('bdi'));
		cell.append(button);
	}
	const [swatch, name] = button.children;
	setText(name, text);
	setAttribute(button, 'title', title);
	if (swatch.dataset.colour !== colour) swatch.style.backgroundColor = swatch.dataset.colour = colour;
}
