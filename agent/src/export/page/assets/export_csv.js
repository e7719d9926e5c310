// What the chart shows as CSV: each frame's exact microjoules, for each line as it is stacked.

import {clean} from './names.js';

/**
 * Frames whose middle lies in the window, lines with a column of their own; the others are in `other`.
 * @returns for every row, lines, other, not_attributed and idle add up to total
 */
export function csvOf(store, window, lines) {
	const zones = store.zones.flatMap(({key, source, provenance}) => [
		`zone ${clean(key)} microjoules (${provenance}, ${clean(source)})`,
		`zone ${clean(key)} sigma_microjoules`,
	]);
	// A name begins with the line's id, so no program takes it for a formula.
	const head = [
		'end_unix_ms',
		'end',
		'length_ms',
		'total',
		'total sigma',
		...lines.map(({id, name}) => `${id} ${clean(name)}`),
		'other',
		'not_attributed',
		'idle',
		...zones,
	];
	const rows = [head.map(quoted).join(',')];
	const place = new Map(lines.map(({number}, at) => [number, at]));
	for (let at = store.after(window.from); at < store.frames.length; at += 1) {
		const frame = store.frames[at];
		const middle = frame.end - frame.length / 2;
		if (middle > window.to) break;
		if (middle < window.from) continue;
		const shown = new Array(lines.length).fill(0);
		let {other} = frame;
		frame.numbers.forEach((number, entry) => {
			const column = place.get(number);
			if (column === undefined) other += frame.microjoules[entry];
			else shown[column] += frame.microjoules[entry];
		});
		const measured = store.zones.flatMap((_, zone) =>
			[frame.zones[zone], frame.sigmas[zone]].map(value => (value >= 0 ? value : '')),
		);
		rows.push(
			[
				frame.end,
				new Date(frame.end).toISOString(),
				frame.length,
				frame.total,
				Math.round(frame.sigma),
				...shown,
				other,
				frame.unattributed,
				frame.idle,
				...measured,
			].join(','),
		);
	}
	return `${rows.join('\r\n')}\r\n`;
}

function quoted(text) {
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
