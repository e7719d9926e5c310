// Squarified tiles (Bruls, Huizing and van Wijk): areas as the values, sides as equal as can be.

/** @param values largest first, all above 0 @returns a tile for each */
export function layOut(values, width, height) {
	const sum = values.reduce((all, value) => all + value, 0);
	const tiles = [];
	if (sum <= 0 || width <= 0 || height <= 0) return tiles;
	const areas = values.map(value => (value / sum) * width * height);
	let free = {x: 0, y: 0, width, height};
	let at = 0;
	while (at < areas.length) {
		const side = Math.min(free.width, free.height);
		let count = 1;
		let area = areas[at];
		while (at + count < areas.length) {
			const grown = area + areas[at + count];
			if (worst(areas, at, count + 1, grown, side) > worst(areas, at, count, area, side)) break;
			area = grown;
			count += 1;
		}
		free = place(areas.slice(at, at + count), area, free, tiles);
		at += count;
	}
	return tiles;
}

/** The least square of `count` tiles in a row along `side`: its longer side over its shorter. */
function worst(areas, at, count, area, side) {
	const depth = area / side;
	const [largest, smallest] = [areas[at] / depth, areas[at + count - 1] / depth];
	return Math.max(largest / depth, depth / smallest, depth / largest, smallest / depth);
}

/** Puts a row along the shorter side and returns what is left. */
function place(row, area, free, tiles) {
	const upright = free.width >= free.height;
	const depth = area / (upright ? free.height : free.width);
	let along = upright ? free.y : free.x;
	for (const one of row) {
		const length = one / depth;
		tiles.push(
			upright
				? {x: free.x, y: along, width: depth, height: length}
				: {x: along, y: free.y, width: length, height: depth},
		);
		along += length;
	}
	return upright
		? {...free, x: free.x + depth, width: free.width - depth}
		: {...free, y: free.y + depth, height: free.height - depth};
}
