// Says whether what is shown is of now.

import {byId, setAttribute, setHidden, setText} from './elements.js';
import {clock, seconds} from './units.js';

const STALE_STEPS = 5;

export class Connection {
	#state = 'waiting';
	#why = '';
	#since = Date.now();
	#heard = 0;

	get state() {
		return this.#state;
	}

	/** @param why in the agent's words, or empty */
	set(state, why) {
		if (state !== this.#state) this.#since = Date.now();
		[this.#state, this.#why] = [state, why];
	}

	/** A frame has come. */
	heard() {
		this.#heard = Date.now();
	}

	/** @param held by the user @param step milliseconds between frames */
	draw(held, step) {
		setAttribute(document.body, 'data-connection', this.#state);
		const silent = Date.now() - Math.max(this.#heard, this.#since);
		setText(
			byId('connection'),
			{
				waiting: 'Loading',
				token: 'Token asked for',
				lost: `Lost since ${clock(this.#since)}`,
				live:
					silent > Math.max(10_000, step * STALE_STEPS)
						? `No frame for ${seconds(Math.round(silent / 1000))}`
						: held
							? 'Held'
							: this.#why
								? 'Live, polling'
								: 'Live',
			}[this.#state],
		);
		byId('connection').title = this.#why;
		const banner = byId('banner');
		setHidden(banner, this.#state !== 'lost');
		if (this.#state === 'lost') {
			setText(
				banner,
				this.#why
					? `The agent refuses since ${clock(this.#since)}: ${this.#why}`
					: `The agent cannot be reached since ${clock(this.#since)}. The page tries again and fills the gap.`,
			);
		}
	}
}
