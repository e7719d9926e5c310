// What mouse, pen, finger and wheel do in the chart.

const CLICK_SLACK = 4;
const WHEEL_STEP = 0.0015;

/**
 * @param acts what is to be done; places in CSS pixels of the canvas. `zoom(factor, x)` answers whether there was
 *   something to zoom, else the page may scroll; `pan(part)` by this part of the window; `givenUp`: no drag after all
 */

export function listen(canvas, acts) {
	let began = null;
	let dragging = false;

	canvas.addEventListener('pointerdown', event => {
		if (event.button !== 0) return;
		began = {x: event.offsetX, y: event.offsetY};
		dragging = false;
		canvas.setPointerCapture(event.pointerId);
	});
	canvas.addEventListener('pointermove', event => {
		if (began && Math.abs(event.offsetX - began.x) > CLICK_SLACK) dragging = true;
		if (began && dragging) acts.dragging(began.x, event.offsetX);
		acts.hover(event.offsetX, event.offsetY);
	});
	canvas.addEventListener('pointerup', event => {
		if (!began) return;
		const {x, y} = began;
		began = null;
		if (dragging) acts.dragged(x, event.offsetX);
		else acts.click(x, y, event);
		dragging = false;
	});
	const giveUp = () => {
		if (!began) return;
		began = null;
		dragging = false;
		acts.givenUp();
	};
	canvas.addEventListener('pointercancel', giveUp);
	canvas.addEventListener('keydown', event => {
		if (event.key === 'Escape') giveUp();
	});
	canvas.addEventListener('pointerleave', () => {
		if (!began) acts.leave();
	});
	canvas.addEventListener(
		'wheel',
		event => {
			const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
			if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
				acts.pan(sideways * WHEEL_STEP);
				event.preventDefault();
			} else if (acts.zoom(Math.exp(pixels(event) * WHEEL_STEP), event.offsetX)) event.preventDefault();
		},
		{passive: false},
	);
}

/** How far the wheel went: some browsers count lines or pages. */
function pixels({deltaY, deltaMode}) {
	return Math.max(-300, Math.min(300, deltaY * [1, 16, 300][deltaMode]));
}
