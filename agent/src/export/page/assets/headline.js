// The figures at the top: what the machine takes now and who it goes to.

import {SURE} from './chart_drawing.js';
import {byId, setAttribute, setHidden, setText} from './elements.js';
import {energy, percent, seconds, watts} from './units.js';

const NOTHING = '–';

/** How sure the total is and where it comes from, in words: `estimated, ± 35 %`. */
export function sureness(provenance, total, sigma) {
	return total > 0 ? `${provenance}, ± ${percent((SURE * sigma) / total)}` : provenance;
}

/** The least of the provenances of the zones in the total. */
export function provenanceOf(zones) {
	const found = zones.filter(({headline}) => headline).map(({provenance}) => provenance);
	return ['estimated', 'fused', 'measured'].find(one => found.includes(one)) ?? null;
}

export function drawNow(frame, provenance, why) {
	const power = microjoules => microjoules / frame.length / 1000;
	const part = (id, microjoules) => {
		setText(byId(id), frame ? watts(power(microjoules)) : NOTHING);
		setText(byId(`${id}-note`), frame && frame.total > 0 ? `${percent(microjoules / frame.total)} of the total` : '');
	};
	const total = byId('total');
	setText(total, frame ? watts(power(frame.total)) : NOTHING);
	if (frame) setAttribute(total, 'data-total-watts', power(frame.total));
	setText(byId('total-spread'), frame ? `± ${watts(power(SURE * frame.sigma))}` : '');
	part('shared', frame ? frame.total - frame.idle - frame.unattributed : 0);
	part('idle', frame?.idle ?? 0);
	part('unattributed', frame?.unattributed ?? 0);
	const mark = byId('provenance');
	setHidden(mark, !frame || !provenance);
	if (frame && provenance) {
		setText(mark, sureness(provenance, frame.total, frame.sigma));
		setAttribute(mark, 'data-provenance', provenance);
	}
	setText(byId('why'), why);
}

/** @param tally of the window shown */
export function drawWindow(tally, unit) {
	setText(byId('window-energy'), tally.frames > 0 ? energy(tally.total, unit) : NOTHING);
	setAttribute(byId('window-energy'), 'data-microjoules', tally.total);
	const mean = tally.total / tally.milliseconds / 1000;
	setText(byId('window-note'), tally.frames > 0 ? `in ${seconds(tally.milliseconds / 1000)}, mean ${watts(mean)}` : '');
}
