// Puts the parts together.

import {keepInAddress, read} from './address.js';
import {Colours} from './colours.js';
import {Connection} from './connection.js';
import {Consumers} from './consumers.js';
import {Cost} from './cost.js';
import {announce, byId, setAttribute, setText} from './elements.js';
import {EnergyPanel} from './energy_panel.js';
import {makeExports} from './exports.js';
import {Functions} from './functions.js';
import {drawNow, provenanceOf} from './headline.js';
import {makeHelp} from './help.js';
import {Invocations} from './invocations.js';
import {listenForKeys} from './keys.js';
import {LevelChoice} from './level_choice.js';
import {Live} from './live.js';
import {clean} from './names.js';
import {Notices} from './notices.js';
import {Painter} from './painter.js';
import {Poll} from './poll.js';
import {PowerPanel} from './power_panel.js';
import {Scene} from './scene.js';
import {makeShare} from './share.js';
import {makeSpanChoice} from './span_choice.js';
import {makeThemeSwitch} from './theme_switch.js';
import {makeTokenForm} from './token_form.js';
import {watts} from './units.js';
import {View} from './view.js';

const HIDDEN_UNTIL_PAUSED = 30_000;
const TYPING_PAUSE = 250;
const LATEST_INVOCATIONS = 100;

// What was kept of the theme has been put there before anything was drawn.
const {theme = 'auto'} = document.documentElement.dataset;
const view = new View({theme, ...read(location.hash)});
const colours = new Colours();
const painter = new Painter();
const connection = new Connection();
const notices = new Notices();
const cost = new Cost();
const help = makeHelp();
let about = null;

const live = new Live({
	loaded() {
		levels.settle(live.store('hour'));
		painter.stale();
	},
	frame({generation, sequence}) {
		connection.heard();
		setAttribute(document.body, 'data-generation', generation);
		setAttribute(document.body, 'data-sequence', sequence);
		levels.settle(live.store('hour'));
		// Held, nothing moves but the figures of now.
		if (view.now.end === null) painter.stale('scene', 'chart', 'reading', 'energy');
		painter.stale('now');
	},
	state(state, why) {
		connection.set(state, why);
		for (const poll of polls) poll.allow(state === 'live' || state === 'waiting');
		if (state === 'token') tokenForm.ask(why);
		painter.stale('connection');
	},
	restarted() {
		announce('The agent was started anew; its history was loaded again.');
	},
});
const tokenForm = makeTokenForm(() => {
	connection.set('waiting', '');
	live.hurry();
});

const scene = new Scene(view, live, colours);
const colourOf = id => scene.colour(id);
const pick = id => view.set({pick: id === view.now.pick ? null : id});

painter.part('scene', () => scene.refresh());
const power = new PowerPanel(view, scene, painter, pick);
const energy = new EnergyPanel(view, scene, painter, pick);
const functions = new Functions(view, colourOf, id => {
	if (view.now.level === 'function') pick(id);
	else view.set({level: 'function', pick: id});
});
const consumers = new Consumers(
	view,
	colourOf,
	(id, name) => {
		scene.note(id, name);
		pick(id);
	},
	() => consumersPoll.renew(),
);
const invocations = new Invocations(view);
const showSpan = makeSpanChoice(view);
const levels = new LevelChoice(view, () => announce(about?.withheld ?? 'The agent does not give this level.'));

painter.part('controls', () => {
	levels.draw();
	showSpan();
	setText(byId('unit'), `Unit: ${view.now.unit}`);
});
painter.part('now', drawNowAndTitle);
painter.part('connection', drawConnection);
painter.part('tables', () => {
	functions.draw();
	consumers.draw();
	invocations.draw();
});
painter.part('about', drawAbout);

const aboutPoll = new Poll(
	document.body,
	5000,
	() => ({path: 'live/about'}),
	answer => {
		about = answer;
		levels.allow(about.levels);
		painter.stale('about', 'now');
	},
	reason => announce(reason),
);
const functionsPoll = new Poll(
	byId('functions-panel'),
	5000,
	() => ({path: 'live/functions'}),
	answer => functions.take(answer),
	reason => functions.refuse(reason),
);
const consumersPoll = new Poll(
	byId('consumers-panel'),
	4000,
	() => consumers.question(),
	answer => {
		const latest = live.store('hour')?.latest;
		consumers.take(answer, latest ? latest.total / latest.length / 1000 : NaN);
	},
	reason => consumers.refuse(reason),
);
const invocationsPoll = new Poll(
	byId('invocations-panel'),
	5000,
	() => ({path: 'live/invocations', parameters: {limit: LATEST_INVOCATIONS}}),
	answer => {
		invocations.take(answer, headlineKeys());
		painter.stale('about');
	},
	reason => invocations.refuse(reason),
);
const polls = [aboutPoll, functionsPoll, consumersPoll, invocationsPoll];

