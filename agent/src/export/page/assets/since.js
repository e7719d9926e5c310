// From when on the tiles count energy.

import {byId, make, setText} from './elements.js';
import {moment} from './units.js';

const PRESETS = {hour: [60, 300, 900, 1800], day: [3600, 3 * 3600, 6 * 3600, 12 * 3600]};
const name = seconds => (seconds >= 3600 ? `${seconds / 3600} h ago` : `${seconds / 60} min ago`);

/**
 * @param since as in `Choices.since`
 * @param window shown
 */
export function sinceWindow(since, window) {
	if (since === 'window') return window;
	return {from: since.startsWith('@') ? Number(since.slice(1)) : window.to - Number(since) * 1000, to: window.to};
}

/** The time that the user chose, Unix milliseconds. */
export const sinceTime = since => (since.startsWith('@') ? Number(since.slice(1)) : null);

export function makeSinceMenu(view) {
	const menu = byId('since');
	let made = '';
	menu.addEventListener('change', () => view.set({since: menu.value}));
	return () => {
		const {since, span} = view.now;
		if (made !== `${since} ${span}`) {
			made = `${since} ${span}`;
			const values = ['window', ...PRESETS[span].map(String)];
			if (!values.includes(since)) values.push(since);
			menu.replaceChildren(
				...values.map(value => {
					const option = make('option', {value});
					const at = sinceTime(value);
					setText(option, value === 'window' ? 'the window’s start' : at === null ? name(Number(value)) : moment(at));
					return option;
				}),
			);
		}
		menu.value = since;
	};
}
