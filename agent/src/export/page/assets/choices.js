// Groups of buttons of which one is pressed, or several.

import {make, setAttribute} from './elements.js';

/** Shows which are pressed. */
export function makeChoices(group, options, choose) {
	const buttons = options.map(({key, name, title}) =>
		make('button', {'data-choice': key, title, onclick: () => choose(key)}, name),
	);
	group.replaceChildren(...buttons);
	return pressed => {
		for (const button of buttons) setAttribute(button, 'aria-pressed', pressed(button.dataset.choice));
	};
}
