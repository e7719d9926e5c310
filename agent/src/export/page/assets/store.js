// Frames in memory: who used how much in each step of time. Exact: whole microjoules in, whole microjoules out.

/**
 * A line has `id`, `name`, `detail`, `number` (its place in sums, given to another once no frame has this one) and
 * `last`, the end of the last frame with it. A zone has `key` (`package-0`, `node`), `source`, `provenance` of its
 * latest frame, and `headline`: whether it is part of the total. A frame has `end` and `length` in milliseconds; the
 * `numbers` of lines and their `microjoules`; `other`, `idle`, `unattributed`, and `total` of them all; `sigma` of the
 * total; and by the zone's place in `Store.zones` its `zones` and `sigmas`, NaN where it was not there.
 */

const FRAMES_BETWEEN_SWEEPS = 600;
// The agent gives so many lines of a frame at most; so many are kept apart.
const MOST_LINES = 40;

export const zoneKey = zone =>
	zone.socket === null || zone.socket === undefined ? zone.name : `${zone.name}-${zone.socket}`;

/** The uncertainty of several zones together. Those of one source err together, so they add up; sources err apart. */
function combineSigmas(parts) {
	const sources = new Map();
	for (const {source, sigma_microjoules: sigma} of parts) sources.set(source, (sources.get(source) ?? 0) + sigma);
	return Math.hypot(...sources.values());
}

export class Store {
	/** Ascending. */
	frames = [];
	zones = [];
	/** Lines by their number. */
	lines = [];
	#byId = new Map();
	#free = [];
	#dropped = 0;

	/** @param kept milliseconds of frames that are kept */
	constructor(kept) {
		this.kept = kept;
	}

	get latest() {
		return this.frames.at(-1);
	}

	get first() {
		return this.frames[0];
	}

	line(id) {
		return this.#byId.get(id);
	}

	/** Takes over what `/live/history` answered. */
	addHistory({ends, lengths, lines, zones, other, idle, unattributed}) {
		ends.forEach((end, at) =>
			this.addFrame({
				end,
				length: lengths[at],
				lines: lines
					.filter(line => line.microjoules[at] > 0)
					.map(line => ({...line, microjoules: line.microjoules[at]})),
				zones: zones.map(zone => ({
					...zone,
					microjoules: zone.microjoules[at],
					sigma_microjoules: zone.sigma_microjoules[at],
				})),
				other: other[at],
				idle: idle[at],
				unattributed: unattributed[at],
			}),
		);
	}

