// What is what, and which keys there are.

import {SURE} from './chart_drawing.js';
import {byId, make} from './elements.js';
import {PARTS} from './parts.js';

const KEYS = [
	['/', 'search names'],
	['?', 'this help'],
	['Space', 'hold the picture, or follow again'],
	['+  −', 'zoom in, zoom out'],
	['0', 'all of the span, live'],
	['[  ]', 'earlier, later'],
	['1  2  3  4', 'by function, container, cgroup, process'],
	['h  d', 'the last hour, the last day'],
	['s', 'energy since the reading'],
	['Esc', 'let go of line, reading or search'],
];
const IN_CHART = [
	['←  →', 'reading a frame earlier, later (with Shift: ten)'],
	['↑  ↓', 'the line above, below'],
	['drag', 'zoom to what is dragged over'],
	['wheel', 'zoom; with Shift: earlier, later'],
	['click', 'pick the line; with Shift: energy since then'],
];
const MEANINGS = [
	[
		'total',
		`What the machine takes: the line above the stack. The band round it holds the truth in 95 of 100 cases
			(${SURE} standard deviations). Dashed: an estimate, no meter measures this.`,
	],
	...Object.values(PARTS).map(({name, detail}) => [name, detail]),
	['fused', 'Several meters, put together.'],
];

export function makeHelp() {
	const dialog = byId('help');
	const keys = rows =>
		make(
			'dl',
			{class: 'keys'},
			...rows.flatMap(([key, meaning]) => [
				make('dt', {}, ...key.split(/ {2,}/).map(one => make('kbd', {}, one))),
				make('dd', {}, meaning),
			]),
		);
	dialog.append(
		make('h2', {id: 'help-title'}, 'Keys'),
		keys(KEYS),
		make('h3', {}, 'In the chart'),
		keys(IN_CHART),
		make('h3', {}, 'What is what'),
		make(
			'dl',
			{class: 'meanings'},
			...MEANINGS.flatMap(([name, meaning]) => [make('dt', {}, name), make('dd', {}, meaning)]),
		),
		make('div', {class: 'buttons'}, make('button', {class: 'primary', onclick: () => dialog.close()}, 'Close')),
	);
	dialog.addEventListener('click', event => {
		if (event.target === dialog) dialog.close();
	});
	const open = () => {
		if (!dialog.open) dialog.showModal();
	};
	byId('help-open').addEventListener('click', open);
	return {open};
}
