// The frames of each level that was looked at, kept up to date for the level that is looked at.

import {Refused, ask} from './api.js';
import {Follower} from './follow.js';
import {Store} from './store.js';
import {SPANS} from './view.js';

const DAY_AGAIN_AFTER = 5000;

export class Live {
	#levels = new Map();
	#level = null;
	#epoch = null;
	#follower = null;
	#loadingDay = null;
	#listener;

	/** @param listener `loaded`: there is a history; `frame`: one more frame; `restarted`: the agent was */
	constructor(listener) {
		this.#listener = listener;
	}

	/** Null: not loaded yet. */
	store(span) {
		return this.#levels.get(this.#level)?.[span] ?? null;
	}

	/** Shows another level: from where it was left, where that is known. */
	choose(level) {
		if (level === this.#level && this.#follower) return;
		this.#leave();
		this.#level = level;
		this.#kept();
		this.#follow();
	}

	/** Nobody looks: nothing is asked for. */
	pause() {
		this.#leave();
	}

	resume() {
		if (this.#level !== null && !this.#follower) this.#follow();
	}

	hurry() {
		this.#follower?.hurry();
	}

	/** Loads the day, unless it is here or on its way. */
	async needDay() {
		const level = this.#level;
		const kept = this.#kept();
		if (!kept.hour || kept.day || this.#loadingDay === level) return;
		this.#loadingDay = level;
		try {
			const history = await ask('live/history', {span: 'day', level});
			const day = new Store(SPANS.day.length + SPANS.day.step);
			day.addHistory(history);
			if (history.epoch === this.#epoch) kept.day = day;
			this.#addToDay(kept);
			this.#loadingDay = null;
			this.#listener.loaded();
		} catch (error) {
			setTimeout(() => {
				this.#loadingDay = null;
			}, DAY_AGAIN_AFTER);
			if (error instanceof Refused && error.status === 401) this.#listener.state('token', error.message);
		}
	}

	#kept() {
		if (!this.#levels.has(this.#level)) this.#levels.set(this.#level, {hour: null, day: null, position: null});
		return this.#levels.get(this.#level);
	}

	#leave() {
		if (!this.#follower) return;
		this.#kept().position = this.#follower.position;
		this.#follower.end();
		this.#follower = null;
	}

	#follow() {
		const kept = this.#kept();
		this.#follower = new Follower(this.#level, kept.hour && kept.position, {
			history: history => {
				const restarted = this.#epoch !== null && history.epoch !== this.#epoch;
				if (restarted) {
					// What other levels have is of the agent before.
					for (const level of this.#levels.keys()) if (level !== this.#level) this.#levels.delete(level);
				}
				this.#epoch = history.epoch;
				kept.hour = new Store(SPANS.hour.length + 10 * SPANS.hour.step);
				kept.day = null;
				kept.hour.addHistory(history);
				this.#listener.loaded();
				if (restarted) this.#listener.restarted();
			},
			frame: frame => {
				kept.hour.addFrame(frame);
				this.#addToDay(kept);
				this.#listener.frame(frame);
			},
			state: this.#listener.state,
		});
	}

	#addToDay(kept) {
		if (kept.day && kept.hour) kept.day.addFrom(kept.hour, SPANS.day.step);
	}
}
