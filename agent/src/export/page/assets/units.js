// Figures as people read them: three significant digits, an engineering prefix and a unit.

const PREFIXES = [
	[1e9, 'G'],
	[1e6, 'M'],
	[1e3, 'k'],
	[1, ''],
	[1e-3, 'm'],
	[1e-6, 'µ'],
	[1e-9, 'n'],
];
const SPACE = '\u202f';
const MICROJOULES_PER_WATT_HOUR = 3.6e9;

/** Three significant digits, without an exponent. */
function digits(value) {
	const size = Math.abs(value);
	return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

function engineering(value, unit) {
	if (!Number.isFinite(value)) return '–';
	if (value === 0) return `0${SPACE}${unit}`;
	const size = Math.abs(value);
	const [factor, prefix] = PREFIXES.find(([least]) => size >= least * 0.9995) ?? PREFIXES.at(-1);
	return `${digits(value / factor)}${SPACE}${prefix}${unit}`;
}

/** @param value watts */
export function watts(value) {
	// Below a microwatt nothing is known: that is rounding.
	return engineering(Math.abs(value) < 1e-6 ? 0 : value, 'W');
}

export function energy(microjoules, unit = 'J') {
	return unit === 'Wh'
		? engineering(microjoules / MICROJOULES_PER_WATT_HOUR, 'Wh')
		: engineering(microjoules / 1e6, 'J');
}

/** @param part 0 to 1 */
export function percent(part) {
	if (!Number.isFinite(part)) return '–';
	const value = part * 100;
	const size = Math.abs(value);
	if (size === 0) return `0${SPACE}%`;
	if (size < 0.1) return `<0.1${SPACE}%`;
	return `${value.toFixed(size < 9.95 ? 1 : 0)}${SPACE}%`;
}

/** @param value seconds, as one figure: 12.3 ms, 4.56 s, 2 h 5 min */
export function seconds(value) {
	if (!Number.isFinite(value)) return '–';
	if (Math.abs(value) < 99.5) return engineering(value, 's');
	const whole = Math.round(value);
	const [days, hours, minutes] = [
		Math.floor(whole / 86400),
		Math.floor(whole / 3600) % 24,
		Math.floor(whole / 60) % 60,
	];
	if (days > 0) return `${days}${SPACE}d ${hours}${SPACE}h`;
	if (hours > 0) return `${hours}${SPACE}h ${minutes}${SPACE}min`;
	return `${minutes}${SPACE}min ${whole % 60}${SPACE}s`;
}

export function bytes(value) {
	return Number.isFinite(value) ? `${digits(value / 2 ** 20)}${SPACE}MiB` : '–';
}

/** @param value a whole number, with its thousands set apart */
export function count(value) {
	return Number.isFinite(value) ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, SPACE) : '–';
}

const CLOCK = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const MINUTE = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit'});
const DAY = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short'});

// Of Unix milliseconds, in local time.
export const clock = at => CLOCK.format(at);
export const minute = at => MINUTE.format(at);
export const day = at => DAY.format(at);

/** The time of day, with the day where that is not today. */
export function moment(at) {
	return day(at) === day(Date.now()) ? clock(at) : `${day(at)} ${clock(at)}`;
}

/** The time of day to the millisecond. */
export function instant(at) {
	const whole = Math.floor(at);
	return `${clock(whole)}.${String(((whole % 1000) + 1000) % 1000).padStart(3, '0')}`;
}
