// Where ticks lie: round powers, round times of the local clock.

import {clock, day, minute} from './units.js';

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400];

/** The top of a scale that holds `most`, and its ticks: 1, 2 or 5 times a power of ten apart. */
export function scale(most, wanted) {
	const rough = Math.max(most, 1e-6) / wanted;
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
	const steps = Math.ceil(most / step - 1e-9) || 1;
	return {top: steps * step, ticks: Array.from({length: steps + 1}, (_, at) => at * step)};
}

/** @param wanted how many at most @returns `at` in Unix milliseconds */
export function timeTicks(from, to, wanted) {
	const step = (TIME_STEPS.find(seconds => (to - from) / (seconds * 1000) <= wanted) ?? TIME_STEPS.at(-1)) * 1000;
	const zone = new Date(to).getTimezoneOffset() * 60_000;
	const ticks = [];
	let shownDay = day(to);
	for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) {
		const label = step < 60_000 ? clock(at) : minute(at);
		ticks.push({at, label: day(at) === shownDay ? label : `${day(at)} ${label}`});
		shownDay = day(at);
	}
	return ticks;
}
