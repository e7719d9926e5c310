// Asks again and again, but only while the answer can be seen.

import {Refused, ask} from './api.js';

export class Poll {
	#element;
	#period;
	#question;
	#answered;
	#refused;
	#seen = false;
	#allowed = false;
	#timer = 0;
	#running = null;

	/** @param element shows the answer @param period milliseconds @param refused with a reason */
	constructor(element, period, question, answered, refused) {
		[this.#element, this.#period, this.#question] = [element, period, question];
		[this.#answered, this.#refused] = [answered, refused];
		new IntersectionObserver(
			entries => {
				this.#seen = entries.at(-1).isIntersecting;
				this.#wakeOrRest();
			},
			{rootMargin: '100px'},
		).observe(this.#element);
		document.addEventListener('visibilitychange', () => this.#wakeOrRest());
	}

	/** @param allowed whether the agent can be reached */
	allow(allowed) {
		if (this.#allowed === allowed) return;
		this.#allowed = allowed;
		this.#wakeOrRest();
	}

	/** Asks at once: the question is another. */
	renew() {
		this.#running?.abort();
		this.#running = null;
		this.#wakeOrRest();
	}

	get #wanted() {
		return this.#seen && this.#allowed && !document.hidden;
	}

	#wakeOrRest() {
		clearTimeout(this.#timer);
		this.#timer = 0;
		if (this.#wanted && this.#running === null) this.#once();
	}

	async #once() {
		const running = new AbortController();
		this.#running = running;
		try {
			const {path, parameters} = this.#question();
			const answer = await ask(path, parameters, running.signal);
			if (!running.signal.aborted) this.#answered(answer);
		} catch (error) {
			// That the agent cannot be reached is for the connection to say.
			if (!running.signal.aborted && error instanceof Refused && error.status !== 401) this.#refused(error.message);
		}
		if (this.#running !== running) return;
		this.#running = null;
		if (this.#wanted) this.#timer = setTimeout(() => this.#once(), this.#period);
	}
}
