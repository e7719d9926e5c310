// Frames on columns of pixels: a column's power is the energy of what it covers over the time it covers.

// Of a column, from which part on the frames in it speak for all of it.
const ENOUGH = 0.4;

/**
 * Energy is kept: each frame is split among the columns by time. Columns lie on a fixed grid of time, so that a picture
 * that moves on does not flicker.
 * @param count of columns
 * @param shown lines with a layer of their own; others go to `other`
 * @param zones places of the zones wanted
 * @returns `from` in Unix milliseconds, `width` of a column in milliseconds, `known`: 1 where frames cover a column;
 *   all else is watts by column
 */
export function columnsOf(store, window, count, shown, zones) {
	const width = (window.to - window.from) / count;
	const from = Math.ceil(window.from / width) * width;
	const covered = new Float64Array(count);
	const rows = () => new Float32Array(count);
	const layers = shown.map(rows);
	const [other, unattributed, idle, total, sigma] = [rows(), rows(), rows(), rows(), rows()];
	const zoneRows = zones.map(rows);
	const place = new Int16Array(store.lines.length).fill(-1);
	shown.forEach((line, at) => {
		place[line.number] = at;
	});

	for (let at = store.after(from); at < store.frames.length; at += 1) {
		const frame = store.frames[at];
		const begin = (frame.end - frame.length - from) / width;
		if (begin >= count) break;
		const end = (frame.end - from) / width;
		const last = Math.min(count - 1, Math.ceil(end) - 1);
		for (let column = Math.max(0, Math.floor(begin)); column <= last; column += 1) {
			const overlap = Math.min(end, column + 1) - Math.max(begin, column);
			if (overlap <= 0) continue;
			covered[column] += overlap;
			// Of the frame's microjoules those in the column, as milliwatts once divided by the column's milliseconds.
			const part = overlap / (end - begin);
			const {numbers, microjoules} = frame;
			let rest = frame.other;
			for (let entry = 0; entry < numbers.length; entry += 1) {
				const layer = place[numbers[entry]];
				if (layer >= 0) layers[layer][column] += microjoules[entry] * part;
				else rest += microjoules[entry];
			}
			other[column] += rest * part;
			unattributed[column] += frame.unattributed * part;
			idle[column] += frame.idle * part;
			total[column] += frame.total * part;
			sigma[column] += frame.sigma * part;
			for (let zone = 0; zone < zones.length; zone += 1) {
				zoneRows[zone][column] += (frame.zones[zones[zone]] ?? NaN) * part;
			}
		}
	}

	const known = new Uint8Array(count);
	for (let column = 0; column < count; column += 1) known[column] = covered[column] >= ENOUGH ? 1 : 0;
	for (const row of [...layers, other, unattributed, idle, total, sigma, ...zoneRows]) {
		for (let column = 0; column < count; column += 1) {
			if (covered[column] > 0) row[column] /= covered[column] * width * 1000;
		}
	}
	return {count, from, width, known, layers, other, unattributed, idle, total, sigma, zones: zoneRows};
}

/** First and one past the last column of each stretch that is known. */
export function stretches(known) {
	const found = [];
	let begin = -1;
	for (let column = 0; column <= known.length; column += 1) {
		if (column < known.length && known[column]) {
			if (begin < 0) begin = column;
		} else if (begin >= 0) {
			found.push([begin, column]);
			begin = -1;
		}
	}
	return found;
}
