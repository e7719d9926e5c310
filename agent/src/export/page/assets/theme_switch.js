// Light, dark, or as the system has it; remembered in this browser.

import {byId, setText} from './elements.js';

const KEPT_AS = 'prony-theme';
const NEXT = {auto: 'light', light: 'dark', dark: 'auto'};

/** @param changed everything is to be drawn anew */
export function makeThemeSwitch(view, changed) {
	const button = byId('theme');
	const apply = () => {
		const {theme} = view.now;
		if (theme === 'auto') delete document.documentElement.dataset.theme;
		else document.documentElement.dataset.theme = theme;
		setText(button, `Theme: ${theme}`);
		changed();
	};
	button.addEventListener('click', () => {
		const theme = NEXT[view.now.theme];
		try {
			localStorage.setItem(KEPT_AS, theme);
		} catch {
			// It then holds for this visit.
		}
		view.set({theme});
	});
	view.on(names => {
		if (names.has('theme')) apply();
	});
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
	apply();
}
