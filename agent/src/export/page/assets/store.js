// Frames in memory: who used how much in each step of time. Exact: whole microjoules in, whole microjoules out.

/**
 * @typedef {object} Line
 * @property {string} id
 * @property {string} name
 * @property {string} detail
 * @property {number} number its place in sums; given to another line once no frame has this one
 * @property {number} last end of the last frame with this line, Unix milliseconds
 *
 * @typedef {object} Zone
 * @property {string} key `package-0`, `node`
 * @property {string} source
 * @property {'measured'|'fused'|'estimated'} provenance of the latest frame
 * @property {boolean} headline whether it is part of the total
 *
 * @typedef {object} Frame
 * @property {number} end Unix milliseconds
 * @property {number} length milliseconds
 * @property {Line[]} lines
 * @property {Float64Array} microjoules of `lines`
 * @property {number} other
 * @property {number} idle
 * @property {number} unattributed
 * @property {number} total all of these
 * @property {number} sigma of the total, microjoules
 * @property {Float64Array} zones microjoules by the zone's place in `Store.zones`, NaN where it was not there
 * @property {Float64Array} sigmas of `zones`
 */

const LINES_BETWEEN_SWEEPS = 600;

export const zoneKey = (zone) => (zone.socket === null || zone.socket === undefined ? zone.name : `${zone.name}-${zone.socket}`);

/**
 * The uncertainty of several zones together. Those of one source err together, so they add up; sources err apart.
 * @param {{source: string, sigma: number}[]} parts
 */
export function combineSigmas(parts) {
  const sources = new Map();
  for (const { source, sigma } of parts) sources.set(source, (sources.get(source) ?? 0) + sigma);
  return Math.hypot(...sources.values());
}

export class Store {
  /** @type {Frame[]} ascending */
  frames = [];
  /** @type {Zone[]} */
  zones = [];
  /** @type {Map<string, Line>} */
  #lines = new Map();
  #free = [];
  #numbers = 0;
  #dropped = 0;

  /** @param {number} kept milliseconds of frames that are kept */
  constructor(kept) {
    this.kept = kept;
  }

  /** One more than the largest number of a line. */
  get capacity() {
    return this.#numbers;
  }

  get latest() {
    return this.frames.at(-1);
  }

  get first() {
    return this.frames[0];
  }

  line(id) {
    return this.#lines.get(id);
  }

