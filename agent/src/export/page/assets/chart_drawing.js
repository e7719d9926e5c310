// Draws the stack, the total with its band, zones and axes on a canvas.

import {scale, timeTicks} from './axes.js';
import {stretches} from './columns.js';
import {IDLE, OTHER, UNATTRIBUTED} from './parts.js';
import {watts} from './units.js';

export const SURE = 1.96;
const FADED = 0.22;
const FONT = '11px system-ui, sans-serif';

/** Room round the plot, in CSS pixels. */
const MARGIN = {left: 52, right: 10, top: 10, bottom: 22};

/** A scale that holds everything, and shrinks only when much too large, so that it is calm. @param before in watts */
export function powerScale(columns, before, wanted) {
	let most = 0;
	for (let at = 0; at < columns.count; at += 1) {
		if (!columns.known[at]) continue;
		most = Math.max(most, columns.total[at] + SURE * columns.sigma[at]);
		for (const zone of columns.zones) if (zone[at] > most) most = zone[at];
	}
	const tight = scale(most * 1.04 || 1, wanted);
	return before > tight.top && before < tight.top * 1.35 ? scale(before, wanted) : tight;
}

/**
 * @param picture `width` and `height` in CSS pixels, `density` device pixels for each; `columns` and the scale
 *   `power`; `layers` with id and colour, in the order of `columns.layers`; `strong(id)`: whether a layer stands out
 */
export function draw(context, picture) {
	const {width, height, density, columns, power, theme} = picture;
	context.setTransform(density, 0, 0, density, 0, 0);
	context.clearRect(0, 0, width, height);
	const plot = plotOf(width, height);
	const x = column => plot.left + (column / columns.count) * plot.width;
	const y = value => plot.bottom - (value / power.top) * plot.height;
	drawGrid(context, picture, plot, y);
	context.save();
	context.beginPath();
	context.rect(plot.left, plot.top, plot.width, plot.height);
	context.clip();
	const parts = stretches(columns.known);
	drawStack(context, picture, parts, x, y);
	drawBand(context, columns, parts, x, y, theme.band);
	drawRow(context, columns, columns.total, parts, x, y, {
		stroke: theme.ink,
		width: 1.5,
		dash: picture.estimated ? [5, 3] : [],
		halo: null,
	});
	picture.zones.forEach(({row, colour, dash}) => {
		drawRow(context, columns, columns.zones[row], parts, x, y, {
			stroke: colour,
			width: 1.75,
			dash,
			halo: theme.surface,
		});
	});
	context.restore();
	labelZones(context, picture, plot, y);
}

export function plotOf(width, height) {
	const plot = {left: MARGIN.left, top: MARGIN.top, right: width - MARGIN.right, bottom: height - MARGIN.bottom};
	return {...plot, width: plot.right - plot.left, height: plot.bottom - plot.top};
}

function drawGrid(context, {columns, power, theme}, plot, y) {
	context.font = FONT;
	context.lineWidth = 1;
	context.strokeStyle = theme.grid;
	context.fillStyle = theme.soft;
	context.textAlign = 'right';
	context.textBaseline = 'middle';
	context.beginPath();
	for (const tick of power.ticks) {
		const at = Math.round(y(tick)) + 0.5;
		context.moveTo(plot.left, at);
		context.lineTo(plot.right, at);
		context.fillText(watts(tick).replace(/\.0+(?=\D)/, ''), plot.left - 6, at);
	}
	context.stroke();
	context.textAlign = 'center';
	context.textBaseline = 'top';
	const to = columns.from + columns.width * columns.count;
	context.beginPath();
	for (const {at, label} of timeTicks(columns.from, to, Math.max(2, plot.width / 90))) {
		const place = Math.round(plot.left + ((at - columns.from) / (to - columns.from)) * plot.width) + 0.5;
		context.moveTo(place, plot.bottom);
		context.lineTo(place, plot.bottom + 4);
		const half = context.measureText(label).width / 2;
		context.fillText(label, Math.min(plot.right + MARGIN.right - half - 1, Math.max(half + 1, place)), plot.bottom + 7);
	}
	context.stroke();
}

