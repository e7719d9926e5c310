// Energy since a time, as tiles.

import {SURE} from './chart_drawing.js';
import {byId, setAttribute, setText} from './elements.js';
import {makeSinceMenu, sinceWindow} from './since.js';
import {Treemap} from './treemap.js';
import {moment, energy, percent} from './units.js';
import {IDLE} from './parts.js';

export class EnergyPanel {
	#view;
	#scene;
	#treemap;
	#showSince;
	#total = byId('treemap-total');
	#seen = false;

	constructor(view, scene, painter, pick) {
		[this.#view, this.#scene] = [view, scene];
		this.#treemap = new Treemap(pick, () => painter.stale('energy'));
		this.#showSince = makeSinceMenu(view);
		painter.part('energy', () => this.#draw());
		new IntersectionObserver(entries => {
			this.#seen = entries.at(-1).isIntersecting;
			if (this.#seen) painter.stale('energy');
		}).observe(byId('treemap'));
	}

	#draw() {
		this.#showSince();
		const scene = this.#scene;
		if (!this.#seen || !scene.store) return;
		const {since, unit, pick} = this.#view.now;
		const {from, to} = sinceWindow(since, scene.window);
		const tally = since === 'window' ? scene.tally : scene.store.tally(from, to);
		this.#treemap.draw(
			scene
				.partsOf(tally, tally.lines)
				.map(({id, microjoules}) => ({
					...scene.describe(id),
					id,
					microjoules,
					colour: scene.colour(id),
					hatched: id === IDLE,
					strong: scene.strong(id),
				})),
			tally.total,
			pick,
			unit,
		);
		const spread = tally.total > 0 ? ` ± ${percent((SURE * tally.sigma) / tally.total)}` : '';
		setText(this.#total, tally.frames === 0 ? '–' : `${energy(tally.total, unit)}${spread}`);
		setAttribute(this.#total, 'data-microjoules', tally.total);
		const first = scene.store.first;
		this.#total.title =
			first && from < first.end - first.length - scene.store.kept * 0.001
				? `Frames reach back to ${moment(first.end - first.length)}`
				: `Since ${moment(from)}`;
	}
}
