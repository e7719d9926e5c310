// Which level is shown: the user's, or at first the most telling that has lines.

import {makeChoices} from './choices.js';
import {byId, setAttribute} from './elements.js';

const LEVELS = [
	{key: 'function', name: 'Function', title: 'Serverless functions ( 1 )'},
	{key: 'container', name: 'Container', title: 'Containers ( 2 )'},
	{key: 'cgroup', name: 'Cgroup', title: 'Control groups: services, slices, pods ( 3 )'},
	{key: 'process', name: 'Process', title: 'Processes ( 4 )'},
];
const ENOUGH_FRAMES = 3;

export class LevelChoice {
	#view;
	#withheld;
	#show;
	#open = LEVELS.map(({key}) => key);
	#automatic;

	/** @param withheld is called when a level is chosen that the agent does not give */
	constructor(view, withheld) {
		[this.#view, this.#withheld] = [view, withheld];
		this.#automatic = view.now.level === null;
		this.#show = makeChoices(byId('levels'), LEVELS, key => this.choose(key));
		if (this.#automatic) view.set({level: LEVELS[0].key});
	}

	choose(level) {
		this.#automatic = false;
		if (this.#open.includes(level)) this.#view.set({level});
		else this.#withheld();
	}

	chooseAt(place) {
		this.choose(LEVELS[place].key);
	}

	allow(levels) {
		this.#open = levels;
		for (const button of byId('levels').children) {
			setAttribute(button, 'aria-disabled', !levels.includes(button.dataset.choice));
		}
		if (levels.includes(this.#view.now.level)) return;
		this.#withheld();
		this.#view.set({level: levels.includes('cgroup') ? 'cgroup' : levels[0]});
	}

	/** Goes on to the next level, while none was chosen and this one has no lines. */
	settle(store) {
		if (!this.#automatic || !store || store.frames.length < ENOUGH_FRAMES) return;
		const here = LEVELS.findIndex(({key}) => key === this.#view.now.level);
		const next = LEVELS[here + 1]?.key;
		if (store.frames.some(frame => frame.numbers.length > 0)) this.#automatic = false;
		else if (next && this.#open.includes(next)) this.#view.set({level: next});
		else {
			this.#automatic = false;
			this.#view.set({level: LEVELS[0].key});
		}
	}

	draw() {
		this.#show(key => key === this.#view.now.level);
	}
}
