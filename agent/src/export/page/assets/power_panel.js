// The chart with its legend, reading and controls.

import {Chart} from './chart.js';
import {SURE} from './chart_drawing.js';
import {listen} from './chart_pointer.js';
import {makeChoices} from './choices.js';
import {byId, setAttribute, setText} from './elements.js';
import {emptyReason} from './empty_reasons.js';
import {drawWindow, sureness} from './headline.js';
import {Legend} from './legend.js';
import {shorten} from './names.js';
import {IDLE, OTHER, UNATTRIBUTED} from './parts.js';
import {PickedLine} from './picked_line.js';
import {Reading} from './reading.js';
import {sinceTime} from './since.js';
import {Tip} from './tip.js';
import {moment, watts} from './units.js';
import {SHORTEST_WINDOW, SPANS} from './view.js';

const WHEEL_ENDS = 0.999;

export class PowerPanel {
	#view;
	#scene;
	#painter;
	#pick;
	#canvas = byId('chart-plot');
	#reading = new Reading();
	#tip = new Tip();
	#legend;
	#picked;
	#zonesMade = '';
	#showZones = () => {};
	#picksSince = false;

	constructor(view, scene, painter, pick) {
		[this.#view, this.#scene, this.#painter, this.#pick] = [view, scene, painter, pick];
		this.chart = new Chart(byId('chart-stack'), this.#canvas, () => painter.stale('chart', 'reading'));
		this.#legend = new Legend(pick);
		this.#picked = new PickedLine(() => pick(null));
		painter.part('chart', () => this.#drawChart());
		painter.part('reading', () => this.#drawReading());
		this.#listenToPointer();
		this.#canvas.addEventListener('keydown', event => this.#key(event));
		this.#canvas.addEventListener('blur', () => this.letGo());
		byId('zoom-in').addEventListener('click', () => this.zoom(0.5));
		byId('zoom-out').addEventListener('click', () => this.zoom(2));
		byId('zoom-all').addEventListener('click', () => this.all());
		byId('pause').addEventListener('click', () => this.pause());
		byId('since-pick').addEventListener('click', () => this.#pickSince(!this.#picksSince));
	}

	/** @param factor of the window's length; at the reading, else the latest stays where it is */
	zoom(factor, at = this.#reading.time ?? this.#scene.window.to) {
		const {from, to} = this.#scene.window;
		const length = Math.max(SHORTEST_WINDOW, (to - from) * factor);
		const part = Math.min(1, Math.max(0, (at - from) / (to - from)));
		const follows = this.#view.now.end === null && part > WHEEL_ENDS;
		this.#show(at - length * part, follows ? to : at + length * (1 - part));
	}

	/** All of the span, and following. */
	all() {
		this.#view.set({length: null, end: null});
	}

	/** Holds the picture, or follows again. */
	pause() {
		this.#view.set({end: this.#view.now.end === null ? Math.round(this.#scene.latest) : null});
	}

	/** @param part of the window's length; later where above 0 */
	pan(part) {
		const {from, to} = this.#scene.window;
		const by = (to - from) * part;
		this.#show(from + by, to + by);
	}

	/** Counts energy from the reading on. */
	sinceReading() {
		if (this.#reading.time !== null) this.#setSince(this.#reading.time);
	}

	/** Whether there was a reading to let go of. */
	letGo() {
		const had = this.#reading.time !== null || this.#picksSince;
		this.#reading.clear();
		this.#pickSince(false);
		this.#reread();
		return had;
	}

	#reread() {
		this.#painter.stale('reading');
	}

	#show(from, to) {
		const store = this.#scene.store;
		if (store?.latest) this.#view.show(from, to, store.latest.end);
	}

	#drawChart() {
		const {store, tally, window, lines, provenance} = this.#scene;
		const {level, end, zones, unit} = this.#view.now;
		setText(byId('plot-message'), emptyReason({store, level, frames: tally.frames, lines: tally.count}));
		if (store) {
			this.chart.draw({
				store,
				window,
				lines,
				zones,
				estimated: provenance === 'estimated',
				colour: id => this.#scene.colour(id),
				strong: id => this.#scene.strong(id),
			});
		}
		drawWindow(tally, unit);
		setAttribute(byId('pause'), 'aria-pressed', end !== null);
		setText(byId('pause'), end === null ? 'Pause' : 'Follow');
		this.#drawZones(store?.zones ?? []);
		this.#drawPicked();
	}

	#drawZones(zones) {
		const now = zones.map(({key, provenance, source}) => `${key} ${provenance} ${source}`).join('\n');
		if (now !== this.#zonesMade) {
			this.#zonesMade = now;
			this.#showZones = makeChoices(
				byId('zones'),
				zones.map(({key, provenance, source, headline}) => ({
					key,
					name: shorten(key, 20),
					title: `As a line: ${provenance}, from ${shorten(source, 80)}${headline ? '; part of the total' : ''}`,
				})),
				key => {
					const chosen = this.#view.now.zones;
					this.#view.set({zones: chosen.includes(key) ? chosen.filter(one => one !== key) : [...chosen, key]});
				},
			);
		}
		this.#showZones(key => this.#view.now.zones.includes(key));
	}

	#drawPicked() {
		const {pick, unit} = this.#view.now;
		const line =
			pick === null || !this.#scene.store
				? null
				: {...this.#scene.describe(pick), microjoules: this.#scene.energyOf(pick)};
		this.#picked.draw(line, this.#scene.tally, unit);
	}

	#drawReading() {
		const scene = this.#scene;
		const {time, selection, id} = this.#reading;
		const frame = this.#reading.frame(scene.store);
		if (scene.store) this.chart.drawOver({cursor: time, selection, since: sinceTime(this.#view.now.since)});
		this.#drawLegend(frame);
		this.#describe(frame, id);
	}

	#drawLegend(frame) {
		const scene = this.#scene;
		const read = frame && this.#ofFrame(frame);
		const milliseconds = frame?.length ?? scene.tally.milliseconds;
		const hidden = scene.tally.count - scene.lines.length;
		const entries = !scene.store
			? []
			: scene.partsOf(scene.tally, scene.lines).map(({id, microjoules}) => {
					const used = read ? (read.get(id) ?? null) : microjoules;
					return {
						...scene.describe(id),
						id,
						colour: scene.colour(id),
						hatched: id === IDLE,
						strong: scene.strong(id),
						watts: used === null || milliseconds === 0 ? null : used / milliseconds / 1000,
						note: id === OTHER && hidden > 0 ? `Among them ${hidden} smaller lines of this window` : '',
					};
				});
		const total = (frame?.total ?? scene.tally.total) / milliseconds / 1000;
		this.#legend.draw({entries, total, at: frame ? this.#reading.time : null, picked: this.#view.now.pick});
	}

	/** Microjoules of what is stacked, in this frame. */
	#ofFrame(frame) {
		const shown = new Map(this.#scene.lines.map(({id, number}) => [number, id]));
		const used = new Map();
		let {other} = frame;
		frame.numbers.forEach((number, at) => {
			if (shown.has(number)) used.set(shown.get(number), frame.microjoules[at]);
			else other += frame.microjoules[at];
		});
		return used.set(OTHER, other).set(UNATTRIBUTED, frame.unattributed).set(IDLE, frame.idle);
	}

	#describe(frame, id) {
		const canvas = this.#canvas;
		const {from, to} = this.#scene.window;
		setAttribute(canvas, 'aria-valuemin', Math.round(from / 1000));
		setAttribute(canvas, 'aria-valuemax', Math.round(to / 1000));
		setAttribute(canvas, 'aria-valuenow', Math.round((this.#reading.time ?? to) / 1000));
		if (!frame) {
			setAttribute(canvas, 'aria-valuetext', 'No reading');
			this.#tip.hide();
			return;
		}
		const power = microjoules => microjoules / frame.length / 1000;
		const texts = [moment(this.#reading.time), `${watts(power(frame.total))} ± ${watts(power(SURE * frame.sigma))}`];
		const shown = id ?? this.#view.now.pick;
		if (shown !== null)
			texts.push(
				`${shorten(this.#scene.describe(shown).name, 32)}: ${watts(power(this.#ofFrame(frame).get(shown) ?? 0))}`,
			);
		for (const key of this.#view.now.zones) {
			const at = this.#scene.store.zones.findIndex(zone => zone.key === key);
			if (frame.zones[at] >= 0)
				texts.push(`${shorten(key, 32)}: ${watts(power(frame.zones[at]))} ± ${watts(power(SURE * frame.sigmas[at]))}`);
		}
		const sure = sureness(this.#scene.provenance ?? '', frame.total, frame.sigma);
		setAttribute(canvas, 'aria-valuetext', `${texts[0]}: total ${sure}, ${texts.slice(1).join('; ')}`);
		this.#tip.show(texts, this.chart.x(this.#reading.time), this.chart.size.width);
	}

	#listenToPointer() {
		const clamp = x => Math.min(this.#scene.window.to, Math.max(this.#scene.window.from, this.chart.time(x)));
		const reading = this.#reading;
		listen(this.#canvas, {
			hover: (x, y) => {
				if (!this.#scene.store) return;
				reading.time = clamp(x);
				reading.id = this.chart.hit(x, y);
				this.#reread();
			},
			leave: () => {
				reading.clear();
				this.#reread();
			},
			click: (x, y, event) => {
				if (!this.#scene.store) return;
				if (this.#picksSince || event.shiftKey) this.#setSince(clamp(x));
				else this.#pick(this.chart.hit(x, y));
			},
			dragging: (from, to) => {
				reading.selection = [clamp(from), clamp(to)];
				this.#reread();
			},
			dragged: (from, to) => {
				reading.selection = null;
				const [first, last] = [clamp(from), clamp(to)].sort((one, two) => one - two);
				if (last > first) this.#show(first, last);
				this.#reread();
			},
			givenUp: () => {
				reading.selection = null;
				this.#reread();
			},
			zoom: (factor, x) => {
				const {from, to} = this.#scene.window;
				if (factor > 1 && to - from >= SPANS[this.#view.now.span].length * WHEEL_ENDS) return false;
				this.zoom(factor, clamp(x));
				return true;
			},
			pan: part => this.pan(part),
		});
	}

	#key(event) {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
		const climb = {ArrowUp: 1, ArrowDown: -1}[event.key];
		if (step) this.#reading.step(step * (event.shiftKey ? 10 : 1), this.#scene.store, this.#scene.window);
		else if (climb) this.#climb(climb);
		else return;
		event.preventDefault();
		this.#reading.id = null;
		this.#reread();
	}

	/** Picks the next that has power at the reading, upwards or downwards. */
	#climb(direction) {
		const stack = this.chart
			.stackAt(this.#reading.time ?? this.#scene.window.to)
			.filter(({from, to}) => to > from)
			.map(({id}) => id);
		if (stack.length === 0) return;
		const here = stack.indexOf(this.#view.now.pick);
		const next =
			here < 0 ? (direction > 0 ? 0 : stack.length - 1) : Math.min(stack.length - 1, Math.max(0, here + direction));
		if (stack[next] !== this.#view.now.pick) this.#pick(stack[next]);
	}

	#pickSince(picks) {
		this.#picksSince = picks;
		setAttribute(byId('since-pick'), 'aria-pressed', picks);
		byId('plot').classList.toggle('picks-since', picks);
		if (picks) byId('plot').scrollIntoView({block: 'nearest'});
	}

	#setSince(time) {
		this.#pickSince(false);
		this.#view.set({since: `@${Math.round(time)}`});
	}
}
