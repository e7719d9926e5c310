// Figures that the agent gives for each zone, for the zones of the total.

/** @returns {number[]} places of the headline's zones; the first zone, where none is marked */
export function headlinePlaces(zones) {
	const places = zones.flatMap(({ headline }, at) => (headline ? [at] : []));
	return places.length > 0 || zones.length === 0 ? places : [0];
}

/** @param {number[]|null|undefined} figures one for each zone */
export function sumOver(figures, places) {
	return places.reduce((all, at) => all + (figures?.[at] ?? 0), 0);
}