	/** Takes over one frame, as it comes in the stream, unless it is here already. */
	addFrame({end, length, lines, zones, other, idle, unattributed}) {
		if (this.latest && end <= this.latest.end) return;
		const places = zones.map(zone => this.#zone(zone));
		const microjoules = Float64Array.from(lines, line => line.microjoules);
		const frame = {
			end,
			length,
			microjoules,
			other,
			idle,
			unattributed,
			numbers: Int32Array.from(lines, line => this.#meet(line, end)),
			total: microjoules.reduce((all, one) => all + one, 0) + other + idle + unattributed,
			sigma: combineSigmas(zones.filter(zone => zone.headline && zone.sigma_microjoules >= 0)),
			zones: new Float64Array(this.zones.length).fill(NaN),
			sigmas: new Float64Array(this.zones.length).fill(NaN),
		};
		places.forEach((place, at) => {
			frame.zones[place] = zones[at].microjoules ?? NaN;
			frame.sigmas[place] = zones[at].sigma_microjoules ?? NaN;
		});
		this.frames.push(frame);
		this.#forget();
	}

	/**
	 * Adds up what frames of a finer store used since this one's last frame, a step at a time.
	 * @param step milliseconds
	 */
	addFrom(fine, step) {
		const known = this.latest?.end ?? -Infinity;
		let from = fine.after(known);
		while (from < fine.frames.length) {
			const bucket = Math.ceil(fine.frames[from].end / step);
			let to = from + 1;
			while (to < fine.frames.length && Math.ceil(fine.frames[to].end / step) === bucket) to += 1;
			// The step that is still running is left for later.
			if (to === fine.frames.length && fine.frames[to - 1].end < bucket * step) return;
			this.#addSum(fine, from, to);
			from = to;
		}
	}

	/** The place of the first frame that ends after this time. */
	after(at) {
		let [low, high] = [0, this.frames.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.frames[middle].end <= at) low = middle + 1;
			else high = middle;
		}
		return low;
	}

	/** The frame that was running at this time. */
	at(time) {
		const frame = this.frames[this.after(time - 0.5)];
		return frame && frame.end - frame.length <= time + 0.5 ? frame : undefined;
	}

	/**
	 * What was used in frames whose middle lies in a window, in microjoules; `sums` by the line's number, `lines` those
	 * with most, `count` how many there are in all.
	 */
	tally(from, to) {
		const sums = new Float64Array(this.lines.length);
		const all = {sums, other: 0, idle: 0, unattributed: 0, total: 0, sigma: 0, milliseconds: 0, frames: 0};
		for (let at = this.after(from); at < this.frames.length; at += 1) {
			const frame = this.frames[at];
			const middle = frame.end - frame.length / 2;
			if (middle > to) break;
			if (middle < from) continue;
			for (let entry = 0; entry < frame.numbers.length; entry += 1)
				sums[frame.numbers[entry]] += frame.microjoules[entry];
			for (const part of ['other', 'idle', 'unattributed', 'total', 'sigma']) all[part] += frame[part];
			all.milliseconds += frame.length;
			all.frames += 1;
		}
		return {...all, ...this.#most(sums)};
	}

	/** Without sorting all: where processes are short-lived, there are tens of thousands. */
	#most(sums) {
		const most = [];
		let count = 0;
		for (let number = 0; number < sums.length; number += 1) {
			if (sums[number] === 0) continue;
			count += 1;
			if (most.length === MOST_LINES && sums[number] <= sums[most.at(-1)]) continue;
			let place = most.length;
			while (place > 0 && sums[most[place - 1]] < sums[number]) place -= 1;
			most.splice(place, 0, number);
			most.length = Math.min(most.length, MOST_LINES);
		}
		return {count, lines: most.map(number => this.lines[number])};
	}

	#addSum(fine, from, to) {
		const frames = fine.frames.slice(from, to);
		const {
			sums,
			lines,
			idle,
			unattributed,
			total: all,
		} = fine.tally(frames[0].end - frames[0].length, frames.at(-1).end);
		const own = lines.map(({id, name, detail, number}) => ({id, name, detail, microjoules: sums[number]}));
		const total = part => frames.reduce((all, frame) => all + part(frame), 0);
		this.addFrame({
			end: frames.at(-1).end,
			length: total(({length}) => length),
			lines: own,
			zones: fine.zones.map((zone, at) => ({
				...zone,
				microjoules: total(frame => frame.zones[at] ?? NaN),
				sigma_microjoules: total(frame => frame.sigmas[at] ?? NaN),
			})),
			other: all - idle - unattributed - own.reduce((sum, {microjoules}) => sum + microjoules, 0),
			idle,
			unattributed,
		});
	}

	#zone(zone) {
		const key = zone.key ?? zoneKey(zone);
		let place = this.zones.findIndex(known => known.key === key);
		if (place < 0) place = this.zones.push({key}) - 1;
		Object.assign(this.zones[place], {source: zone.source, provenance: zone.provenance, headline: zone.headline});
		return place;
	}

	#meet({id, name, detail}, end) {
		let line = this.#byId.get(id);
		if (!line) {
			line = {id, number: this.#free.pop() ?? this.lines.length};
			this.lines[line.number] = line;
			this.#byId.set(id, line);
		}
		Object.assign(line, {name, detail, last: end});
		return line.number;
	}

	#forget() {
		const oldest = this.latest ? this.latest.end - this.kept : 0;
		const gone = this.after(oldest);
		if (gone === 0) return;
		this.frames.splice(0, gone);
		this.#dropped += gone;
		if (this.#dropped < FRAMES_BETWEEN_SWEEPS) return;
		this.#dropped = 0;
		for (const [id, line] of this.#byId) {
			if (line.last > oldest) continue;
			this.#byId.delete(id);
			this.#free.push(line.number);
		}
	}
}
