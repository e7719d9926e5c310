// Which lines are stacked on their own, and in which order: those with most energy in the window, at rest.

const MOST_LINES = 16;
const SMALLEST_PART = 0.0005;
// So much more than its neighbour must a line have before the two change places.
const CLEARLY_MORE = 1.2;

/** Keeps the order of the stack calm while the window moves on. */
export class ShownLines {
	/** Most energy first. */
	lines = [];

	/** @param tally of the window @param picked line that is shown whatever it has */
	update(tally, picked) {
		const {sums, total} = tally;
		const wanted = tally.lines.slice(0, MOST_LINES).filter(line => sums[line.number] > total * SMALLEST_PART);
		if (picked && !wanted.includes(picked)) wanted.push(picked);
		const known = new Set(wanted);
		const order = this.lines.filter(line => known.has(line));
		const there = new Set(order);
		for (const line of wanted) {
			if (there.has(line)) continue;
			const at = order.findIndex(other => sums[other.number] < sums[line.number]);
			order.splice(at < 0 ? order.length : at, 0, line);
		}
		for (let pass = 0; pass < order.length; pass += 1) {
			let moved = false;
			for (let at = 1; at < order.length; at += 1) {
				const [before, line] = [order[at - 1], order[at]];
				if (sums[line.number] <= sums[before.number] * CLEARLY_MORE) continue;
				[order[at - 1], order[at]] = [line, before];
				moved = true;
			}
			if (!moved) break;
		}
		this.lines = order;
	}

	/** After another window or level was chosen, the order begins anew. */
	reset() {
		this.lines = [];
	}
}
