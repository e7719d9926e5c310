// The two buttons that save what the chart shows.

import {announce, byId} from './elements.js';
import {csvOf} from './export_csv.js';
import {pngOf} from './export_png.js';
import {sureness} from './headline.js';
import {IDLE, OTHER, UNATTRIBUTED} from './parts.js';
import {fileName, save} from './save_file.js';
import {energy, moment} from './units.js';

export function makeExports(view, scene, chart, node) {
	byId('csv').addEventListener('click', () => {
		if (!scene.store) return;
		const text = csvOf(scene.store, scene.window, scene.lines);
		save(new Blob([text], {type: 'text/csv'}), fileName(node(), view.now.level, scene.window.to, 'csv'));
	});
	byId('png').addEventListener('click', async () => {
		if (!scene.store) return;
		const {tally, window, provenance} = scene;
		const shown = [...scene.lines.map(({id}) => id), OTHER, UNATTRIBUTED, IDLE];
		const sure = sureness(provenance ?? 'unknown', tally.total, tally.sigma);
		const used = `${energy(tally.total, view.now.unit)} (${sure})`;
		try {
			save(
				await pngOf(chart.picture, chart.size.density, {
					title: `Power of ${node()} by ${view.now.level}`,
					note: `${moment(window.from)} to ${moment(window.to)}; ${used}`,
					entries: shown.map(id => ({name: scene.describe(id).name, colour: scene.colour(id)})),
				}),
				fileName(node(), view.now.level, window.to, 'png'),
			);
		} catch (error) {
			announce(error.message);
		}
	});
}