const search = byId('search');
let typing = 0;
search.addEventListener('input', () => {
	clearTimeout(typing);
	typing = setTimeout(() => view.set({search: search.value}), TYPING_PAUSE);
});
byId('unit').addEventListener('click', () => view.set({unit: view.now.unit === 'J' ? 'Wh' : 'J'}));
byId('skip').addEventListener('click', event => {
	event.preventDefault();
	byId('chart-plot').focus();
});

view.on((changed, now) => {
	if (changed.has('level')) {
		if (!changed.has('pick')) view.set({pick: null});
		live.choose(now.level);
		consumers.forget();
	}
	if (['level', 'search', 'sort'].some(name => changed.has(name))) consumersPoll.renew();
	if (now.span === 'day') live.needDay();
	if (search.value !== now.search && document.activeElement !== search) search.value = now.search;
	painter.stale();
});
const {flush} = keepInAddress(view);
makeThemeSwitch(view, () => painter.stale());
makeShare(flush);
makeExports(view, scene, power.chart, () => about?.node ?? 'machine');
listenForKeys({
	'/': () => search.focus(),
	'?': help.open,
	' ': () => power.pause(),
	'+': () => power.zoom(0.5),
	'=': () => power.zoom(0.5),
	'-': () => power.zoom(2),
	0: () => power.all(),
	'[': () => power.pan(-0.25),
	']': () => power.pan(0.25),
	h: () => view.set({span: 'hour', length: null, end: null}),
	d: () => view.set({span: 'day', length: null, end: null}),
	s: () => power.sinceReading(),
	...Object.fromEntries(['1', '2', '3', '4'].map((key, place) => [key, () => levels.chooseAt(place)])),
	Escape: letGo,
});
keepFollowing();

search.value = view.now.search;
live.choose(view.now.level);
for (const poll of polls) poll.allow(true);
painter.stale();
requestAnimationFrame(() => setAttribute(document.body, 'data-ready', ''));

function headlineKeys() {
	return (live.store('hour')?.zones ?? []).filter(({headline}) => headline).map(({key}) => key);
}

function drawNowAndTitle() {
	const store = live.store('hour');
	const frame = store?.latest;
	if (view.now.span === 'day' && !live.store('day')) live.needDay();
	drawNow(frame, provenanceOf(store?.zones ?? []) ?? about?.headline.provenance ?? null, about?.headline.why ?? '');
	const drawn = frame && watts(frame.total / frame.length / 1000);
	document.title = [drawn, about && clean(about.node), 'Prony'].filter(Boolean).join(' · ');
}

function drawConnection() {
	connection.draw(view.now.end !== null, about?.step_ms ?? 1000);
}

function drawAbout() {
	if (!about) return;
	setText(byId('node'), clean(about.node));
	setText(byId('node-detail'), `${about.cpus} CPUs`);
	setText(byId('version'), `Prony ${about.version}`);
	cost.draw(about.cost, view.now.unit);
	const withheld = (kind, message) => (message ? [{kind, message}] : []);
	notices.draw([
		...withheld('processes_withheld', about.withheld),
		...withheld('invocations_withheld', invocations.withheld),
		...about.notices,
	]);
}

/** One thing at a time: search, reading, pick. */
function letGo() {
	if (document.activeElement === search || search.value !== '') {
		search.value = '';
		search.blur();
		view.set({search: ''});
	} else if (!power.letGo()) view.set({pick: null});
}

/** A page that nobody sees asks for nothing; what it missed comes when it is seen again. */
function keepFollowing() {
	let timer = 0;
	document.addEventListener('visibilitychange', () => {
		clearTimeout(timer);
		if (document.hidden) timer = setTimeout(() => live.pause(), HIDDEN_UNTIL_PAUSED);
		else {
			live.resume();
			live.hurry();
		}
	});
	addEventListener('online', () => live.hurry());
	setInterval(() => painter.stale('connection'), 1000);
}