  /** Takes over what `/live/history` answered. */
  addHistory(history) {
    const { ends, lengths, lines, other, idle, unattributed } = history;
    const zones = history.zones.map((zone) => ({ zone, at: this.#zone(zone) }));
    for (let at = 0; at < ends.length; at += 1) {
      const present = lines.filter((line) => line.microjoules[at] > 0);
      this.#append(ends[at], lengths[at], {
        lines: present.map((line) => this.#meet(line, ends[at])),
        microjoules: Float64Array.from(present, (line) => line.microjoules[at]),
        other: other[at] ?? 0,
        idle: idle[at] ?? 0,
        unattributed: unattributed[at] ?? 0,
      }, zones.map(({ zone, at: place }) => ({
        place, microjoules: zone.microjoules[at], sigma: zone.sigma_microjoules[at], headline: zone.headline, source: zone.source,
      })));
    }
  }

  /** Takes over one frame of the stream, unless it is here already. */
  addFrame(frame) {
    if (this.latest && frame.end <= this.latest.end) return;
    const zones = frame.zones.map((zone) => ({
      place: this.#zone(zone), microjoules: zone.microjoules, sigma: zone.sigma_microjoules, headline: zone.headline,
      source: zone.source,
    }));
    this.#append(frame.end, frame.length, {
      lines: frame.lines.map((line) => this.#meet(line, frame.end)),
      microjoules: Float64Array.from(frame.lines, (line) => line.microjoules),
      other: frame.other,
      idle: frame.idle,
      unattributed: frame.unattributed,
    }, zones);
    this.#forget();
  }

  /**
   * Adds up what frames of a finer store used since this one's last frame, a step at a time.
   * @param {Store} fine
   * @param {number} step milliseconds
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
    this.#forget();
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

  /** @returns {Frame|undefined} the frame that was running at this time */
  at(time) {
    const frame = this.frames[this.after(time - 0.5)];
    return frame && frame.end - frame.length <= time + 0.5 ? frame : undefined;
  }

  /**
   * What was used in the frames that lie in a window (by their middle).
   * @returns {{sums: Float64Array, lines: Line[], other: number, idle: number, unattributed: number, total: number,
   *   sigma: number, milliseconds: number, frames: number}} `sums` by the line's number; microjoules
   */
  tally(from, to) {
    const sums = new Float64Array(this.capacity);
    const lines = [];
    const all = { sums, lines, other: 0, idle: 0, unattributed: 0, total: 0, sigma: 0, milliseconds: 0, frames: 0 };
    for (let at = this.after(from); at < this.frames.length; at += 1) {
      const frame = this.frames[at];
      const middle = frame.end - frame.length / 2;
      if (middle > to) break;
      if (middle < from) continue;
      for (let entry = 0; entry < frame.lines.length; entry += 1) {
        const line = frame.lines[entry];
        if (sums[line.number] === 0 && frame.microjoules[entry] > 0) lines.push(line);
        sums[line.number] += frame.microjoules[entry];
      }
      for (const part of ['other', 'idle', 'unattributed', 'total', 'sigma']) all[part] += frame[part];
      all.milliseconds += frame.length;
      all.frames += 1;
    }
    lines.sort((one, two) => sums[two.number] - sums[one.number]);
    return all;
  }

  #append(end, length, parts, zones) {
    const sum = parts.microjoules.reduce((all, one) => all + one, 0);
    const frame = {
      end, length, ...parts,
      total: sum + parts.other + parts.idle + parts.unattributed,
      sigma: combineSigmas(zones.filter((zone) => zone.headline && zone.sigma >= 0)),
      zones: new Float64Array(this.zones.length).fill(NaN),
      sigmas: new Float64Array(this.zones.length).fill(NaN),
    };
    for (const { place, microjoules, sigma } of zones) {
      frame.zones[place] = microjoules ?? NaN;
      frame.sigmas[place] = sigma ?? NaN;
    }
    this.frames.push(frame);
  }

  #addSum(fine, from, to) {
    const sums = new Map();
    const frames = fine.frames.slice(from, to);
    const { end } = frames.at(-1);
    for (const frame of frames) {
      frame.lines.forEach((line, entry) => sums.set(line, (sums.get(line) ?? 0) + frame.microjoules[entry]));
    }
    const total = (part) => frames.reduce((all, frame) => all + part(frame), 0);
    this.#append(end, total((frame) => frame.length), {
      lines: Array.from(sums.keys(), (line) => this.#meet(line, end)),
      microjoules: Float64Array.from(sums.values()),
      other: total((frame) => frame.other),
      idle: total((frame) => frame.idle),
      unattributed: total((frame) => frame.unattributed),
    }, fine.zones.map((zone, at) => ({
      place: this.#zone(zone), headline: zone.headline, source: zone.source,
      microjoules: total((frame) => frame.zones[at] ?? NaN), sigma: total((frame) => frame.sigmas[at] ?? NaN),
    })));
  }

  #zone(zone) {
    const key = zone.key ?? zoneKey(zone);
    let place = this.zones.findIndex((known) => known.key === key);
    if (place < 0) place = this.zones.push({ key }) - 1;
    Object.assign(this.zones[place], { source: zone.source, provenance: zone.provenance, headline: zone.headline });
    return place;
  }

  #meet({ id, name, detail }, end) {
    let line = this.#lines.get(id);
    if (!line) {
      line = { id, name, detail, number: this.#free.pop() ?? this.#numbers++, last: end };
      this.#lines.set(id, line);
    }
    Object.assign(line, { name, detail, last: Math.max(line.last, end) });
    return line;
  }

  #forget() {
    const oldest = this.latest ? this.latest.end - this.kept : 0;
    const gone = this.after(oldest);
    if (gone === 0) return;
    this.frames.splice(0, gone);
    this.#dropped += gone;
    if (this.#dropped < LINES_BETWEEN_SWEEPS) return;
    this.#dropped = 0;
    for (const [id, line] of this.#lines) {
      if (line.last > oldest) continue;
      this.#lines.delete(id);
      this.#free.push(line.number);
    }
  }
}
