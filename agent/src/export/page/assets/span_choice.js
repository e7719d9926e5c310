// How much time is shown: shorter ones are windows of the last hour.

import {makeChoices} from './choices.js';
import {byId} from './elements.js';

const SPAN_CHOICES = [
	{key: '1min', name: '1 min', span: 'hour', length: 60_000, title: 'The last minute'},
	{key: '5min', name: '5 min', span: 'hour', length: 300_000, title: 'The last five minutes'},
	{key: '15min', name: '15 min', span: 'hour', length: 900_000, title: 'The last quarter of an hour'},
	{key: 'hour', name: '1 h', span: 'hour', length: null, title: 'The last hour, by second ( h )'},
	{key: 'day', name: '24 h', span: 'day', length: null, title: 'The last day, by minute ( d )'},
];

export function makeSpanChoice(view) {
	const show = makeChoices(byId('spans'), SPAN_CHOICES, key => {
		const {span, length} = SPAN_CHOICES.find(choice => choice.key === key);
		view.set({span, length, end: null, since: view.now.span === span ? view.now.since : 'window'});
	});
	return () => {
		const {span, length} = view.now;
		show(key => SPAN_CHOICES.some(choice => choice.key === key && choice.span === span && choice.length === length));
	};
}
