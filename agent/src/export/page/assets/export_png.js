// The chart as a picture that explains itself: with title, legend and how sure it is.

import {theme} from './colours.js';
import {shorten} from './names.js';

const PADDING = 16;
const TITLE = 46;
const ROW = 18;
const ENTRY_WIDTH = 230;

/**
 * @param chart as drawn
 * @param density device pixels for each CSS pixel of it
 */
export function pngOf(chart, density, {title, note, entries}) {
	const colours = theme();
	const width = chart.width / density + 2 * PADDING;
	const abreast = Math.max(1, Math.floor((width - 2 * PADDING) / ENTRY_WIDTH));
	const height =
		PADDING + TITLE + chart.height / density + PADDING + Math.ceil(entries.length / abreast) * ROW + PADDING;
	const canvas = document.createElement('canvas');
	canvas.width = Math.round(width * density);
	canvas.height = Math.round(height * density);
	const pen = canvas.getContext('2d');
	pen.scale(density, density);
	pen.fillStyle = colours.surface;
	pen.fillRect(0, 0, width, height);
	pen.textBaseline = 'top';
	pen.fillStyle = colours.ink;
	pen.font = '600 16px system-ui, sans-serif';
	pen.fillText(title, PADDING, PADDING, width - 2 * PADDING);
	pen.fillStyle = colours.soft;
	pen.font = '12px system-ui, sans-serif';
	pen.fillText(note, PADDING, PADDING + 22, width - 2 * PADDING);
	pen.drawImage(chart, PADDING, PADDING + TITLE, chart.width / density, chart.height / density);
	const below = PADDING + TITLE + chart.height / density + PADDING;
	entries.forEach(({name, colour}, at) => {
		const [x, y] = [PADDING + (at % abreast) * ENTRY_WIDTH, below + Math.floor(at / abreast) * ROW];
		pen.fillStyle = colour;
		pen.fillRect(x, y + 1, 11, 11);
		pen.fillStyle = colours.ink;
		pen.fillText(shorten(name, 34), x + 17, y);
	});
	return new Promise((resolve, reject) => {
		canvas.toBlob(
			blob => (blob ? resolve(blob) : reject(new Error('The browser could not make the picture.'))),
			'image/png',
		);
	});
}