function drawStack(context, picture, parts, x, y) {
	const {columns, layers, strong, theme} = picture;
	const floor = new Float32Array(columns.count);
	const fill = (row, style, id) => {
		context.globalAlpha = strong(id) ? 1 : FADED;
		context.fillStyle = style;
		context.beginPath();
		for (const [begin, end] of parts) {
			context.moveTo(x(begin), y(floor[begin] + row[begin]));
			for (let at = begin; at < end; at += 1) context.lineTo(x(at + 0.5), y(floor[at] + row[at]));
			context.lineTo(x(end), y(floor[end - 1] + row[end - 1]));
			context.lineTo(x(end), y(floor[end - 1]));
			for (let at = end - 1; at >= begin; at -= 1) context.lineTo(x(at + 0.5), y(floor[at]));
			context.lineTo(x(begin), y(floor[begin]));
			context.closePath();
		}
		context.fill();
		for (let at = 0; at < columns.count; at += 1) floor[at] += row[at];
	};
	fill(columns.idle, hatch(context, theme), IDLE);
	layers.forEach(({id, colour}, at) => fill(columns.layers[at], colour, id));
	fill(columns.other, theme.other, OTHER);
	fill(columns.unattributed, theme.unattributed, UNATTRIBUTED);
	context.globalAlpha = 1;
}

function drawBand(context, columns, parts, x, y, style) {
	context.fillStyle = style;
	context.beginPath();
	for (const [begin, end] of parts) {
		for (let at = begin; at < end; at += 1)
			context.lineTo(x(at + 0.5), y(columns.total[at] + SURE * columns.sigma[at]));
		for (let at = end - 1; at >= begin; at -= 1) {
			context.lineTo(x(at + 0.5), y(Math.max(0, columns.total[at] - SURE * columns.sigma[at])));
		}
		context.closePath();
		context.fill();
		context.beginPath();
	}
}

function drawRow(context, columns, row, parts, x, y, {stroke, width, dash, halo}) {
	context.beginPath();
	for (const [begin, end] of parts) {
		let down = false;
		for (let at = begin; at < end; at += 1) {
			if (Number.isNaN(row[at])) down = false;
			else if (down) context.lineTo(x(at + 0.5), y(row[at]));
			else {
				context.moveTo(x(at), y(row[at]));
				down = true;
			}
		}
		if (down) context.lineTo(x(end), y(row[end - 1]));
	}
	context.lineJoin = 'round';
	if (halo) {
		context.setLineDash([]);
		context.strokeStyle = halo;
		context.lineWidth = width + 2;
		context.stroke();
	}
	context.setLineDash(dash);
	context.strokeStyle = stroke;
	context.lineWidth = width;
	context.stroke();
	context.setLineDash([]);
}

function labelZones(context, {columns, zones, theme}, plot, y) {
	context.font = `600 ${FONT}`;
	context.textAlign = 'right';
	context.textBaseline = 'bottom';
	const taken = [];
	for (const {label, row, colour} of zones) {
		const last = columns.zones[row].findLastIndex((value, at) => columns.known[at] && !Number.isNaN(value));
		if (last < 0) continue;
		let at = y(columns.zones[row][last]) - 3;
		while (taken.some(other => Math.abs(other - at) < 14)) at -= 14;
		taken.push(at);
		at = Math.max(plot.top + 12, at);
		context.lineWidth = 3;
		context.strokeStyle = theme.surface;
		context.strokeText(label, plot.right - 4, at);
		context.fillStyle = colour;
		context.fillText(label, plot.right - 4, at);
	}
}

const hatches = new Map();

/** Idle power: hatched, so that it is not taken for somebody's. */
function hatch(context, theme) {
	if (!hatches.has(theme.idle)) {
		const tile = document.createElement('canvas');
		tile.width = 8;
		tile.height = 8;
		const pen = tile.getContext('2d');
		pen.fillStyle = theme.idle;
		pen.fillRect(0, 0, 8, 8);
		pen.strokeStyle = theme.hatch;
		pen.lineWidth = 1;
		pen.beginPath();
		for (const shift of [-8, 0, 8]) {
			pen.moveTo(shift - 1, 9);
			pen.lineTo(shift + 9, -1);
		}
		pen.stroke();
		hatches.set(theme.idle, context.createPattern(tile, 'repeat'));
	}
	return hatches.get(theme.idle);
}
