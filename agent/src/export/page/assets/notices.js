// What the agent could not see and why, with what would help.

import {byId, make, setText} from './elements.js';
import {clean} from './names.js';
import {count, moment} from './units.js';

export class Notices {
	#list = byId('notices');
	#shown = '';

	draw(notices) {
		const now = JSON.stringify(notices);
		if (now === this.#shown) return;
		this.#shown = now;
		if (notices.length === 0) {
			this.#list.replaceChildren(make('li', {class: 'quiet'}, 'Nothing: all that was asked for is seen.'));
			return;
		}
		this.#list.replaceChildren(
			...notices.map(({kind, message, count: times, last_unix_ms: last}) => {
				const item = make('li', {'data-notice': kind}, make('code', {}, clean(kind)), make('span', {}, clean(message)));
				const when = make('small');
				setText(
					when,
					[times > 1 ? `${count(times)} times` : '', last ? `last at ${moment(last)}` : ''].filter(Boolean).join(', '),
				);
				item.append(when);
				return item;
			}),
		);
	}
}
