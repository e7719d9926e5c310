// Follows the agent: history first, then frame by frame, through lost connections and restarts, without a gap.

import {Refused, ask, open} from './api.js';
import {events} from './event_stream.js';

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const STREAM_AGAIN_AFTER = 60_000;
const SHORTEST_STREAM = 1000;
// After so long the history is shorter than all frames that were missed.
const LONGEST_CATCH_UP = 180_000;

export class Follower {
	#stop = new AbortController();
	#listener;
	#level;
	#epoch;
	#sequence;
	#heard;
	#step = 1000;
	#wake = () => {};
	#skipStreamUntil = 0;

	/**
	 * @param known where to go on, null: from the history
	 * @param listener `history` takes the hour's, which replaces what was there; `frame` the next one; `state` how the
	 *   agent is reached (`live`, `lost`, `token`), and why
	 */
	constructor(level, known, listener) {
		this.#level = level;
		this.#listener = listener;
		this.#epoch = known?.epoch ?? null;
		this.#sequence = known?.sequence ?? 0;
		this.#heard = known?.heard ?? 0;
		this.#run();
	}

	get position() {
		return this.#epoch === null ? null : {epoch: this.#epoch, sequence: this.#sequence, heard: this.#heard};
	}

	/** Tries again now instead of later. */
	hurry() {
		this.#wake();
	}

	end() {
		this.#stop.abort();
		this.#wake();
	}

	async #run() {
		let wait = FIRST_WAIT;
		while (!this.#stop.signal.aborted) {
			try {
				if (this.#epoch === null || Date.now() - this.#heard > LONGEST_CATCH_UP) await this.#load();
				const began = Date.now();
				if (began >= this.#skipStreamUntil) await this.#stream();
				else await this.#poll();
				wait = FIRST_WAIT;
				if (Date.now() - began < SHORTEST_STREAM) await this.#sleep(FIRST_WAIT);
			} catch (error) {
				if (this.#stop.signal.aborted) return;
				if (error instanceof Refused && error.status === 503 && this.#epoch !== null) {
					this.#skipStreamUntil = Date.now() + STREAM_AGAIN_AFTER;
					continue;
				}
				if (error instanceof Refused && error.status === 401) {
					this.#listener.state('token', error.message);
					await this.#sleep(Infinity);
					continue;
				}
				this.#listener.state('lost', error instanceof Refused ? error.message : '');
				// Not all pages at once when the agent is back.
				await this.#sleep(wait * (0.75 + Math.random() / 2));
				wait = Math.min(LONGEST_WAIT, wait * 2);
			}
		}
	}

	async #load() {
		const history = await ask('live/history', {span: 'hour', level: this.#level}, this.#stop.signal);
		this.#epoch = history.epoch;
		this.#sequence = history.sequence;
		this.#heard = Date.now();
		this.#step = history.step_ms || this.#step;
		if (!this.#stop.signal.aborted) this.#listener.history(history);
	}

	async #stream() {
		const silence = new AbortController();
		const signal = AbortSignal.any([this.#stop.signal, silence.signal]);
		let timer = 0;
		let answered = false;
		const alive = () => {
			clearTimeout(timer);
			timer = setTimeout(() => silence.abort(), Math.max(12_000, this.#step * 4));
		};
		alive();
		try {
			const response = await open('live/stream', {level: this.#level, after: this.#sequence}, signal);
			answered = true;
			this.#listener.state('live', '');
			for await (const {event, data} of events(response, alive)) {
				if (event === 'reset') this.#epoch = null;
				else if (event === 'frame') this.#take(JSON.parse(data));
				if (this.#epoch === null) return;
			}
		} catch (error) {
			// A stream that fell silent is opened again; only if that fails is the agent lost.
			if (!answered || !silence.signal.aborted || this.#stop.signal.aborted) throw error;
		} finally {
			clearTimeout(timer);
		}
	}

	async #poll() {
		const answer = await ask('live/frames', {level: this.#level, after: this.#sequence}, this.#stop.signal);
		this.#listener.state('live', 'polling, since there are too many viewers');
		if (answer.reset) this.#epoch = null;
		else for (const frame of answer.frames) if (this.#epoch !== null) this.#take(frame);
		if (this.#epoch !== null) await this.#sleep(Math.max(1000, this.#step));
	}

	#take(frame) {
		if (this.#stop.signal.aborted) return;
		if (frame.epoch !== this.#epoch) {
			this.#epoch = null;
			return;
		}
		this.#sequence = frame.sequence;
		this.#heard = Date.now();
		this.#listener.frame(frame);
	}

	#sleep(milliseconds) {
		return new Promise(resolve => {
			const timer = Number.isFinite(milliseconds) ? setTimeout(resolve, milliseconds) : 0;
			this.#wake = () => {
				clearTimeout(timer);
				resolve();
			};
			if (this.#stop.signal.aborted) this.#wake();
		});
	}
}
