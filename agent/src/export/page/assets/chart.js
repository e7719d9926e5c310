// The chart: keeps the last picture, so that readings and clicks can be looked up in it.

import {columnsOf} from './columns.js';
import {draw, plotOf, powerScale} from './chart_drawing.js';
import {theme} from './colours.js';
import {shorten} from './names.js';
import {IDLE, OTHER, UNATTRIBUTED} from './parts.js';

const ZONE_DASHES = [[], [7, 3], [2, 3], [8, 3, 2, 3]];

export class Chart {
	#stack;
	#over;
	#columns = null;
	#power = {top: 0, ticks: []};
	#layers = [];
	#size = {width: 0, height: 0, density: 1};
	#plot;

	/**
	 * @param stack what is drawn once a frame
	 * @param over what follows the pointer
	 */
	constructor(stack, over, resized) {
		[this.#stack, this.#over] = [stack, over];
		new ResizeObserver(() => {
			if (this.#fit()) resized();
		}).observe(stack.parentElement);
		this.#fit();
	}

	get size() {
		return this.#size;
	}

	get picture() {
		return this.#stack;
	}

	draw(model) {
		const {width, height, density} = this.#size;
		if (width === 0) return;
		const colours = theme();
		const plot = this.#plot;
		const places = model.zones.map(key => model.store.zones.findIndex(zone => zone.key === key)).filter(at => at >= 0);
		const count = Math.max(1, Math.round(plot.width * Math.min(density, 2)));
		this.#columns = columnsOf(model.store, model.window, count, model.lines, places);
		this.#power = powerScale(this.#columns, this.#power.top, Math.max(3, plot.height / 60));
		this.#layers = model.lines.map(({id}) => ({id, colour: model.colour(id)}));
		draw(this.#stack.getContext('2d'), {
			width,
			height,
			density,
			theme: colours,
			columns: this.#columns,
			power: this.#power,
			layers: this.#layers,
			strong: model.strong,
			estimated: model.estimated,
			zones: places.map((at, row) => ({
				label: shorten(model.store.zones[at].key, 32),
				row,
				colour: colours.zones[at % colours.zones.length],
				dash: ZONE_DASHES[at % ZONE_DASHES.length],
			})),
		});
	}

	/** What lies over the stack. All times in Unix milliseconds. */
	drawOver({cursor, since, selection}) {
		const {width, height, density} = this.#size;
		const pen = this.#over.getContext('2d');
		pen.setTransform(density, 0, 0, density, 0, 0);
		pen.clearRect(0, 0, width, height);
		if (!this.#columns) return;
		const colours = theme();
		const plot = this.#plot;
		const x = at => Math.min(plot.right, Math.max(plot.left, this.x(at)));
		if (selection) {
			pen.fillStyle = colours.select;
			const [left, right] = [x(Math.min(...selection)), x(Math.max(...selection))];
			pen.fillRect(left, plot.top, right - left, plot.height);
		}
		const upright = (at, style, dash) => {
			pen.strokeStyle = style;
			pen.lineWidth = 1;
			pen.setLineDash(dash);
			pen.beginPath();
			pen.moveTo(Math.round(x(at)) + 0.5, plot.top);
			pen.lineTo(Math.round(x(at)) + 0.5, plot.bottom);
			pen.stroke();
		};
		if (since !== null && this.x(since) >= plot.left && this.x(since) <= plot.right)
			upright(since, colours.mark, [4, 3]);
		if (cursor !== null) upright(cursor, colours.ink, []);
	}

	/** CSS pixels from the canvas's left edge. */
	x(at) {
		const plot = this.#plot;
		const {from, width, count} = this.#columns;
		return plot.left + ((at - from) / (width * count)) * plot.width;
	}

	/** Unix milliseconds; also beyond the plot's edges. */
	time(x) {
		if (!this.#columns) return NaN;
		const plot = this.#plot;
		const {from, width, count} = this.#columns;
		return from + ((x - plot.left) / plot.width) * width * count;
	}

	/** From bottom to top, watts, at this time. */
	stackAt(time) {
		if (!this.#columns) return [];
		const {from, width, count, known, idle, layers, other, unattributed} = this.#columns;
		const at = Math.min(count - 1, Math.max(0, Math.floor((time - from) / width)));
		if (!known[at]) return [];
		let floor = 0;
		const rows = [
			[IDLE, idle],
			...this.#layers.map(({id}, place) => [id, layers[place]]),
			[OTHER, other],
			[UNATTRIBUTED, unattributed],
		];
		return rows.map(([id, row]) => ({id, from: floor, to: (floor += row[at])}));
	}

	/** The id of what lies at this place. */
	hit(x, y) {
		const plot = this.#plot;
		const power = ((plot.bottom - y) / plot.height) * this.#power.top;
		return this.stackAt(this.time(x)).find(({from, to}) => power >= from && power < to)?.id ?? null;
	}

	#fit() {
		const {clientWidth: width, clientHeight: height} = this.#stack.parentElement;
		const density = window.devicePixelRatio || 1;
		if (width === this.#size.width && height === this.#size.height && density === this.#size.density) return false;
		this.#size = {width, height, density};
		this.#plot = plotOf(width, height);
		for (const canvas of [this.#stack, this.#over]) {
			canvas.width = Math.round(width * density);
			canvas.height = Math.round(height * density);
		}
		return true;
	}
}
