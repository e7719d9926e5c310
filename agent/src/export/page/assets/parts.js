// The parts of the total that are no line: what they are called and what they mean.

export const OTHER = '?other';
export const IDLE = '?idle';
export const UNATTRIBUTED = '?unattributed';

export const PARTS = {
	[OTHER]: {name: 'other', detail: 'Lines that are not shown on their own, and what belongs to no line of this level.'},
	[UNATTRIBUTED]: {name: 'not attributed', detail: 'Measured, but nobody is known to have run.'},
	[IDLE]: {name: 'idle', detail: 'What the machine takes when it does nothing. It is nobody’s.'},
};

/** @param theme of the canvas; the colour of a part that is no line */
export function partColour(id, theme) {
	return {[OTHER]: theme.other, [IDLE]: theme.idle, [UNATTRIBUTED]: theme.unattributed}[id];
}
