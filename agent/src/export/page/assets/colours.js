// Which colour a line has, and what the canvas is drawn with in each theme.

// Hues that people with any of the common colour blindnesses tell apart, next to each other in lightness too.
const LIGHT = [
	'#0072b2',
	'#e69f00',
	'#009e73',
	'#cc79a7',
	'#56b4e9',
	'#d55e00',
	'#332288',
	'#b8a600',
	'#44aa99',
	'#882255',
	'#6699cc',
	'#a65628',
	'#117733',
	'#aa4499',
	'#7fc97f',
	'#c97b63',
	'#5d6fb8',
	'#998ec3',
];
const DARK = [
	'#3d9bdc',
	'#f0b43c',
	'#2dc598',
	'#e298c4',
	'#86cdf7',
	'#f07f3c',
	'#8b7be8',
	'#dccb3a',
	'#66cfbd',
	'#c75a8f',
	'#8fb6e4',
	'#cd8459',
	'#4faa6b',
	'#cf7ac7',
	'#a6dba6',
	'#e39e88',
	'#8796dc',
	'#b9b0dc',
];

const THEMES = {
	light: {
		lines: LIGHT,
		surface: '#ffffff',
		ink: '#1b2430',
		soft: '#5b6673',
		grid: '#e6e9ee',
		other: '#b4bac3',
		idle: '#dfe3e8',
		hatch: '#a3acb8',
		unattributed: '#8a6d8f',
		band: 'rgba(27, 36, 48, 0.16)',
		zones: ['#7a0f52', '#0a5a4a', '#6b4a00', '#003f8c'],
		select: 'rgba(0, 98, 179, 0.16)',
		mark: '#b3261e',
	},
	dark: {
		lines: DARK,
		surface: '#161b22',
		ink: '#eef2f6',
		soft: '#9aa6b3',
		grid: '#2a313b',
		other: '#5c6672',
		idle: '#2b323c',
		hatch: '#556070',
		unattributed: '#a685ab',
		band: 'rgba(238, 242, 246, 0.2)',
		zones: ['#ff9fd6', '#7ff0d5', '#ffd98a', '#9cc9ff'],
		select: 'rgba(110, 180, 255, 0.22)',
		mark: '#ff8a80',
	},
};

const SYSTEM_IS_DARK = matchMedia('(prefers-color-scheme: dark)');

/** What the canvas is drawn with in the theme that is shown now. */
export function theme() {
	const chosen = document.documentElement.dataset.theme;
	return THEMES[chosen ?? (SYSTEM_IS_DARK.matches ? 'dark' : 'light')];
}

/** Gives every line that is shown a colour of its own, as long as there are enough; it keeps it while it is shown. */
export class Colours {
	#given = new Map();

	/** @param ids those shown now; the colours of others are free again */
	keep(ids) {
		const shown = new Set(ids);
		for (const id of this.#given.keys()) if (!shown.has(id)) this.#given.delete(id);
		const taken = new Set(this.#given.values());
		for (const id of ids) {
			if (this.#given.has(id)) continue;
			let place = wish(id);
			for (let tried = 0; taken.has(place) && tried < LIGHT.length; tried += 1) place = (place + 1) % LIGHT.length;
			taken.add(place);
			this.#given.set(id, place);
		}
	}

	/** @returns `#rrggbb`; that of "other" for a line that the chart does not show on its own */
	of(id) {
		const place = this.#given.get(id);
		return place === undefined ? theme().other : theme().lines[place];
	}
}

/** The colour that a line would like: the same on every load (FNV-1a). */
function wish(id) {
	let hash = 0x811c9dc5;
	for (let at = 0; at < id.length; at += 1) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
	return (hash >>> 0) % LIGHT.length;
}

/** Black or white, whichever is read better on this colour (`#rrggbb`). */
export function inkOn(colour) {
	const [red, green, blue] = [1, 3, 5].map(at => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
	return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.22 ? '#10151c' : '#ffffff';
}
