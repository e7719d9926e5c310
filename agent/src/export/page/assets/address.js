// The view in the fragment of the address, which never leaves the browser.

import {DEFAULTS, SPANS} from './view.js';

const LONGEST = 400;
const SORTS = ['energy', 'power', 'cpu', 'name'];

/** What of the fragment makes sense; the rest is left out. */
export function read(fragment) {
	const given = new URLSearchParams(fragment.replace(/^#/, ''));
	const choices = {};
	const take = (name, turn) => {
		const text = given.get(name);
		if (text === null || text.length > LONGEST) return;
		const value = turn(text);
		if (value !== undefined) choices[name] = value;
	};
	const oneOf =
		(...values) =>
		text =>
			values.includes(text) ? text : undefined;
	const number = (least, most) => text => {
		const value = Number(text);
		return text !== '' && value >= least && value <= most ? value : undefined;
	};
	take('level', oneOf('function', 'container', 'cgroup', 'process'));
	take('span', oneOf(...Object.keys(SPANS)));
	take('length', text => (text === 'all' ? null : number(1000, SPANS.day.length)(text)));
	take('end', number(1, 8.64e15));
	take('pick', text => text || undefined);
	take('search', text => text);
	take('since', text => (/^(window|\d{1,6}|@\d{1,16})$/.test(text) ? text : undefined));
	take('zones', text => text.split(',').filter(Boolean));
	take('sort', oneOf(...SORTS));
	take('theme', oneOf('auto', 'light', 'dark'));
	take('unit', oneOf('J', 'Wh'));
	return choices;
}

function write(choices) {
	const parameters = new URLSearchParams();
	for (const [name, value] of Object.entries(choices)) {
		const usual = DEFAULTS[name];
		const text = Array.isArray(value) ? value.join(',') : name === 'length' ? (value ?? 'all') : value;
		if (text !== null && text !== (Array.isArray(usual) ? usual.join(',') : usual)) parameters.set(name, text);
	}
	return parameters.toString();
}

/** Keeps address and view the same, both ways. Writing waits a little: browsers refuse many changes in a row. */
export function keepInAddress(view) {
	let timer = 0;
	const put = () => {
		timer = 0;
		const fragment = write(view.now);
		const {pathname, search} = location;
		if (fragment !== location.hash.slice(1))
			history.replaceState(null, '', `${pathname}${search}${fragment && `#${fragment}`}`);
	};
	view.on(() => {
		timer ||= setTimeout(put, 150);
	});
	addEventListener('hashchange', () => view.set({...DEFAULTS, level: view.now.level, ...read(location.hash)}));
	return {flush: put};
}
