import { a as e, i as t, n, o as r, r as i, s as a, t as o } from "./layout-CLsOC_Ty.js";
import { a as s, i as c, n as l, o as u, r as d, t as f } from "./grid-_0SC71JZ.js";
// src/state.ts
var p = {
	Brain: [80, 40],
	"Soft tissue": [400, 40],
	Lung: [1500, -600],
	Bone: [2e3, 500]
}, m = "Whole range", h = "Custom";
function g() {
	return {
		cross: [
			0,
			0,
			0
		],
		preset: "Soft tissue",
		width: 400,
		level: 40,
		opacity: .5,
		isMaskHidden: !1,
		isOutline: !1,
		isSmooth: !0,
		hidden: /* @__PURE__ */ new Set(),
		comparing: "difference",
		isRadiological: !0,
		layout: "all",
		is3d: !1,
		mode: "cross",
		zoom: 1,
		centre: [
			.5,
			.5,
			.5
		]
	};
}
function ee(e, t) {
	return e.map((e, n) => Math.min(t[n] - 1, Math.max(0, Math.round(e))));
}
function te(e) {
	return Math.min(40, Math.max(.5, e));
}
function _(e) {
	if (Array.isArray(e)) return [
		e[0] ?? 255,
		e[1] ?? 255,
		e[2] ?? 255
	];
	let t = parseInt(e.replace("#", ""), 16);
	return Number.isNaN(t) ? [
		255,
		0,
		0
	] : [
		t >> 16 & 255,
		t >> 8 & 255,
		t & 255
	];
}
function ne(e, t) {
	let n = (/* @__PURE__ */ new Uint32Array(65536)).fill(e.length ? 4278190335 : 0);
	n[0] = 0;
	for (let { index: r, color: i } of e) {
		if (r <= 0 || r > 65535) continue;
		let [e, a, o] = _(i);
		n[r] = t.has(r) ? 0 : (255 << 24 | o << 16 | a << 8 | e) >>> 0;
	}
	return n;
}
// src/pointer.ts
var v = 25;
function re(e, t, n, r) {
	let i = [...t.centre], { across: a, up: o } = e.plane, s = n / e.pxPerMm;
	return i[a] += (e.isFlipped ? s : -s) / (t.shape[a] * t.spacing[a]), i[o] += r / e.pxPerMm / (t.shape[o] * t.spacing[o]), i.map((e) => Math.min(1, Math.max(0, e)));
}
function y(t, n, r, i, a) {
	let o = te(n.zoom * r), [s, c] = e(t, i, a), l = n.zoom / o, u = [...n.centre], { across: d, up: f } = t.plane;
	return u[d] = (s + (t.acrossMm - s) * l) / (n.shape[d] * n.spacing[d]), u[f] = (c + (t.upMm - c) * l) / (n.shape[f] * n.spacing[f]), {
		zoom: o,
		centre: o <= 1 ? [
			.5,
			.5,
			.5
		] : u.map((e) => Math.min(1, Math.max(0, e)))
	};
}
var ie = class {
	host;
	pane;
	action = null;
	pointer = -1;
	last = [0, 0];
	rolled = 0;
	constructor(e, t) {
		this.host = e, this.pane = t;
		let { surface: n } = t;
		n.addEventListener("pointerdown", (e) => this.down(e)), n.addEventListener("pointermove", (e) => this.move(e)), n.addEventListener("pointerup", (e) => this.end(e, "up")), n.addEventListener("pointercancel", (e) => this.end(e, "cancel")), n.addEventListener("pointerleave", () => {
			this.action || e.hover(null);
		}), n.addEventListener("contextmenu", (e) => e.preventDefault()), n.addEventListener("dblclick", (n) => {
			n.button === 0 && e.state.mode === "cross" && e.toggleLarge(t);
		}), n.addEventListener("wheel", (e) => this.wheel(e), { passive: !1 });
	}
	pick(e) {
		let t = this.host.camera();
		if (!t) return null;
		let n = this.host.stage.viewOf(this.pane, t), i = this.host.stage.pointIn(this.pane, e);
		return {
			view: n,
			camera: t,
			at: i,
			voxel: r(n, t, i[0], i[1], this.host.state.cross)
		};
	}
	down(t) {
		let { host: n, pane: r } = this, i = this.pick(t);
		!this.action && i && (n.activate(r), r.surface.focus({ preventScroll: !0 }), r.surface.setPointerCapture(t.pointerId), this.pointer = t.pointerId, this.last = [t.clientX, t.clientY], t.button === 1 && t.preventDefault(), this.action = t.button === 2 ? "window" : t.button === 1 || t.shiftKey ? "pan" : n.state.mode, n.onPointer?.(r.plane, i.voxel, t, "down") && (this.action = "hook"), this.action === "cross" && i.voxel && n.moveTo(i.voxel), this.action === "measure" && n.measure(r, "down", e(i.view, ...i.at)));
	}
	move(t) {
		let { host: n, pane: r, action: i } = this, a = this.pick(t);
		if (!a) return;
		if (!i) {
			n.onPointer?.(r.plane, a.voxel, t, "hover") || n.hover(a.voxel);
			return;
		}
		if (t.pointerId !== this.pointer) return;
		let [o, s] = [t.clientX - this.last[0], t.clientY - this.last[1]];
		if (this.last = [t.clientX, t.clientY], i === "hook") n.onPointer?.(r.plane, a.voxel, t, "move");
		else if (i === "cross" && a.voxel) n.moveTo(a.voxel);
		else if (i === "window") {
			let { width: e, level: t } = n.state, r = Math.max(1, e / 300);
			n.setWindow(Math.max(1, Math.round(e + o * r)), Math.round(t + s * r));
		} else i === "pan" ? n.setCamera(a.camera.zoom, re(a.view, a.camera, o, s)) : i === "measure" && n.measure(r, "move", e(a.view, ...a.at));
	}
	end(t, n) {
		if (t.pointerId !== this.pointer || !this.action) return;
		let { action: r } = this;
		this.action = null, this.pointer = -1;
		let i = this.pick(t);
		r === "hook" && this.host.onPointer?.(this.pane.plane, i?.voxel ?? null, t, n), r === "measure" && i && this.host.measure(this.pane, n, e(i.view, ...i.at));
	}
	notches(e) {
		if (e.deltaMode !== 0 || Math.abs(e.deltaY) >= 50) return this.rolled = 0, Math.sign(e.deltaY);
		this.rolled += e.deltaY;
		let t = Math.trunc(this.rolled / v);
		return this.rolled -= t * v, t;
	}
	wheel(e) {
		e.preventDefault();
		let t = this.pick(e);
		if (!t || !e.deltaY) return;
		if (e.ctrlKey || e.metaKey) {
			let { zoom: n, centre: r } = y(t.view, t.camera, Math.exp(-e.deltaY / 400), ...t.at);
			this.host.setCamera(n, r);
			return;
		}
		let n = [...this.host.state.cross];
		n[this.pane.plane.normal] -= this.notches(e), this.host.moveTo(n);
	}
};
function ae(e) {
	for (let t of e.stage.panes) new ie(e, t), t.slider.addEventListener("input", () => {
		let n = [...e.state.cross];
		n[t.plane.normal] = t.slider.valueAsNumber, e.moveTo(n);
	}), t.surface.addEventListener("focus", () => e.activate(t));
}
// src/commands.ts
function b(e, t) {
	let n = [...e.state.cross];
	n[e.active.plane.normal] += t, e.moveTo(n);
}
function oe(e, t) {
	let n = e.camera();
	if (!n) return;
	let r = e.stage.viewOf(e.active, n), i = y(r, n, t, ...a(r, n, e.state.cross));
	e.setCamera(i.zoom, i.centre);
}
function x(e, t, n) {
	let { state: r } = e;
	switch (t) {
		case "slice1":
			b(e, n === "ArrowUp" ? 1 : -1);
			break;
		case "slice10":
			b(e, n === "PageUp" ? 10 : -10);
			break;
		case "sliceEnd":
			b(e, n === "Home" ? -1e6 : 1e6);
			break;
		case "preset":
			e.setPreset([...Object.keys(p), m][Number(n) - 1]);
			break;
		case "mask":
			e.set({ isMaskHidden: !r.isMaskHidden });
			break;
		case "outline":
			e.set({ isOutline: !r.isOutline });
			break;
		case "smooth":
			e.set({ isSmooth: !r.isSmooth });
			break;
		case "zoom":
			oe(e, n === "+" ? 1.25 : .8);
			break;
		case "reset":
			e.set({
				zoom: 1,
				centre: [
					.5,
					.5,
					.5
				]
			});
			break;
		case "large":
			e.toggleLarge(e.active);
			break;
		case "solid":
			e.root.dataset.renderer === "webgl" && e.set({
				is3d: !r.is3d,
				layout: r.layout === "3d" ? "all" : r.layout
			});
			break;
		case "measure":
			e.set({ mode: r.mode === "measure" ? "cross" : "measure" });
			break;
		case "convention":
			e.set({ isRadiological: !r.isRadiological });
			break;
		case "help":
			e.toggleHelp();
			break;
		case "escape":
			e.escape();
			break;
		default: return !1;
	}
	return !0;
}
// src/dom.ts
function S(e, t = {}, ...n) {
	let r = document.createElement(e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
function C(e, t = {}, ...n) {
	let r = document.createElementNS("http://www.w3.org/2000/svg", e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
// src/edit/runs.ts
var w = 12;
function T(e, t) {
	let n = [];
	for (let r of Uint32Array.from(e.keys()).sort()) {
		let [i, a] = [e.get(r), t(r)];
		if (i === a) continue;
		let o = n.at(-1);
		o && o.start + o.length === r && o.before === i && o.after === a ? o.length += 1 : n.push({
			start: r,
			length: 1,
			before: i,
			after: a
		});
	}
	return n;
}
function E(e) {
	return e.map(({ start: e, length: t, before: n, after: r }) => ({
		start: e,
		length: t,
		before: r,
		after: n
	}));
}
function se(e) {
	let t = new Uint8Array(e.length * w), n = new DataView(t.buffer);
	return e.forEach(({ start: e, length: t, before: r, after: i }, a) => {
		n.setUint32(a * w, e, !0), n.setUint32(a * w + 4, t, !0), n.setUint16(a * w + 8, r, !0), n.setUint16(a * w + 10, i, !0);
	}), t;
}
function ce(e) {
	let t = new DataView(e.buffer, e.byteOffset, e.byteLength);
	return Array.from({ length: e.length / w }, (e, n) => ({
		start: t.getUint32(n * w, !0),
		length: t.getUint32(n * w + 4, !0),
		before: t.getUint16(n * w + 8, !0),
		after: t.getUint16(n * w + 10, !0)
	}));
}
// src/edit/draft.ts
var le = 200;
async function D(e, t = {}) {
	let n = await fetch(e, {
		credentials: "same-origin",
		...t
	});
	if (n.ok) return await n.json();
	let r = await n.json().catch(() => ({}));
	throw new f(r.detail ?? `The server answered ${n.status}.`);
}
function O(e) {
	return Uint8Array.from(atob(e), (e) => e.charCodeAt(0));
}
async function ue(e, t) {
	let n = [], r = null, i = Math.max(0, t.sequence - le);
	for (; i !== null;) {
		let a = await D(`${e}/entries?after=${i}`);
		for (let { sequence: e, operation: i, label: o, body: s } of a.items) e > t.sequence || (i === "review" ? r = JSON.parse(new TextDecoder().decode(O(s))) : n.push({
			operation: i,
			label: o,
			runs: ce(O(s))
		}));
		i = a.next_after;
	}
	return {
		edits: n,
		region: r
	};
}
async function de(e, t, n) {
	let r = JSON.stringify({
		sequence: t.sequence,
		hash: t.hash,
		active_time_s: n
	});
	return (await D(`${e}/finalize`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: r
	})).id;
}
function fe(e, t) {
	return !(e.voxels instanceof Uint8Array) || t.every((e) => e <= 255) ? e : {
		...e,
		voxels: Uint16Array.from(e.voxels)
	};
}
// src/edit/engine.ts
var pe = {
	only: null,
	locked: /* @__PURE__ */ new Set(),
	range: null
}, me = class {
	mask;
	values;
	undoable = [];
	redoable = [];
	changes = null;
	stroke = null;
	touched = null;
	constructor(e, t = null) {
		this.mask = e, this.values = t;
	}
	get canUndo() {
		return this.undoable.length > 0;
	}
	get canRedo() {
		return this.redoable.length > 0;
	}
	get isDrawing() {
		return this.stroke !== null;
	}
	begin(e, t, n = pe) {
		this.cancel(), this.stroke = {
			operation: e,
			label: t,
			rules: n
		}, this.changes = /* @__PURE__ */ new Map();
	}
	paint(e) {
		if (!this.stroke || !this.changes) return;
		let { shape: t, voxels: n } = this.mask, { label: r, rules: i } = this.stroke;
		for (let a of e) {
			let [e, o, s] = a;
			if (e < 0 || o < 0 || s < 0 || e >= t[0] || o >= t[1] || s >= t[2]) continue;
			let c = e + t[0] * (o + t[1] * s), l = n[c];
			l !== r && this.allows(i, l, c) && (this.changes.set(c, l), n[c] = r, this.touch(a, a));
		}
	}
	allows(e, t, n) {
		if (e.locked.has(t) || e.only && !e.only.has(t)) return !1;
		if (!e.range) return !0;
		let r = this.values?.voxels[n];
		return r !== void 0 && r >= e.range[0] && r <= e.range[1];
	}
	end() {
		let { stroke: e, changes: t } = this;
		if (this.stroke = this.changes = null, !e || !t?.size) return null;
		let n = {
			operation: e.operation,
			label: e.label,
			runs: T(t, () => e.label)
		};
		return this.undoable.push(n), this.redoable = [], n;
	}
	cancel() {
		for (let [e, t] of this.changes ?? []) {
			this.mask.voxels[e] = t;
			let [n, r] = this.mask.shape, i = [
				e % n,
				Math.floor(e / n) % r,
				Math.floor(e / (n * r))
			];
			this.touch(i, i);
		}
		this.stroke = this.changes = null;
	}
	undo() {
		return this.move(this.undoable, this.redoable, "undo");
	}
	redo() {
		return this.move(this.redoable, this.undoable, "redo");
	}
	move(e, t, n) {
		let r = this.isDrawing ? void 0 : e.pop();
		if (!r) return null;
		t.push(r);
		let i = n === "undo" ? E(r.runs) : r.runs;
		return this.apply(i), {
			operation: n,
			label: r.label,
			runs: i
		};
	}
	apply(e) {
		let [t, n] = this.mask.shape;
		for (let { start: r, length: i, after: a } of e) {
			this.mask.voxels.fill(a, r, r + i);
			let e = r + i - 1, [o, s] = [Math.floor(r / t), Math.floor(e / t)], [c, l] = [Math.floor(o / n), Math.floor(s / n)];
			o === s ? this.touch([
				r % t,
				o % n,
				c
			], [
				e % t,
				s % n,
				l
			]) : c === l ? this.touch([
				0,
				o % n,
				c
			], [
				t - 1,
				s % n,
				l
			]) : this.touch([
				0,
				0,
				c
			], [
				t - 1,
				n - 1,
				l
			]);
		}
	}
	remember(e) {
		for (let { operation: t, label: n, runs: r } of e) t === "undo" ? this.redoable.push(this.undoable.pop() ?? {
			operation: "brush",
			label: n,
			runs: E(r)
		}) : t === "redo" ? this.undoable.push(this.redoable.pop() ?? {
			operation: "brush",
			label: n,
			runs: r
		}) : r.length && (this.undoable.push({
			operation: t,
			label: n,
			runs: r
		}), this.redoable = []);
	}
	touch(e, t) {
		this.touched ??= {
			from: [...e],
			to: [...t]
		};
		for (let n of [
			0,
			1,
			2
		]) this.touched.from[n] = Math.min(this.touched.from[n], e[n]), this.touched.to[n] = Math.max(this.touched.to[n], t[n]);
	}
	takeTouched() {
		let e = this.touched;
		return this.touched = null, e;
	}
}, k = (e) => Math.floor((e - Math.floor(e)) * 2 ** 32) | 0, A = [];
for (let e = 2; A.length < 64; e++) A.every((t) => e % t) && A.push(e);
var he = Int32Array.from(A, (e) => k(Math.cbrt(e))), ge = Int32Array.from(A.slice(0, 8), (e) => k(Math.sqrt(e))), j = (e, t) => e >>> t | e << 32 - t;
function _e(e, t, n, r) {
	for (let e = 0; e < 16; e++) t[e] = n.getInt32(r + e * 4);
	for (let e = 16; e < 64; e++) {
		let [n, r] = [t[e - 15], t[e - 2]];
		t[e] = t[e - 16] + (j(n, 7) ^ j(n, 18) ^ n >>> 3) + t[e - 7] + (j(r, 17) ^ j(r, 19) ^ r >>> 10);
	}
	let [i, a, o, s, c, l, u, d] = e;
	for (let e = 0; e < 64; e++) {
		let n = d + (j(c, 6) ^ j(c, 11) ^ j(c, 25)) + (c & l ^ ~c & u) + he[e] + t[e] | 0, r = (j(i, 2) ^ j(i, 13) ^ j(i, 22)) + (i & a ^ i & o ^ a & o) | 0;
		[d, u, l, c, s, o, a, i] = [
			u,
			l,
			c,
			s + n | 0,
			o,
			a,
			i,
			n + r | 0
		];
	}
	for (let [t, n] of [
		i,
		a,
		o,
		s,
		c,
		l,
		u,
		d
	].entries()) e[t] = e[t] + n;
}
function M(e) {
	let t = typeof e == "string" ? new TextEncoder().encode(e) : e, n = new Uint8Array(Math.ceil((t.length + 9) / 64) * 64);
	n.set(t), n[t.length] = 128;
	let r = new DataView(n.buffer);
	r.setUint32(n.length - 8, Math.floor(t.length / 2 ** 29)), r.setUint32(n.length - 4, t.length << 3);
	let [i, a] = [ge.slice(), /* @__PURE__ */ new Int32Array(64)];
	for (let e = 0; e < n.length; e += 64) _e(i, a, r, e);
	return Array.from(i, (e) => (e >>> 0).toString(16).padStart(8, "0")).join("");
}
// src/edit/journal.ts
var ve = {
	sequence: 0,
	hash: "0".repeat(64)
}, N = [
	250,
	500,
	1e3,
	2e3,
	4e3,
	8e3
];
function P(e, t, n, r) {
	return M(`${e}\n${t}\n${n}\n${M(r)}`);
}
var F = class {
	url;
	head;
	outside;
	state = "saved";
	queue = [];
	sending = null;
	constructor(e, t, n) {
		this.url = e, this.head = t, this.outside = n;
	}
	get next() {
		return this.queue.at(-1) ?? this.head;
	}
	get isStuck() {
		return this.state === "conflict" || this.state === "closed" || this.state === "refused";
	}
	add(e, t, n) {
		let { sequence: r, hash: i } = this.next;
		this.queue.push({
			sequence: r + 1,
			operation: e,
			label: t,
			parent: i,
			body: n,
			hash: P(i, e, t, n)
		}), this.tell(this.state === "saved" ? "saving" : this.state), this.isStuck || (this.sending ??= this.send());
	}
	async flush() {
		for (; this.sending;) await this.sending;
		return this.state === "saved";
	}
	async send() {
		let e = 0;
		for (; this.queue.length && !this.isStuck;) {
			let t = await this.put(this.queue[0]);
			if (t === "stored") {
				let { sequence: t, hash: n } = this.queue.shift();
				this.head = {
					sequence: t,
					hash: n
				}, e = 0, this.tell(this.queue.length ? "saving" : "saved");
			} else t === "again" ? (e += 1, this.tell(e > 2 ? "offline" : "saving"), await this.outside.wait(N[Math.min(e, N.length) - 1])) : this.tell(t);
		}
		this.sending = null;
	}
	async put(e) {
		let t = {
			"Content-Type": "application/octet-stream",
			"X-Operation": e.operation,
			"X-Label": String(e.label),
			"X-Parent-Hash": e.parent,
			"X-Hash": e.hash
		};
		try {
			let n = {
				method: "PUT",
				headers: t,
				body: e.body,
				credentials: "same-origin"
			}, r = await this.outside.fetch(`${this.url}/entries/${e.sequence}`, n);
			return r.ok ? "stored" : r.status === 409 ? (await r.json().catch(() => ({}))).code === "draft_closed" ? "closed" : "conflict" : r.status === 413 || r.status === 422 ? "refused" : "again";
		} catch {
			return "again";
		}
	}
	tell(e) {
		this.state = e, this.outside.onState(e, this.queue.length);
	}
}, I = [
	[
		"look",
		"Look",
		"Move the crosshair (Esc)"
	],
	[
		"brush",
		"Brush",
		"Paint with the chosen label (B)"
	],
	[
		"erase",
		"Erase",
		"Paint background (E)"
	],
	[
		"lasso",
		"Lasso",
		"Fill what you draw around (L)"
	],
	[
		"fill",
		"Fill",
		"Give the whole region of one label in this slice the chosen label (F)"
	]
], ye = {
	saved: "All changes saved",
	saving: "Saving ...",
	offline: "Not saved yet: no connection. Keep this page open; it goes on trying.",
	conflict: "NOT SAVED: this draft was changed in another window. Reload the page to go on with the newest.",
	closed: "NOT SAVED: this draft was finished or given up elsewhere. Reload the page.",
	refused: "NOT SAVED: the server refuses the last edit. Reload the page, and tell operations."
}, be = class {
	host;
	tools = I.map(([e, t, n]) => this.button(t, n, () => this.host.change({ tool: e })));
	label = S("select", { "aria-label": "Label to draw" });
	size = S("input", {
		type: "number",
		min: "0",
		max: "100",
		step: "1",
		"aria-label": "Brush radius in mm"
	});
	ball = S("input", {
		type: "checkbox",
		"aria-label": "Brush is a ball"
	});
	over = S("input", {
		type: "checkbox",
		"aria-label": "Paint over background only"
	});
	undo = this.button("Undo", "Undo (Ctrl+Z)", () => this.host.undo());
	redo = this.button("Redo", "Redo (Ctrl+Y)", () => this.host.redo());
	done = this.button("Finalize", "Make a new version of the mask", () => this.host.finalize());
	said = S("span", {
		class: "saved",
		role: "status"
	});
	row;
	constructor(e, t) {
		this.host = e, this.label.append(...t.map(({ index: e, name: t }) => S("option", { value: String(e) }, t))), this.label.addEventListener("change", () => e.change({ label: Number(this.label.value) })), this.size.addEventListener("input", () => {
			this.size.value !== "" && e.change({ sizeMm: this.size.valueAsNumber });
		}), this.ball.addEventListener("change", () => e.change({ isBall: this.ball.checked })), this.over.addEventListener("change", () => e.change({ isOverAll: !this.over.checked })), this.done.classList.add("primary"), this.row = S("div", { class: "tools edit" }, ...this.tools, S("label", {}, S("span", {}, "Label"), this.label), S("label", {}, S("span", {}, "Radius mm"), this.size), S("label", {}, this.ball, S("span", {}, "3D")), S("label", {}, this.over, S("span", {}, "only background")), this.undo, this.redo, this.button("Slice reviewed", "You vouch for this slice of the plane in use", () => e.review()), this.done, this.said);
	}
	button(e, t, n) {
		let r = S("button", {
			type: "button",
			title: t
		}, e);
		return r.addEventListener("click", n), r;
	}
	show(e, t, n) {
		I.forEach(([t], n) => this.tools[n].setAttribute("aria-pressed", String(t === e.tool))), this.label.value = String(e.label), this.size.valueAsNumber !== e.sizeMm && (this.size.value = String(e.sizeMm)), this.ball.checked = e.isBall, this.over.checked = !e.isOverAll, this.undo.disabled = !t, this.redo.disabled = !n;
	}
	tell(e) {
		this.said.textContent = ye[e] ?? e, this.said.classList.toggle("error", !["saved", "saving"].includes(e)), this.said.dataset.state = e;
	}
	setBusy(e) {
		this.done.disabled = e;
	}
};
// src/edit/shapes.ts
function xe(e, t, n) {
	e += 1e-4;
	let r = t.map((t, r) => n?.normal === r ? 0 : Math.floor(e / t)), i = [];
	for (let n = -r[2]; n <= r[2]; n++) for (let a = -r[1]; a <= r[1]; a++) for (let o = -r[0]; o <= r[0]; o++) (o * t[0]) ** 2 + (a * t[1]) ** 2 + (n * t[2]) ** 2 <= e ** 2 && i.push([
		o,
		a,
		n
	]);
	return i;
}
function L(e, t) {
	let n = Math.max(1, ...e.map((e, n) => Math.abs(t[n] - e)));
	return Array.from({ length: n + 1 }, (r, i) => e.map((e, r) => Math.round(e + (t[r] - e) * i / n)));
}
function Se(e, t) {
	let { across: n, up: r } = t, i = /* @__PURE__ */ new Map(), a = (e) => {
		i.set(e.join(), e);
	};
	e.forEach((t, n) => L(t, e[(n + 1) % e.length]).forEach(a));
	let o = e.map((e) => e[r]);
	for (let t = Math.min(...o); t <= Math.max(...o); t++) {
		let i = [];
		e.forEach((a, o) => {
			let s = e[(o + 1) % e.length];
			a[r] <= t != s[r] <= t && i.push(a[n] + (t - a[r]) / (s[r] - a[r]) * (s[n] - a[n]));
		}), i.sort((e, t) => e - t);
		for (let o = 0; o + 1 < i.length; o += 2) for (let s = Math.ceil(i[o]); s <= i[o + 1]; s++) {
			let i = [...e[0]];
			i[n] = s, i[r] = t, a(i);
		}
	}
	return [...i.values()];
}
function Ce(e, t, n, r) {
	let { across: i, up: a } = n, o = /* @__PURE__ */ new Set([e[i] + e[a] * t[i]]), s = [], c = [e];
	for (; c.length;) {
		let e = c.pop();
		if (r(e)) {
			s.push(e);
			for (let [n, r] of [
				[i, -1],
				[i, 1],
				[a, -1],
				[a, 1]
			]) {
				let s = [...e];
				s[n] += r;
				let l = s[i] + s[a] * t[i];
				s[n] < 0 || s[n] >= t[n] || o.has(l) || (o.add(l), c.push(s));
			}
		}
	}
	return s;
}
// src/edit/editor.ts
var R = {
	b: "brush",
	e: "erase",
	l: "lasso",
	f: "fill",
	Escape: "look"
}, we = 3e4, Te = class {
	app;
	onFinalized;
	panel;
	settings;
	engine = null;
	journal = null;
	last = null;
	corners = [];
	hovered = null;
	activeMs = 0;
	seenAt = 0;
	region = {
		axial: [],
		coronal: [],
		sagittal: []
	};
	url;
	constructor(e, t, n) {
		this.app = e, this.onFinalized = n, this.url = `${e.data.apiBase}/v1/drafts/${encodeURIComponent(t)}`, this.settings = {
			tool: "look",
			label: e.data.labels[0]?.index ?? 1,
			sizeMm: 5,
			isBall: !1,
			isOverAll: !0,
			range: null
		}, this.panel = new be({
			change: (e) => this.change(e),
			undo: () => this.step("undo"),
			redo: () => this.step("redo"),
			review: () => this.review(),
			finalize: () => void this.finalize()
		}, e.data.labels), e.controls.row.after(this.panel.row), e.onPointer = (e, t, n, r) => this.pointer(e, t, n, r), e.onDecorate = (e) => this.outline(e), e.root.addEventListener("keydown", this.onKey, { capture: !0 }), window.addEventListener("beforeunload", this.onLeave), this.show();
	}
	destroy() {
		this.panel.row.remove(), this.app.onPointer = this.app.onDecorate = null, this.app.root.removeEventListener("keydown", this.onKey, { capture: !0 }), window.removeEventListener("beforeunload", this.onLeave);
	}
	async adopt(e) {
		let t = e.head ?? ve, n = fe(e, this.app.data.labels.map(({ index: e }) => e)), { edits: r, region: i } = await ue(this.url, t);
		return i && (this.region = {
			axial: i.axial,
			coronal: i.coronal,
			sagittal: i.sagittal
		}), this.engine = new me(n, this.app.store.scene.full), this.engine.remember(r), this.journal = new F(this.url, t, {
			fetch: (e, t) => fetch(e, t),
			wait: (e) => new Promise((t) => setTimeout(t, e)),
			onState: (e) => this.panel.tell(e)
		}), this.panel.tell("saved"), this.show(), n;
	}
	change(e) {
		e.tool === "look" && this.engine?.isDrawing && (this.engine.cancel(), this.corners = [], this.showChanges()), Object.assign(this.settings, e), this.show(), this.app.draw();
	}
	show() {
		this.panel.show(this.settings, this.engine?.canUndo ?? !1, this.engine?.canRedo ?? !1), this.app.root.dataset.tool = this.settings.tool;
	}
	onKey = (e) => {
		let t = e.key.length === 1 ? e.key.toLowerCase() : e.key;
		if (e.ctrlKey || e.metaKey) {
			if (t !== "z" && t !== "y") return;
			e.preventDefault(), e.stopPropagation(), this.step(t === "y" || e.shiftKey ? "redo" : "undo");
		} else R[t] && !e.target.closest("input[type=number], select") && (t !== "Escape" && e.stopPropagation(), this.change({ tool: R[t] }));
	};
	onLeave = (e) => {
		this.journal && this.journal.state !== "saved" && e.preventDefault();
	};
	get label() {
		return this.settings.tool === "erase" ? 0 : this.settings.label;
	}
	rules() {
		return {
			only: this.settings.isOverAll ? null : /* @__PURE__ */ new Set([this.settings.tool === "erase" ? this.settings.label : 0]),
			locked: /* @__PURE__ */ new Set(),
			range: this.settings.range
		};
	}
	pointer(e, t, n, r) {
		let { engine: i, settings: a } = this;
		if (this.hovered = t && {
			plane: e,
			voxel: t
		}, r === "hover") return a.tool !== "look" && this.app.draw(), !1;
		if (a.tool === "look" || !i || !this.journal || this.journal.isStuck) return !1;
		if (this.noteActivity(), r === "down") {
			if (n.button !== 0 || n.shiftKey || !t) return !1;
			i.begin(a.tool === "fill" ? "fill" : a.tool, this.label, this.rules()), this.last = null, this.corners = [];
		}
		return r === "cancel" ? i.cancel() : t && this.draw(e, t, n, r), (r === "up" || r === "cancel") && (a.tool === "lasso" && r === "up" && this.corners.length && i.paint(Se(this.corners, e)), this.corners = [], this.record(i.end())), this.showChanges(), !0;
	}
	draw(e, t, n, r) {
		let { engine: i, settings: a } = this;
		if (!i) return;
		if (a.tool === "fill") {
			if (r !== "down") return;
			let { shape: n, voxels: a } = i.mask, o = ([e, t, r]) => a[e + n[0] * (t + n[1] * r)], s = o(t);
			i.paint(Ce(t, n, e, (e) => o(e) === s));
			return;
		}
		let o = (n.getCoalescedEvents?.() ?? []).map((t) => this.app.voxelAt(e.index, t)).filter((e) => e !== null);
		for (let n of [...o, t]) a.tool === "lasso" ? this.corners.push(n) : this.stamp(e, this.last ?? n, n), this.last = n;
	}
	stamp(e, t, n) {
		let r = xe(this.settings.sizeMm, this.app.store.scene.camera.spacing, this.settings.isBall ? null : e);
		for (let [e, i, a] of L(t, n)) this.engine?.paint(r.map(([t, n, r]) => [
			e + t,
			i + n,
			a + r
		]));
	}
	step(e) {
		this.engine && this.journal && !this.journal.isStuck && (this.noteActivity(), this.record(this.engine[e]()), this.showChanges());
	}
	record(e) {
		e && this.journal?.add(e.operation, e.label, se(e.runs)), this.show();
	}
	showChanges() {
		let e = this.engine?.takeTouched();
		e ? this.app.updateMask(e) : this.app.draw();
	}
	review() {
		let { plane: e } = this.app.active, t = this.app.state.cross[e.normal], n = this.region[e.name.toLowerCase()];
		n.some(([e, n]) => e <= t && t <= n) || n.push([t, t]);
		let r = JSON.stringify({
			whole: !1,
			...this.region,
			labels: null
		});
		this.journal?.add("review", 0, new TextEncoder().encode(r));
	}
	async finalize() {
		let { journal: e } = this;
		if (e) {
			this.panel.setBusy(!0);
			try {
				await e.flush() && this.onFinalized(await de(this.url, e.next, Math.round(this.activeMs / 1e3)));
			} catch (e) {
				this.panel.tell(e instanceof Error ? e.message : String(e));
			} finally {
				this.panel.setBusy(!1);
			}
		}
	}
	noteActivity() {
		let e = performance.now();
		e - this.seenAt < we && (this.activeMs += e - this.seenAt), this.seenAt = e;
	}
	outline(e) {
		let t = this.app.camera(), { tool: n, sizeMm: r } = this.settings;
		if (!t || !this.hovered || this.hovered.plane.index !== e.plane.index) return [];
		if (n === "lasso" && this.corners.length > 1) return [C("polygon", {
			points: this.corners.map((n) => a(e, t, n).join()).join(" "),
			class: "brush"
		})];
		if (n !== "brush" && n !== "erase") return [];
		let [i, o] = a(e, t, this.hovered.voxel);
		return [C("circle", {
			cx: String(i),
			cy: String(o),
			r: String(Math.max(1, r * e.pxPerMm)),
			class: "brush"
		})];
	}
}, z = {
	unreviewed: "AI - NOT REVIEWED",
	radiological: "Radiological (R left)",
	neurological: "Neurological (R right)",
	loadingVolume: "Loading the volume ...",
	loadingFull: (e) => `Loading full resolution: ${Math.floor(e * 100)} %`,
	loadingMask: (e) => `Loading the mask: ${Math.floor(e * 100)} %`,
	volumeFailed: "The volume could not be loaded. ",
	maskFailed: "The mask could not be loaded. ",
	comparedFailed: "The mask to compare with could not be loaded. ",
	unreachable: "The server could not be reached.",
	plain: "This browser can't use its graphics hardware (WebGL2), so slices are drawn plainly: slower, no outline, no 3D. Another browser, or hardware acceleration switched on, gives the full view.",
	tooLarge: "Slices are drawn plainly: slower, no outline, no 3D. ",
	loadingSolid: "Loading the 3D view ...",
	noSolid: "The 3D view could not be made.",
	agreement: "both agree",
	onlyIn: (e) => `only ${e}`,
	difference: "Difference",
	comparing: "Shown mask",
	nextDifference: "Next difference",
	noDifference: "The two masks do not differ.",
	otherLabel: "another label",
	noLabels: "No labels",
	noLabel: "no label",
	label: (e) => `label ${e}`
};
// src/controls.ts
function B(e, t) {
	return S("label", {}, S("span", {}, e), t);
}
function V(e, t) {
	return e.append(...t.map(([e, t]) => S("option", { value: e }, t))), e;
}
var Ee = class {
	preset = V(S("select", { "aria-label": "Window preset" }), [
		...Object.keys(p),
		m,
		h
	].map((e) => [e, e]));
	width = S("input", {
		type: "number",
		min: "1",
		step: "10",
		"aria-label": "Window width"
	});
	level = S("input", {
		type: "number",
		step: "10",
		"aria-label": "Window level"
	});
	opacity = S("input", {
		type: "range",
		min: "0",
		max: "100",
		"aria-label": "Mask opacity"
	});
	style = V(S("select", { "aria-label": "Fill or outline" }), [["fill", "Fill"], ["outline", "Outline"]]);
	layout = V(S("select", { "aria-label": "Layout" }), [
		["all", "All planes"],
		["0", "Axial"],
		["1", "Coronal"],
		["2", "Sagittal"],
		["3d", "3D"]
	]);
	convention = V(S("select", {
		"aria-label": "Convention",
		class: "convention"
	}), [["1", z.radiological], ["0", z.neurological]]);
	solid = S("button", {
		type: "button",
		title: "3D view (D)"
	}, "3D");
	measure = S("button", {
		type: "button",
		title: "Drag to measure; Esc ends (M)"
	}, "Measure");
	reset = S("button", {
		type: "button",
		title: "Whole picture (0); Ctrl + wheel zooms"
	});
	help = S("button", {
		type: "button",
		"aria-label": "Keys and mouse",
		title: "Keys and mouse (?)"
	}, "?");
	row = S("div", { class: "tools" }, B("Window", this.preset), B("W", this.width), B("L", this.level), B("Mask", this.opacity), this.style, this.layout, this.convention, this.solid, this.measure, this.reset, this.help);
	constructor(e) {
		this.preset.addEventListener("change", () => e.setPreset(this.preset.value));
		for (let t of [this.width, this.level]) t.addEventListener("input", () => {
			let [t, n] = [this.width.valueAsNumber, this.level.valueAsNumber];
			!Number.isNaN(t) && !Number.isNaN(n) && t >= 1 && e.setWindow(t, n);
		});
		this.opacity.addEventListener("input", () => e.set({
			opacity: this.opacity.valueAsNumber / 100,
			isMaskHidden: !1
		})), this.style.addEventListener("change", () => e.set({ isOutline: this.style.value === "outline" })), this.layout.addEventListener("change", () => {
			let t = this.layout.value;
			e.set({ layout: /^\d$/.test(t) ? Number(t) : t });
		}), this.convention.addEventListener("change", () => e.set({ isRadiological: this.convention.value === "1" }));
		for (let [t, n] of [
			[this.help, "help"],
			[this.solid, "solid"],
			[this.measure, "measure"],
			[this.reset, "reset"]
		]) t.addEventListener("click", () => e.run(n));
	}
	show(e, t, n) {
		let r = this.row.getRootNode().activeElement;
		this.preset.value = e.preset, r !== this.width && (this.width.value = String(e.width)), r !== this.level && (this.level.value = String(e.level)), this.opacity.value = String(Math.round(e.opacity * 100)), this.opacity.disabled = !t, this.style.value = e.isOutline ? "outline" : "fill", this.style.disabled = !t || n, this.layout.value = String(e.layout), this.solid.setAttribute("aria-pressed", String(e.is3d || e.layout === "3d")), this.solid.disabled = this.layout.options[4].disabled = n, this.measure.setAttribute("aria-pressed", String(e.mode === "measure")), this.reset.textContent = `${Math.round(e.zoom * 100)} %`, this.convention.value = e.isRadiological ? "1" : "0";
	}
};
// src/find.ts
function H(e, t, n) {
	let [r, i] = e, a = t * r * i, o = [];
	for (let e = 0; e < r * i; e++) n(a + e) && o.push([e % r, Math.floor(e / r)]);
	let [s, c] = [0, 1].map((e) => o.reduce((t, n) => t + n[e], 0) / o.length), l = ([e, t]) => (e - s) ** 2 + (t - c) ** 2, u = o[0];
	for (let e of o) l(e) < l(u) && (u = e);
	return u ? [
		u[0],
		u[1],
		t
	] : null;
}
function De(e, t, n, r = 10, i = 20) {
	let [a, o, s] = e.shape, [c, l] = [e.voxels, t.voxels], u = (e) => n[e] ? e : 0, d = (e) => c[e] !== l[e] && u(c[e]) !== u(l[e]), f = Array.from({ length: s }, (e, t) => {
		let n = 0;
		for (let e = t * a * o, r = e + a * o; e < r; e++) d(e) && n++;
		return {
			z: t,
			count: n
		};
	}), p = [];
	for (let { z: t, count: n } of f.sort((e, t) => t.count - e.count)) {
		if (!n || p.length === i) break;
		p.every((n) => Math.abs(n - t) * e.spacing[2] >= r) && p.push(t);
	}
	return p.map((t) => H(e.shape, t, d));
}
function U(e, t) {
	let [n, r, i] = e.shape, { voxels: a } = e, o = n * r, [s, c] = [-1, 0];
	for (let e = 0; e < i; e++) {
		let n = 0;
		for (let r = e * o, i = r + o; r < i; r++) a[r] === t && n++;
		n > c && ([s, c] = [e, n]);
	}
	return s < 0 ? null : H(e.shape, s, (e) => a[e] === t);
}
// src/hooks.ts
function Oe(e) {
	let t = (t) => e.stage.panes[t];
	return {
		app: e,
		hu: (t, n, r) => {
			let i = u(e.store.scene.full, [
				t,
				n,
				r
			]);
			return i === null ? null : i + e.data.huOffset;
		},
		label: (t, n, r) => u(e.store.scene.mask, [
			t,
			n,
			r
		]),
		crosshair: () => [...e.state.cross],
		setCrosshair: (t, n, r) => e.moveTo([
			t,
			n,
			r
		]),
		set: (t) => e.set(t),
		state: () => ({
			...e.state,
			hidden: [...e.state.hidden]
		}),
		pointOf: (n, r) => {
			let i = e.stage.body.getBoundingClientRect(), { rect: o } = t(n), [s, c] = a(e.stage.viewOf(t(n), e.camera()), e.camera(), r);
			return [i.left + o[0] / e.stage.ratio + s, i.top + o[1] / e.stage.ratio + c];
		},
		voxelAt: (t, n, r) => e.voxelAt(t, {
			clientX: n,
			clientY: r
		})
	};
}
// src/keys.ts
var W = [
	[
		["ArrowUp", "ArrowDown"],
		"one slice up, down",
		"slice1"
	],
	[
		["PageUp", "PageDown"],
		"ten slices up, down",
		"slice10"
	],
	[
		["Home", "End"],
		"first, last slice",
		"sliceEnd"
	],
	[
		[
			"1",
			"2",
			"3",
			"4",
			"5"
		],
		"window: brain, soft tissue, lung, bone, whole range",
		"preset"
	],
	[
		["h"],
		"hide or show the mask",
		"mask"
	],
	[
		["o"],
		"outline or fill",
		"outline"
	],
	[
		["i"],
		"smooth or exact voxels",
		"smooth"
	],
	[
		["+", "-"],
		"zoom in, out",
		"zoom"
	],
	[
		["0"],
		"whole picture",
		"reset"
	],
	[
		["g"],
		"this plane large, or all",
		"large"
	],
	[
		["d"],
		"3D view on or off",
		"solid"
	],
	[
		["m"],
		"measure a distance",
		"measure"
	],
	[
		["r"],
		"radiological or neurological",
		"convention"
	],
	[
		["?"],
		"this card",
		"help"
	],
	[
		["Escape"],
		"end measuring, close the card",
		"escape"
	]
], ke = [
	["click, drag", "move the crosshair"],
	["wheel", "slices"],
	["Ctrl + wheel", "zoom"],
	["right drag", "window: width across, level up and down"],
	["Shift or middle drag", "move the picture"],
	["double click", "this plane large, or all"]
];
function Ae(e, t) {
	for (let t of [
		"keydown",
		"keyup",
		"keypress"
	]) e.addEventListener(t, (e) => e.stopPropagation());
	e.addEventListener("keydown", (e) => {
		let n = e.target;
		if (e.ctrlKey || e.metaKey || e.altKey || n.closest("input[type=number], select") || n.closest("input") && /^(Arrow|Page|Home|End)/.test(e.key)) return;
		let r = e.key === "=" ? "+" : e.key.length === 1 ? e.key.toLowerCase() : e.key, i = W.find(([e]) => e.includes(r));
		i && t(i[2], r) && e.preventDefault();
	});
}
function je(e) {
	let t = (e) => e.map(([e, t]) => S("tr", {}, S("th", { scope: "row" }, e), S("td", {}, t))), n = (e) => e.map((e) => e.replace("Arrow", "").toUpperCase()).join(" ").replace("PAGEUP PAGEDOWN", "PgUp PgDn").replace("HOME END", "Home End").replace("UP DOWN", "↑ ↓").replace("ESCAPE", "Esc"), r = S("button", {
		type: "button",
		class: "close"
	}, "Close");
	return r.addEventListener("click", e), S("div", {
		class: "help",
		role: "dialog",
		"aria-label": "Keys and mouse"
	}, S("div", { class: "columns" }, S("table", {}, S("caption", {}, "Keys"), ...t(W.map(([e, t]) => [n(e), t]))), S("table", {}, S("caption", {}, "Mouse"), ...t(ke))), r);
}
// src/labels_panel.ts
function Me(e, t, n) {
	if (!t) {
		e.replaceChildren();
		return;
	}
	let r = S("select", { "aria-label": z.comparing });
	for (let [e, n] of [
		["difference", z.difference],
		["first", t[0]],
		["second", t[1]]
	]) r.append(S("option", { value: e }, n));
	r.value = n.comparing, r.addEventListener("change", () => n.choose(r.value));
	let i = S("button", { type: "button" }, z.nextDifference);
	i.addEventListener("click", () => n.next());
	let a = [
		["#4db359", z.agreement],
		["#f28c1f", z.onlyIn(t[0])],
		["#4080ff", z.onlyIn(t[1])],
		["#d940d9", z.otherLabel]
	];
	e.replaceChildren(S("div", { class: "choice" }, r, i), ...a.map(([e, t]) => S("span", {}, S("i", { style: `background:${e}` }), t)));
}
function Ne(e) {
	return e == null ? "-" : `${e.toFixed(e < 10 ? 2 : 1)} ml`;
}
function Pe(e, t) {
	let [n, r, i] = _(e.color), a = S("input", {
		type: "checkbox",
		"aria-label": `Show ${e.name}`
	});
	a.checked = !t.isHidden(e.index), a.addEventListener("change", () => t.setHidden(e.index, !a.checked));
	let o = S("button", {
		class: "text",
		type: "button",
		title: `Go to ${e.name}`
	}, e.name);
	return o.addEventListener("click", () => t.jumpTo(e.index)), S("div", {
		class: "row",
		"data-label": String(e.index)
	}, a, S("i", { style: `background:rgb(${n},${r},${i})` }), o, S("span", { class: "ml" }, Ne(e.volume_ml)));
}
function Fe(e, t, n) {
	let r = t.map((e) => Pe(e, n));
	e.replaceChildren(...r.length ? r : [S("div", { class: "none" }, z.noLabels)]);
}
// src/measure.ts
function G({ from: e, to: t }) {
	return Math.hypot(t[0] - e[0], t[1] - e[1]);
}
var Ie = class {
	lines = [];
	open = null;
	drag(e, t, n, r) {
		t === "down" ? (this.open = {
			plane: e.plane.index,
			slice: r[e.plane.normal],
			from: n,
			to: n
		}, this.lines.push(this.open)) : this.open && (this.open.to = n), (t === "up" || t === "cancel") && (this.lines = this.lines.filter((e) => e !== this.open || G(e) > 0), this.open = null);
	}
	clear() {
		this.lines = [], this.open = null;
	}
	marks(e, n) {
		return this.lines.filter(({ plane: t, slice: r }) => t === e.plane.index && r === n[e.plane.normal]).flatMap((n) => {
			let [r, i] = t(e, ...n.from), [a, o] = t(e, ...n.to), s = C("text", {
				x: String(Math.max(r, a) + 6),
				y: String((r > a ? i : o) + 4)
			});
			return s.textContent = `${G(n).toFixed(1)} mm`, [C("line", {
				x1: String(r),
				y1: String(i),
				x2: String(a),
				y2: String(o)
			}), s];
		});
	}
};
// src/renderer.ts
function K(e) {
	let t = Infinity, n = -Infinity;
	for (let r of e.voxels) r < t && (t = r), r > n && (n = r);
	return [t, n];
}
// src/plain/planes.ts
var Le = 4284068685, Re = 4280257778, ze = 4294934592, Be = 4292427993, Ve = class {
	kind = "plain";
	canvas = document.createElement("canvas");
	scene = null;
	slice = document.createElement("canvas");
	limit() {
		return null;
	}
	setScene(e) {
		this.scene = e;
	}
	addSlices(e, t) {
		this.scene && (this.scene.nSlices = t);
	}
	setMask(e) {
		this.scene && (this.scene.mask = e);
	}
	setCompared(e) {
		this.scene && (this.scene.compared = e);
	}
	updateMask(e) {}
	setColors() {}
	destroy() {
		this.canvas.remove();
	}
	draw(e, t, n, r) {
		this.canvas.width = e, this.canvas.height = t;
		let i = this.canvas.getContext("2d");
		for (let e of n) {
			i.save();
			let [t, n, a, o] = e.rect;
			i.beginPath(), i.rect(t, n, a, o), i.clip(), i.fillStyle = "#000", i.fillRect(t, n, a, o), i.translate(t, n), i.scale(a / e.view.width, o / e.view.height), this.drawTile(i, e, r), i.restore();
		}
	}
	drawTile(e, { view: n }, r) {
		let i = this.scene;
		if (!i) return;
		let { shape: a, spacing: o } = i.camera, { across: c, up: l } = n.plane, u = t(n, 0, 0), d = t(n, a[c] * o[c], a[l] * o[l]), f = (t, i, o) => {
			this.fill(t, n.plane, n.isFlipped, s(a, t.shape, r.cross), o), e.imageSmoothingEnabled = i, e.drawImage(this.slice, Math.min(u[0], d[0]), d[1], Math.abs(d[0] - u[0]), u[1] - d[1]);
		}, p = i.full && i.nSlices === a[2] ? i.full : i.low;
		if (p) {
			let e = 255 / (r.range[1] - r.range[0]);
			f(p, r.isSmooth, (t) => {
				let n = Math.min(255, Math.max(0, Math.round((p.voxels[t] - r.range[0]) * e)));
				return (255 << 24 | n << 16 | n << 8 | n) >>> 0;
			});
		}
		let m = r.comparing === "difference" ? i.compared : null, h = r.comparing === "second" && i.compared ? i.compared : i.mask;
		if (!h || r.opacity === 0) return;
		e.globalAlpha = r.opacity;
		let g = (e) => r.colors[e];
		m ? f(h, !1, (e) => {
			let t = g(h.voxels[e]) ? h.voxels[e] : 0, n = g(m.voxels[e]) ? m.voxels[e] : 0;
			return !t && !n ? 0 : t === n ? Le : t && n ? Be : t ? Re : ze;
		}) : f(h, !1, (e, t, n) => !r.isReviewed && (t + n) % 4 > 1 ? 0 : g(h.voxels[e]));
	}
	fill(e, t, n, r, i) {
		let a = [
			1,
			e.shape[0],
			e.shape[0] * e.shape[1]
		], [o, s] = [e.shape[t.across], e.shape[t.up]];
		this.slice.width = o, this.slice.height = s;
		let c = new ImageData(o, s), l = new Uint32Array(c.data.buffer), u = a[t.across];
		for (let e = 0, c = 0; e < s; e++) {
			let d = r[t.normal] * a[t.normal] + (s - 1 - e) * a[t.up];
			n && (d += (o - 1) * u);
			for (let t = 0; t < o; t++, d += n ? -u : u) l[c++] = i(d, t, e);
		}
		this.slice.getContext("2d").putImageData(c, 0, 0);
	}
}, He = 3;
function q(e) {
	let t = new Ve();
	return e.setCanvas(t.canvas), t;
}
async function Ue(e, t) {
	if (t > He || !("WebGL2RenderingContext" in window)) return {
		renderer: q(e),
		why: z.plain
	};
	let n = document.createElement("canvas");
	try {
		let { NiivuePlanes: t } = await import("./adapter-CjEEvlhi.js");
		return e.setCanvas(n), {
			renderer: await t.create(n),
			why: ""
		};
	} catch (t) {
		return console.warn(t), n.remove(), {
			renderer: q(e),
			why: z.plain
		};
	}
}
// src/voxels.ts
function J(e, t, n, r, i) {
	let a = i ? `?ticket=${encodeURIComponent(i)}` : "";
	return `${e.apiBase}/v1/${t}/${encodeURIComponent(n)}/levels/${r}${a}`;
}
async function We(e, t, n) {
	let r = (t) => J(e, "volumes", e.volumeId, t, e.volumeTicket), i = l(r(2), t).catch(() => null);
	n.onGeometry(await c(r(0), t));
	let a = await i;
	return a && !t.aborted && await n.onLow(a), l(r(0), t, (e, r) => {
		t.aborted || n.onSlices(e, r);
	});
}
async function Ge(e, t, n, r, i, a, o) {
	let s = await l(J(e, t, n, 0, r), a, (e, t) => o(t / e.shape[2])), c = d(s, i);
	if (c) throw new f(c);
	return s;
}
// src/solid.ts
var Ke = [150, 1400], qe = class {
	host;
	message = S("div", { class: "message" }, z.loadingSolid);
	made = null;
	solid = null;
	mask = null;
	colors = null;
	nClosed = 0;
	constructor(e) {
		this.host = e, e.append(S("div", { class: "name" }, "3D"), this.message);
	}
	async show(e, t, n) {
		this.made ??= this.make(e);
		let r = await this.made;
		r && r === this.solid && ((t.mask !== this.mask || n !== this.colors) && (this.mask = t.mask, this.colors = n, r.setMask(t.mask, e.labels, n)), r.draw());
	}
	maskChanged() {
		this.mask = null;
	}
	draw() {
		this.solid?.draw();
	}
	close() {
		this.nClosed += 1, this.solid?.destroy(), this.solid = this.made = this.mask = this.colors = null;
	}
	async make(e) {
		let { nClosed: t } = this;
		this.message.hidden = !1, this.message.textContent = z.loadingSolid;
		try {
			let { Solid: n } = await import("./three_d-BLQIW2e3.js"), r = await l(J(e, "volumes", e.volumeId, 1, e.volumeTicket), AbortSignal.timeout(12e4));
			if (t !== this.nClosed) return null;
			let i = await n.create(this.host), [a, o] = K(r), s = e.unit === "HU" ? Ke.map((t) => t - e.huOffset) : [a + (o - a) / 3, o];
			return i.setVolume(r, s), i.canvas.addEventListener("webglcontextlost", () => {
				this.solid === i && this.close();
			}), this.solid = i, this.message.hidden = !0, i;
		} catch (e) {
			return console.error(e), this.message.textContent = e instanceof f ? e.message : z.noSolid, this.made = null, null;
		}
	}
}, Je = 720, Y = [
	"A",
	"C",
	"S"
], X = 9;
function Ye(e) {
	let t = C("path", { class: "cross" }), n = C("g", { class: "marks" }), r = C("svg", {
		class: "overlay",
		"aria-hidden": "true"
	}, t, n), i = [
		0,
		1,
		2,
		3
	].map((e) => S("div", { class: `letter l${e}` })), a = S("div", {
		class: "surface",
		tabindex: "0",
		role: "img",
		"data-plane": e.name.toLowerCase(),
		"aria-label": `${e.name} plane; arrow up and down change the slice, ? shows all keys`
	}, r, S("div", { class: "name" }, e.name), ...i), o = S("input", {
		type: "range",
		min: "0",
		max: "0",
		value: "0",
		"aria-label": `${e.name} slice`
	}), s = S("span", { class: "count" });
	return {
		plane: e,
		box: S("div", { class: "pane" }, a, S("div", { class: "bar" }, o, s)),
		surface: a,
		slider: o,
		count: s,
		letters: i,
		cross: t,
		marks: n,
		rect: [
			0,
			0,
			1,
			1
		]
	};
}
var Xe = class {
	panes = o.map(Ye);
	side = S("div", { class: "side" });
	solid = S("div", { class: "pane solid" });
	body = S("div", { class: "body" }, ...this.panes.map((e) => e.box), this.solid, this.side);
	width = 1;
	height = 1;
	ratio = 1;
	setCanvas(e) {
		e.className = "picture", this.body.prepend(e);
	}
	arrange(e, t) {
		let n = this.body.clientWidth < Je, r = n ? "180px" : "232px", [i, a] = ["\"A C P\" \"A S P\"", `3fr 2fr ${r}`], o = t ? "ACSD" : "ACS";
		e === "all" ? t ? [i, a] = ["\"A C P\" \"S D P\"", `1fr 1fr ${r}`] : n && ([i, a] = ["\"A C\" \"S P\"", "1fr 1fr"]) : (o = e === "3d" ? "D" : Y[e], [i, a] = [`"${o} P"`, `1fr ${r}`]), this.body.style.gridTemplateAreas = i, this.body.style.gridTemplateColumns = a, this.body.style.gridTemplateRows = i.includes("\" \"") ? "1fr 1fr" : "1fr", this.panes.forEach((e, t) => {
			e.box.style.gridArea = Y[t], e.box.hidden = !o.includes(Y[t]);
		}), this.solid.style.gridArea = "D", this.solid.hidden = !o.includes("D"), this.side.style.gridArea = "P", this.measure();
	}
	measure() {
		this.ratio = window.devicePixelRatio || 1;
		let e = this.body.getBoundingClientRect();
		this.width = Math.max(1, Math.round(e.width * this.ratio)), this.height = Math.max(1, Math.round(e.height * this.ratio));
		for (let t of this.panes) {
			let { left: n, top: r, right: i, bottom: a } = t.surface.getBoundingClientRect(), [o, s, c, l] = [
				n - e.left,
				r - e.top,
				i - e.left,
				a - e.top
			].map((e) => Math.round(e * this.ratio));
			t.rect = [
				o,
				s,
				c - o,
				l - s
			];
		}
	}
	isShown(e) {
		return !e.box.hidden && e.rect[2] > 1 && e.rect[3] > 1;
	}
	viewOf(e, t) {
		return i(e.plane, t, e.rect[2] / this.ratio, e.rect[3] / this.ratio);
	}
	tiles(e) {
		return this.panes.filter((e) => this.isShown(e)).map((t) => ({
			rect: t.rect,
			view: this.viewOf(t, e)
		}));
	}
	pointIn(e, t) {
		let n = this.body.getBoundingClientRect();
		return [t.clientX - n.left - e.rect[0] / this.ratio, t.clientY - n.top - e.rect[1] / this.ratio];
	}
	decorate(e, t, r) {
		for (let i of this.panes) {
			if (!this.isShown(i)) continue;
			let { plane: o } = i;
			n(o, e.isRadiological).forEach((e, t) => {
				i.letters[t].textContent = e;
			});
			let s = e.shape[o.normal];
			i.slider.max = String(s - 1), i.slider.value = String(t[o.normal]), i.count.textContent = `${t[o.normal] + 1} / ${s}`;
			let c = this.viewOf(i, e);
			i.marks.replaceChildren(...r(c));
			let [l, u] = a(c, e, t);
			i.cross.setAttribute("d", `M0 ${u}H${l - X}M${l + X} ${u}H${c.width}M${l} 0V${u - X}M${l} ${u + X}V${c.height}`);
		}
	}
}, Ze = 32;
function Z() {
	return {
		camera: {
			shape: [
				1,
				1,
				1
			],
			spacing: [
				1,
				1,
				1
			],
			centre: [
				.5,
				.5,
				.5
			],
			zoom: 1,
			isRadiological: !0
		},
		low: null,
		full: null,
		nSlices: 0,
		mask: null,
		compared: null
	};
}
var Qe = class {
	data;
	host;
	scene = Z();
	geometry = null;
	failed = /* @__PURE__ */ new Set();
	loads = {
		volume: null,
		mask: null,
		compared: null
	};
	constructor(e, t) {
		this.data = e, this.host = t;
	}
	update(e) {
		let t = this.data;
		this.data = e;
		let n = (e, t, n) => this.failed.has(e) && t !== n;
		if (e.apiBase !== t.apiBase || e.volumeId !== t.volumeId || n("volume", t.volumeTicket, e.volumeTicket)) {
			this.open();
			return;
		}
		let r = e.maskId !== t.maskId || (e.draftId ?? null) !== (t.draftId ?? null) || n("mask", t.maskTicket, e.maskTicket), i = e.compareMaskId !== t.compareMaskId || n("compared", t.compareMaskTicket, e.compareMaskTicket);
		(r || i) && Promise.all([r && this.loadLabels("mask"), i && this.loadLabels("compared")]).then(() => this.finish());
	}
	close() {
		for (let e of Object.values(this.loads)) e?.abort();
	}
	isComplete() {
		return this.geometry !== null && this.scene.nSlices === this.geometry.shape[2];
	}
	valueOf(e) {
		let { low: t, full: n, nSlices: r, camera: i } = this.scene;
		return n && e[2] < r ? u(n, e) : t && u(t, s(i.shape, t.shape, e));
	}
	async open() {
		this.close();
		let e = this.loads.volume = new AbortController();
		this.scene = Z(), this.geometry = null, this.failed.clear(), this.host.onError("", null), this.host.onReady(""), this.host.onScene(), this.host.onStatus(z.loadingVolume);
		let t = null, n = () => t ??= Promise.all([this.loadLabels("mask"), this.loadLabels("compared")]);
		try {
			if (await We(this.data, e.signal, {
				onGeometry: (t) => {
					e.signal.aborted || this.setGeometry(t);
				},
				onLow: async (t) => {
					this.scene.low = t, this.host.onScene(), await this.host.firstImage(), e.signal.aborted || n();
				},
				onSlices: (e, t) => this.addSlices(e, t)
			}), e.signal.aborted) return;
			await n(), e.signal.aborted || this.finish();
		} catch (t) {
			e.signal.aborted || this.fail("volume", z.volumeFailed, t);
		}
	}
	setGeometry(e) {
		this.geometry = e;
		let { shape: t, spacing: n } = e;
		Object.assign(this.scene.camera, {
			shape: t,
			spacing: n
		}), this.host.onGeometry(t);
	}
	addSlices(e, t) {
		let { scene: n } = this;
		n.full || (n.full = e, this.host.onScene());
		let r = n.nSlices, i = e.shape[2];
		t === r || t - r < Ze && t < i || (n.nSlices = t, this.host.onSlices(r, t), this.failed.size || this.host.onStatus(z.loadingFull(t / i)));
	}
	async loadLabels(e) {
		this.loads[e]?.abort();
		let t = this.loads[e] = new AbortController(), { data: n } = this, r = e === "mask" && !!n.draftId, [i, a] = r ? [n.draftId, null] : e === "mask" ? [n.maskId, n.maskTicket] : [n.compareMaskId, n.compareMaskTicket];
		if (this.failed.delete(e), this.failed.size || this.host.onError("", null), this.setLabels(e, null), i && this.geometry) {
			this.isComplete() && this.host.onReady("low");
			try {
				let o = await Ge(n, r ? "drafts" : "masks", i, a, this.geometry, t.signal, (e) => {
					this.isComplete() && !this.failed.size && this.host.onStatus(z.loadingMask(e));
				});
				r && (o = await this.host.onDraft(o)), t.signal.aborted || this.setLabels(e, o);
			} catch (n) {
				t.signal.aborted || this.fail(e, e === "mask" ? z.maskFailed : z.comparedFailed, n);
			}
		}
	}
	setLabels(e, t) {
		this.scene[e] = t, this.host.onLabels(e);
	}
	finish() {
		this.isComplete() && (this.failed.size || this.host.onStatus(""), this.host.onReady("full"));
	}
	fail(e, t, n) {
		this.failed.add(e), this.host.onError(t, n instanceof f ? n.message : z.unreachable);
	}
}, Q = ".sv{box-sizing:border-box;font:14px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:6px;display:flex;position:relative}.sv *,.sv :before{box-sizing:border-box}.sv [hidden]{display:none!important}.head{flex-wrap:wrap;align-items:center;gap:4px 10px;font-size:13px;display:flex}.badge{color:#fff;letter-spacing:.02em;white-space:nowrap;background:#b3470b;border-radius:4px;padding:2px 9px}.notice{flex:1;min-width:0;font-weight:600}.tools{flex-wrap:wrap;align-items:center;gap:4px 10px;font-size:13px;display:flex}.tools label{white-space:nowrap;align-items:center;gap:5px;display:flex}.tools input[type=number]{width:5em}.tools input[type=number],.tools select,.tools button,.help button{height:28px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:2px 6px}.tools button{cursor:pointer;min-width:28px}.tools button[aria-pressed=true]{color:#fff;background:var(--st-primary-color,#1f6feb);border-color:#0000}.tools :is(select,button):disabled{opacity:.5}.tools button.primary{color:#fff;background:var(--st-primary-color,#1f6feb);border-color:#0000;font-weight:600}.edit .saved{flex:1;min-width:9em;font-weight:600}.edit .saved.error{color:var(--st-red-text-color,#c62828)}.edit input[type=number]{width:4em}.brush{stroke:#ffd866;stroke-width:1.5px;fill:none}.tools input[type=range]{width:80px}input{accent-color:var(--st-primary-color,#1f6feb)}.body{border-radius:4px;flex:1;gap:4px;min-height:0;display:grid;position:relative}.picture{background:#000;border-radius:4px;width:100%;height:100%;display:block;position:absolute;inset:0}.pane{color:#e8e8e8;flex-direction:column;min-width:0;min-height:0;display:flex;position:relative;overflow:hidden}.surface{cursor:crosshair;touch-action:none;-webkit-user-select:none;user-select:none;flex:1;min-height:0;position:relative;overflow:hidden}.surface:focus-visible{outline:2px solid var(--st-primary-color,#1f6feb);outline-offset:-2px}.overlay{pointer-events:none;width:100%;height:100%;position:absolute;inset:0;overflow:hidden}.cross{stroke:#5adc78d9;stroke-width:1px;fill:none;shape-rendering:crispedges}.marks line{stroke:#ffd866;stroke-width:1.5px}.marks text{fill:#ffd866;paint-order:stroke;stroke:#000;stroke-width:3px;font-size:13px}.name,.letter{pointer-events:none;text-shadow:0 0 3px #000,0 0 3px #000;font-size:12px;position:absolute}.name{top:4px;left:6px}.letter{color:#ffd866;font-size:15px;font-weight:700;line-height:18px}.l0{top:calc(50% - 9px);left:6px}.l1{top:calc(50% - 9px);right:6px}.l2{top:3px;left:calc(50% - 5px)}.l3{bottom:2px;left:calc(50% - 5px)}.bar{background:#14161a;flex:none;align-items:center;gap:8px;height:22px;padding:0 6px;font-size:12px;display:flex}.bar input{flex:1;min-width:0;margin:0}.count{text-align:right;font-variant-numeric:tabular-nums;min-width:62px}.solid{background:#000}.solid-picture{cursor:grab;touch-action:none;width:100%;height:100%;position:absolute;inset:0}.solid .name{z-index:1}.message{margin:auto;padding:8px;font-size:13px}.legend{flex:none;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:1px;padding-bottom:4px;font-size:12px;display:grid}.choice{flex-wrap:wrap;grid-column:1/-1;gap:4px;padding-bottom:2px;display:flex}.choice>*{max-width:100%;height:26px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:1px 6px;font-size:13px}.legend:empty{display:none}.legend span{align-items:center;gap:6px;display:flex}.legend i{border-radius:3px;flex:none;width:13px;height:13px}.side{background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#9995);border-radius:4px;flex-direction:column;gap:4px;min-width:0;min-height:0;padding:4px 8px;font-size:13px;display:flex;position:relative;overflow:hidden}.readout{white-space:pre-line;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;flex:none;min-height:2.6em;line-height:1.3}.status:empty,.hint:empty{display:none}.status.error{color:var(--st-red-text-color,#c62828);font-weight:600}.hint{font-size:12px}.labels{flex:1;min-height:0;overflow-y:auto}.row{align-items:center;gap:6px;padding:1px 0;display:flex}.row input{flex:none;margin:0}.row i{border:1px solid #0005;border-radius:3px;flex:none;width:13px;height:13px}.row .text{min-width:0;font:inherit;color:inherit;text-align:left;cursor:pointer;overflow-wrap:anywhere;background:0 0;border:0;flex:1;padding:0}.row .text:hover{text-decoration:underline}.row .ml{font-variant-numeric:tabular-nums;white-space:nowrap}.none{opacity:.7}.help{z-index:5;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);border-radius:6px;width:-moz-fit-content;width:fit-content;max-width:96%;max-height:calc(100% - 48px);margin:0 auto;padding:10px 16px;font-size:13px;position:absolute;inset:40px 0 auto;overflow:auto;box-shadow:0 4px 24px #0006}.help .columns{flex-wrap:wrap;align-items:flex-start;gap:8px 28px;display:flex}.help caption{text-align:left;padding-bottom:4px;font-weight:700}.help th{text-align:left;white-space:nowrap;vertical-align:top;padding:1px 14px 1px 0;font-weight:600}.help td{padding:1px 0}.help .close{cursor:pointer;margin-top:8px}", $e = 24, et = 360, tt = 600, nt = class {
	data;
	root = S("div", {
		class: "sv",
		"data-ready": ""
	});
	stage = new Xe();
	state = g();
	store;
	onPointer = null;
	onDecorate = null;
	active = this.stage.panes[0];
	renderer = null;
	rendererReady = null;
	nLost = 0;
	solid = new qe(this.stage.solid);
	measuring = new Ie();
	colors = /* @__PURE__ */ new Uint32Array(65536);
	differences = null;
	nDifferences = 0;
	frame = 0;
	solidTimer = 0;
	notice = S("div", { class: "notice" });
	badge = S("strong", { class: "badge" }, z.unreviewed);
	readout = S("div", {
		class: "readout",
		"aria-live": "off"
	}, " ");
	status = S("div", {
		class: "status",
		role: "status"
	});
	hint = S("div", { class: "hint" });
	legend = S("div", { class: "legend" });
	labelList = S("div", { class: "labels" });
	controls;
	card = null;
	editor = null;
	trigger = () => void 0;
	observer = new ResizeObserver(() => this.resize());
	onWindow = () => this.resize();
	constructor(e) {
		this.data = e, this.store = new Qe(e, this), this.controls = new Ee({
			setPreset: (e) => this.setPreset(e),
			setWindow: (e, t) => this.setWindow(e, t),
			set: (e) => this.set(e),
			run: (e) => {
				x(this, e, "");
			}
		}), this.stage.side.append(this.readout, this.status, this.hint, this.legend, this.labelList), this.root.append(S("style", {}, Q), S("div", { class: "head" }, this.badge, this.notice), this.controls.row, this.stage.body), ae(this), Ae(this.root, (e, t) => x(this, e, t)), window.addEventListener("resize", this.onWindow), Object.assign(this.root, { segloop: Oe(this) }), this.showTexts(), this.showEditor(), this.store.open();
	}
	update(e) {
		this.data = e, this.showTexts(), this.showEditor(), this.store.update(e), this.draw();
	}
	attached() {
		let e = this.root.getRootNode(), t = e instanceof ShadowRoot ? e.host.closest(".stMainBlockContainer") : null;
		this.observer.disconnect();
		for (let e of [this.stage.body, t]) e && this.observer.observe(e);
		this.resize(), this.startRenderer();
	}
	destroy() {
		this.store.close(), this.observer.disconnect(), window.removeEventListener("resize", this.onWindow), this.renderer?.destroy(), this.renderer = null, this.solid.close(), this.editor?.editor.destroy(), this.root.remove();
	}
	showEditor() {
		let e = this.data.draftId ?? null;
		this.editor?.draftId !== e && (this.editor?.editor.destroy(), this.editor = e === null ? null : {
			draftId: e,
			editor: new Te(this, e, (t) => this.trigger("finalized", {
				draft_id: e,
				mask_id: t
			}))
		});
	}
	async onDraft(e) {
		return this.editor ? this.editor.editor.adopt(e) : e;
	}
	onGeometry(e) {
		Object.assign(this.state, {
			cross: e.map((e) => Math.floor(e / 2)),
			zoom: 1,
			centre: [
				.5,
				.5,
				.5
			]
		}), this.measuring.clear(), this.solid.close();
	}
	onScene() {
		let e = this.renderer?.limit(this.store.scene.camera.shape);
		e ? this.fallBack(`${e} ${z.tooLarge}`) : (this.renderer?.setScene(this.store.scene), this.markReady(), this.draw());
	}
	async firstImage() {
		await this.startRenderer(), this.drawNow();
	}
	onSlices(e, t) {
		this.renderer?.addSlices(e, t), this.store.isComplete() && this.state.preset === "Whole range" && this.setPreset(m), this.markReady(), this.draw();
	}
	onLabels(e) {
		this.forgetDifferences();
		let t = this.store.scene[e];
		e === "mask" ? this.renderer?.setMask(t) : this.renderer?.setCompared(t), this.showState(), this.showSolid(), this.hover(null), this.draw();
	}
	onReady(e) {
		this.root.dataset.ready = e, this.hover(null), this.showSolid();
	}
	onStatus(e) {
		this.status.classList.remove("error"), this.status.textContent = e;
	}
	onError(e, t) {
		this.status.classList.toggle("error", t !== null), t === null ? delete this.root.dataset.error : (this.status.textContent = e + t, this.root.dataset.error = t);
	}
	markReady() {
		let { low: e, nSlices: t } = this.store.scene;
		this.renderer && (e || t) && (this.root.dataset.ready ||= "low");
	}
	startRenderer() {
		return this.rendererReady ??= Ue(this.stage, this.nLost).then(({ renderer: e, why: t }) => {
			this.hint.textContent = t, this.adopt(e);
		}), this.rendererReady;
	}
	adopt(e) {
		this.renderer = e, this.root.dataset.renderer = e.kind, e.setColors(this.colors), e.canvas.addEventListener("webglcontextlost", (t) => {
			t.preventDefault(), this.renderer === e && (this.nLost += 1, this.renderer = this.rendererReady = null, e.destroy(), setTimeout(() => void this.startRenderer(), 200));
		}), this.showState(), this.onScene();
	}
	fallBack(e) {
		this.renderer?.destroy(), this.hint.textContent = e, this.adopt(q(this.stage));
	}
	camera() {
		if (!this.store.geometry) return null;
		let { zoom: e, centre: t, isRadiological: n } = this.state;
		return Object.assign(this.store.scene.camera, {
			zoom: e,
			centre: t,
			isRadiological: n
		});
	}
	look() {
		let { cross: e, width: t, level: n, opacity: r, isMaskHidden: i, isOutline: a, isSmooth: o, comparing: s } = this.state, c = n - t / 2 - this.data.huOffset;
		return {
			cross: e,
			range: [c, c + t],
			opacity: i ? 0 : r,
			isOutline: a,
			isSmooth: o,
			isReviewed: this.data.isReviewed,
			colors: this.colors,
			comparing: s
		};
	}
	draw() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0, this.drawNow();
		});
	}
	drawNow() {
		let e = this.camera();
		if (e && this.root.isConnected && (this.stage.decorate(e, this.state.cross, (e) => [...this.measuring.marks(e, this.state.cross), ...this.onDecorate?.(e, this.state.cross) ?? []]), this.renderer)) try {
			this.renderer.draw(this.stage.width, this.stage.height, this.stage.tiles(e), this.look());
		} catch (e) {
			if (this.renderer.kind === "plain") throw e;
			console.error(e), this.fallBack(z.plain);
		}
	}
	resize() {
		this.root.isConnected && (this.root.style.height = `${this.data.height ?? this.roomBelow()}px`, this.stage.arrange(this.state.layout, this.state.is3d), this.solid.draw(), this.draw());
	}
	roomBelow() {
		let e = this.root.getBoundingClientRect().top, t = this.root.getRootNode(), n = t instanceof ShadowRoot ? t.host : this.root.parentElement;
		for (; n; n = n.parentElement) e += n.scrollTop;
		return Math.max(et, Math.floor(window.innerHeight - e - $e));
	}
	showSolid() {
		let { state: e, store: t, data: n } = this;
		!e.is3d && e.layout !== "3d" || this.renderer?.kind !== "webgl" || this.solid.show(n, t.scene, this.colors);
	}
	set(e) {
		Object.assign(this.state, e), ("layout" in e || "is3d" in e) && (this.stage.arrange(this.state.layout, this.state.is3d), this.showSolid()), this.showState(), this.draw();
	}
	setPreset(e) {
		let t = this.store.scene.full ?? this.store.scene.low, [n, r] = p[e] ?? [this.state.width, this.state.level];
		if (e === "Whole range" && t) {
			let [e, i] = K(t);
			[n, r] = [Math.max(1, i - e), Math.round((i + e) / 2) + this.data.huOffset];
		}
		this.set({
			preset: e,
			width: n,
			level: r
		});
	}
	setWindow(e, t) {
		this.set({
			width: e,
			level: t,
			preset: h
		});
	}
	setCamera(e, t) {
		this.set({
			zoom: e,
			centre: t
		});
	}
	activate(e) {
		this.active = e;
	}
	measure(e, t, n) {
		this.measuring.drag(e, t, n, this.state.cross), this.draw();
	}
	toggleLarge(e) {
		this.set({ layout: this.state.layout === "all" ? e.plane.index : "all" });
	}
	toggleHelp() {
		this.card?.remove(), this.card = this.card ? null : je(() => this.toggleHelp()), this.card && this.root.append(this.card);
	}
	escape() {
		this.card ? this.toggleHelp() : (this.measuring.clear(), this.set({ mode: "cross" }));
	}
	moveTo(e) {
		this.store.geometry && (this.state.cross = ee(e, this.store.geometry.shape), this.hover(null), this.draw());
	}
	jumpTo(e) {
		let { mask: t, compared: n } = this.store.scene, r = (t && U(t, e)) ?? (n && U(n, e));
		if (!r) return;
		let { shape: i } = this.store.scene.camera;
		this.moveTo(r), this.state.zoom > 1 && this.set({ centre: r.map((e, t) => (e + .5) / i[t]) });
	}
	nextDisagreement() {
		let { mask: e, compared: t } = this.store.scene;
		if (!e || !t) return;
		this.differences ??= De(e, t, this.colors);
		let n = this.differences[this.nDifferences++ % this.differences.length];
		n ? this.moveTo(n) : this.onStatus(z.noDifference);
	}
	forgetDifferences() {
		this.differences = null, this.nDifferences = 0;
	}
	updateMask(e) {
		this.forgetDifferences(), this.renderer?.updateMask(e), this.hover(null), this.draw(), clearTimeout(this.solidTimer), this.solidTimer = window.setTimeout(() => {
			this.solid.maskChanged(), this.showSolid();
		}, tt);
	}
	voxelAt(e, t) {
		let [n, i] = [this.camera(), this.stage.panes[e]];
		return n && r(this.stage.viewOf(i, n), n, ...this.stage.pointIn(i, t), this.state.cross);
	}
	showTexts() {
		let { labels: e, notice: t, isReviewed: n, maskId: r, compareMaskId: i } = this.data;
		this.notice.textContent = t, this.badge.hidden = n || !r && !this.data.draftId, Me(this.legend, i ? [this.data.maskName, this.data.compareName] : null, {
			comparing: this.state.comparing,
			choose: (e) => this.set({ comparing: e }),
			next: () => this.nextDisagreement()
		}), Fe(this.labelList, e, {
			isHidden: (e) => this.state.hidden.has(e),
			setHidden: (e, t) => {
				t ? this.state.hidden.add(e) : this.state.hidden.delete(e), this.showColors();
			},
			jumpTo: (e) => this.jumpTo(e)
		}), this.showColors(), this.showState(), this.resize();
	}
	showColors() {
		this.forgetDifferences(), this.colors = ne(this.data.labels, this.state.hidden), this.renderer?.setColors(this.colors), this.showSolid(), this.draw();
	}
	showState() {
		this.controls.show(this.state, this.store.scene.mask !== null, this.renderer?.kind === "plain");
	}
	nameAt(e, t) {
		let n = u(this.store.scene[e], t);
		return n === null ? "" : n ? this.data.labels.find(({ index: e }) => e === n)?.name ?? z.label(n) : z.noLabel;
	}
	hover(e) {
		let t = e ?? this.state.cross, n = this.store.geometry && this.store.valueOf(t);
		if (n === null) return;
		let [r, i] = [this.nameAt("mask", t), this.nameAt("compared", t)], a = i ? `${this.data.maskName}: ${r} · ${this.data.compareName}: ${i}` : r;
		this.readout.textContent = `${n + this.data.huOffset} ${this.data.unit}${a && ` · ${a}`}\nvoxel ${t.join(", ")}`;
	}
}, $ = /* @__PURE__ */ new Map(), rt = 3;
function it({ data: e, parentElement: t, setTriggerValue: n }) {
	let r = $.get(e.instance);
	r ? (r.update(e), $.delete(e.instance)) : r = new nt(e), $.set(e.instance, r);
	for (let [e, t] of $) {
		if ($.size <= rt) break;
		t.root.isConnected || t === r || (t.destroy(), $.delete(e));
	}
	let i = r;
	return n && (i.trigger = n), i.root.parentNode !== t && t.append(i.root), i.attached(), () => {
		i.root.parentNode === t && i.root.remove();
	};
}
export { it as default };
