import { a as e, c as t, i as n, l as r, n as i, o as a, r as o, s, t as c } from "./renderer-CROy7xEi.js";
import { a as l, i as u, n as d, o as f, r as p, s as m, t as h } from "./grid-CRQ6iH4j.js";
import { n as g, t as _ } from "./dom-CAPoHm4o.js";
// src/state.ts
var v = {
	Brain: [80, 40],
	"Soft tissue": [400, 40],
	Lung: [1500, -600],
	Bone: [2e3, 500]
}, y = "Whole range", b = "Custom";
function ee() {
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
function te(e, t) {
	return e.map((e, n) => Math.min(t[n] - 1, Math.max(0, Math.round(e))));
}
function ne(e) {
	return Math.min(40, Math.max(.5, e));
}
function re(e) {
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
function ie(e, t) {
	let n = (/* @__PURE__ */ new Uint32Array(65536)).fill(e.length ? 4278190335 : 0);
	n[0] = 0;
	for (let { index: r, color: i } of e) {
		if (r <= 0 || r > 65535) continue;
		let [e, a, o] = re(i);
		n[r] = t.has(r) ? 0 : (255 << 24 | o << 16 | a << 8 | e) >>> 0;
	}
	return n;
}
// src/pointer.ts
var ae = 25;
function oe(e, t, n, r) {
	let i = [...t.centre], { across: a, up: o } = e.plane, s = n / e.pxPerMm;
	return i[a] += (e.isFlipped ? s : -s) / (t.shape[a] * t.spacing[a]), i[o] += r / e.pxPerMm / (t.shape[o] * t.spacing[o]), i.map((e) => Math.min(1, Math.max(0, e)));
}
function se(e, t, n, r, i) {
	let a = ne(t.zoom * n), [o, c] = s(e, r, i), l = t.zoom / a, u = [...t.centre], { across: d, up: f } = e.plane;
	return u[d] = (o + (e.acrossMm - o) * l) / (t.shape[d] * t.spacing[d]), u[f] = (c + (e.upMm - c) * l) / (t.shape[f] * t.spacing[f]), {
		zoom: a,
		centre: a <= 1 ? [
			.5,
			.5,
			.5
		] : u.map((e) => Math.min(1, Math.max(0, e)))
	};
}
var ce = class {
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
			n.button !== 0 || e.onPointer?.(t.plane, this.pick(n)?.voxel ?? null, n, "double") || e.state.mode === "cross" && e.toggleLarge(t);
		}), n.addEventListener("wheel", (e) => this.wheel(e), { passive: !1 });
	}
	pick(e) {
		let n = this.host.camera();
		if (!n) return null;
		let r = this.host.stage.viewOf(this.pane, n), i = this.host.stage.pointIn(this.pane, e);
		return {
			view: r,
			camera: n,
			at: i,
			voxel: t(r, n, i[0], i[1], this.host.state.cross)
		};
	}
	down(e) {
		let { host: t, pane: n } = this, r = this.pick(e);
		!this.action && r && (t.activate(n), n.surface.focus({ preventScroll: !0 }), n.surface.setPointerCapture(e.pointerId), this.pointer = e.pointerId, this.last = [e.clientX, e.clientY], e.button === 1 && e.preventDefault(), this.action = e.button === 2 ? "window" : e.button === 1 || e.shiftKey ? "pan" : t.state.mode, t.onPointer?.(n.plane, r.voxel, e, "down") && (this.action = "hook"), this.action === "cross" && r.voxel && t.moveTo(r.voxel), this.action === "measure" && t.measure(n, "down", s(r.view, ...r.at)));
	}
	move(e) {
		let { host: t, pane: n, action: r } = this, i = this.pick(e);
		if (!i) return;
		if (!r) {
			t.onPointer?.(n.plane, i.voxel, e, "hover") || t.hover(i.voxel);
			return;
		}
		if (e.pointerId !== this.pointer) return;
		let [a, o] = [e.clientX - this.last[0], e.clientY - this.last[1]];
		if (this.last = [e.clientX, e.clientY], r === "hook") t.onPointer?.(n.plane, i.voxel, e, "move");
		else if (r === "cross" && i.voxel) t.moveTo(i.voxel);
		else if (r === "window") {
			let { width: e, level: n } = t.state, r = Math.max(1, e / 300);
			t.setWindow(Math.max(1, Math.round(e + a * r)), Math.round(n + o * r));
		} else r === "pan" ? t.setCamera(i.camera.zoom, oe(i.view, i.camera, a, o)) : r === "measure" && t.measure(n, "move", s(i.view, ...i.at));
	}
	end(e, t) {
		if (e.pointerId !== this.pointer || !this.action) return;
		let { action: n } = this;
		this.action = null, this.pointer = -1;
		let r = this.pick(e);
		n === "hook" && this.host.onPointer?.(this.pane.plane, r?.voxel ?? null, e, t), n === "measure" && r && this.host.measure(this.pane, t, s(r.view, ...r.at));
	}
	notches(e) {
		if (e.deltaMode !== 0 || Math.abs(e.deltaY) >= 50) return this.rolled = 0, Math.sign(e.deltaY);
		this.rolled += e.deltaY;
		let t = Math.trunc(this.rolled / ae);
		return this.rolled -= t * ae, t;
	}
	wheel(e) {
		e.preventDefault();
		let t = this.pick(e);
		if (!t || !e.deltaY) return;
		if (e.ctrlKey || e.metaKey) {
			let { zoom: n, centre: r } = se(t.view, t.camera, Math.exp(-e.deltaY / 400), ...t.at);
			this.host.setCamera(n, r);
			return;
		}
		let n = [...this.host.state.cross];
		n[this.pane.plane.normal] -= this.notches(e), this.host.moveTo(n);
	}
};
function le(e) {
	for (let t of e.stage.panes) new ce(e, t), t.slider.addEventListener("input", () => {
		let n = [...e.state.cross];
		n[t.plane.normal] = t.slider.valueAsNumber, e.moveTo(n);
	}), t.surface.addEventListener("focus", () => e.activate(t));
}
// src/commands.ts
function x(e, t) {
	let n = [...e.state.cross];
	n[e.active.plane.normal] += t, e.moveTo(n);
}
function ue(e, t) {
	let n = e.camera();
	if (!n) return;
	let i = e.stage.viewOf(e.active, n), a = se(i, n, t, ...r(i, n, e.state.cross));
	e.setCamera(a.zoom, a.centre);
}
function de(e, t, n) {
	let { state: r } = e;
	switch (t) {
		case "slice1":
			x(e, n === "ArrowUp" ? 1 : -1);
			break;
		case "slice10":
			x(e, n === "PageUp" ? 10 : -10);
			break;
		case "sliceEnd":
			x(e, n === "Home" ? -1e6 : 1e6);
			break;
		case "preset":
			e.setPreset([...Object.keys(v), y][Number(n) - 1]);
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
			ue(e, n === "+" ? 1.25 : .8);
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
// src/text.ts
var S = {
	reviewedLabels: (e) => e === null ? "reviewed" : `reviewed: ${e} label${e === 1 ? "" : "s"} only`,
	notReviewed: "not reviewed",
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
	both: "Side by side",
	nextDifference: "Next disagreement",
	noDifference: "The two masks do not differ.",
	otherLabel: "another label",
	noLabels: "No labels",
	hiddenLabels: (e) => `${e} label${e === 1 ? " is" : "s are"} hidden`,
	showAll: "Show all",
	noLabel: "no label",
	label: (e) => `label ${e}`,
	noAccess: "You may not edit here any more",
	noAccessWhy: "You are no longer a member of the project, your role in it has changed, or this CT is gone. Ask an admin of the project.",
	noAccessKept: (e) => `${e === 1 ? "One change that is" : `${e} changes that are`} not saved yet ${e === 1 ? "is" : "are"} kept in this browser, also when you leave this page. Once you are let in again, ${e === 1 ? "it is" : "they are"} sent: from here, or when you edit this CT in this browser.`
}, C = 12;
function fe(e, t) {
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
function pe(e) {
	return e.map(({ start: e, length: t, before: n, after: r }) => ({
		start: e,
		length: t,
		before: r,
		after: n
	}));
}
function me(e) {
	let t = new Uint8Array(e.length * C), n = new DataView(t.buffer);
	return e.forEach(({ start: e, length: t, before: r, after: i }, a) => {
		n.setUint32(a * C, e, !0), n.setUint32(a * C + 4, t, !0), n.setUint16(a * C + 8, r, !0), n.setUint16(a * C + 10, i, !0);
	}), t;
}
function w(e) {
	let t = new DataView(e.buffer, e.byteOffset, e.byteLength);
	return Array.from({ length: e.length / C }, (e, n) => ({
		start: t.getUint32(n * C, !0),
		length: t.getUint32(n * C + 4, !0),
		before: t.getUint16(n * C + 8, !0),
		after: t.getUint16(n * C + 10, !0)
	}));
}
// src/edit/sha256.ts
var he = (e) => Math.floor((e - Math.floor(e)) * 2 ** 32) | 0, T = [];
for (let e = 2; T.length < 64; e++) T.every((t) => e % t) && T.push(e);
var ge = Int32Array.from(T, (e) => he(Math.cbrt(e))), _e = Int32Array.from(T.slice(0, 8), (e) => he(Math.sqrt(e))), E = (e, t) => e >>> t | e << 32 - t;
function ve(e, t, n, r) {
	for (let e = 0; e < 16; e++) t[e] = n.getInt32(r + e * 4);
	for (let e = 16; e < 64; e++) {
		let [n, r] = [t[e - 15], t[e - 2]];
		t[e] = t[e - 16] + (E(n, 7) ^ E(n, 18) ^ n >>> 3) + t[e - 7] + (E(r, 17) ^ E(r, 19) ^ r >>> 10);
	}
	let [i, a, o, s, c, l, u, d] = e;
	for (let e = 0; e < 64; e++) {
		let n = d + (E(c, 6) ^ E(c, 11) ^ E(c, 25)) + (c & l ^ ~c & u) + ge[e] + t[e] | 0, r = (E(i, 2) ^ E(i, 13) ^ E(i, 22)) + (i & a ^ i & o ^ a & o) | 0;
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
function ye(e) {
	let t = typeof e == "string" ? new TextEncoder().encode(e) : e, n = new Uint8Array(Math.ceil((t.length + 9) / 64) * 64);
	n.set(t), n[t.length] = 128;
	let r = new DataView(n.buffer);
	r.setUint32(n.length - 8, Math.floor(t.length / 2 ** 29)), r.setUint32(n.length - 4, t.length << 3);
	let [i, a] = [_e.slice(), /* @__PURE__ */ new Int32Array(64)];
	for (let e = 0; e < n.length; e += 64) ve(i, a, r, e);
	return Array.from(i, (e) => (e >>> 0).toString(16).padStart(8, "0")).join("");
}
// src/edit/journal.ts
var be = {
	sequence: 0,
	hash: "0".repeat(64)
}, xe = 1 << 20, Se = [
	250,
	500,
	1e3,
	2e3,
	4e3,
	8e3
], Ce = [
	15e3,
	3e4,
	6e4,
	12e4,
	3e5
], we = /* @__PURE__ */ new Set([
	"conflict",
	"closed",
	"not_yours",
	"refused"
]);
function Te(e, t) {
	return (e === 403 || e === 404) && t !== void 0 && t !== "draft_not_yours";
}
function Ee(e, t, n, r) {
	return ye(`${e}\n${t}\n${n}\n${ye(r)}`);
}
var De = class {
	url;
	head;
	outside;
	state = "saved";
	queue = [];
	sending = null;
	wake = null;
	listeners = [];
	constructor(e, t, n) {
		this.url = e, this.head = t, this.outside = n;
	}
	get next() {
		return this.queue.at(-1) ?? this.head;
	}
	get isStuck() {
		return this.state === "no_access" || this.isOver;
	}
	get isOver() {
		return we.has(this.state);
	}
	add(e, t, n) {
		let { sequence: r, hash: i } = this.next, a = {
			sequence: r + 1,
			operation: e,
			label: t,
			parent: i,
			body: n,
			hash: Ee(i, e, t, n)
		};
		this.queue.push(a), this.outside.keep(a), this.tell(this.state === "saved" ? "saving" : this.state), this.isStuck || (this.sending ??= this.send());
	}
	edit({ operation: e, label: t, runs: n }) {
		for (let r = 0; r < n.length; r += xe) this.add(e, t, me(n.slice(r, r + xe)));
	}
	async flush() {
		for (this.retry(); this.sending && !this.isStuck;) await Promise.race([this.sending, this.change()]);
		return this.state === "saved";
	}
	retry() {
		this.state === "no_access" && (this.tell("saving"), this.wake?.());
	}
	async send() {
		let e = 0;
		for (; this.queue.length && !this.isOver;) {
			let t = await this.put(this.queue[0]);
			if (t === "stored") {
				let t = this.queue.shift();
				this.head = {
					sequence: t.sequence,
					hash: t.hash
				}, this.outside.drop(t), e = 0, this.tell(this.queue.length ? "saving" : "saved");
			} else if (t === "again" || t === "signed_out" || t === "no_access") {
				let n = t === "no_access";
				e = n === (this.state === "no_access") ? e + 1 : 1, this.tell(t === "again" ? e > 2 ? "offline" : "saving" : t);
				let r = n ? Ce : Se;
				await this.pause(r[Math.min(e, r.length) - 1]);
			} else this.tell(t);
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
			if (r.ok) return "stored";
			let { code: i } = await r.json().catch(() => ({}));
			return r.status === 409 ? i === "draft_closed" ? "closed" : "conflict" : i === "draft_not_yours" ? "not_yours" : r.status === 413 || r.status === 422 ? "refused" : Te(r.status, i) ? "no_access" : r.status === 401 || r.status === 403 ? "signed_out" : "again";
		} catch {
			return "again";
		}
	}
	async pause(e) {
		await Promise.race([this.outside.wait(e), new Promise((e) => {
			this.wake = e;
		})]), this.wake = null;
	}
	change() {
		return new Promise((e) => this.listeners.push(e));
	}
	tell(e) {
		this.state = e, this.outside.onState(e, this.queue.length);
		for (let e of this.listeners.splice(0)) e();
	}
}, Oe = 200;
async function ke(e, t = {}) {
	let n = await fetch(e, {
		credentials: "same-origin",
		...t
	});
	if (n.ok) return n;
	let r = await n.json().catch(() => ({}));
	throw Te(n.status, r.code) ? new h(`${S.noAccess}. ${S.noAccessWhy}`) : new h(r.detail ?? `The server answered ${n.status}.`);
}
async function D(e) {
	return await (await ke(e)).json();
}
function Ae(e, t) {
	return ke(e, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify(t)
	});
}
function je(e) {
	return Uint8Array.from(atob(e), (e) => e.charCodeAt(0));
}
async function Me(e, t) {
	let n = [], r = Math.max(0, t.sequence - Oe);
	for (; r !== null;) {
		let i = await D(`${e}/entries?after=${r}`);
		for (let { sequence: e, operation: r, label: a, body: o } of i.items) e <= t.sequence && r !== "review" && n.push({
			operation: r,
			label: a,
			runs: w(je(o))
		});
		r = i.next_after;
	}
	return n;
}
function Ne(e) {
	return D(`${e}/changes`);
}
async function Pe(e, t, n, r, i) {
	let a = await Ae(`${e}/tools`, {
		tool: n,
		label: r,
		sequence: t.sequence,
		hash: t.hash,
		parameters: i
	});
	return w(new Uint8Array(await a.arrayBuffer()));
}
async function Fe(e, t, n) {
	return (await (await Ae(`${e}/finalize`, {
		sequence: t.sequence,
		hash: t.hash,
		active_time_s: n
	})).json()).id;
}
async function Ie(e, t, n, r, i, a) {
	let { sequence: o } = r.next, [s, c, l] = [
		0,
		null,
		!1
	];
	for (let u of t) {
		let { operation: t, label: d, body: f } = u;
		if (u.sequence <= o && await Be(e, u)) {
			a(u);
			continue;
		}
		if (!Le(i, u)) continue;
		let p = u.sequence === r.next.sequence + 1 && u.parent === r.next.hash, m = t === "review" ? [] : w(f);
		t === "review" && !p ? l = !0 : t === "review" ? (c = JSON.parse(new TextDecoder().decode(f)), r.add(t, d, f)) : p && n.fits(m) ? (n.replay({
			operation: t,
			label: d,
			runs: m
		}), r.add(t, d, f), s += 1) : s += +!!Re(u, n, r), p || a(u);
	}
	return {
		nEdits: s,
		region: c,
		isReviewLost: l
	};
}
function Le(e, { operation: t, label: n, body: r }) {
	return t === "review" || e.has(n) && w(r).every(({ after: t }) => e.has(t));
}
function Re({ operation: e, label: t, body: n }, r, i) {
	let a = e === "review" ? null : r.apply("restore", t, Ve(r.mask, w(n)));
	return a && i.edit(a), a !== null;
}
async function ze(e) {
	return (await D(e)).state !== "open";
}
async function Be(e, { sequence: t, hash: n }) {
	let { items: r } = await D(`${e}/entries?after=${t - 1}&limit=1`);
	return r[0]?.sequence === t && r[0].hash === n;
}
function Ve(e, t) {
	let n = /* @__PURE__ */ new Map(), r = /* @__PURE__ */ new Map();
	for (let i of t) for (let t = i.start; t < i.start + i.length; t++) e.voxels[t] === i.before && (n.set(t, i.before), r.set(t, i.after));
	return fe(n, (e) => r.get(e));
}
function He(e, t) {
	return !(e.voxels instanceof Uint8Array) || t.every((e) => e <= 255) ? e : {
		...e,
		voxels: Uint16Array.from(e.voxels)
	};
}
// src/edit/engine.ts
var Ue = {
	only: null,
	locked: /* @__PURE__ */ new Set(),
	range: null
}, We = 2e6, Ge = class {
	mask;
	values;
	undoable = [];
	redoable = [];
	changes = null;
	stroke = null;
	touched = null;
	nRuns = 0;
	protectedLabels = /* @__PURE__ */ new Set();
	nOutside = 0;
	counts = /* @__PURE__ */ new Float64Array(65536);
	constructor(e, t = () => null) {
		this.mask = e, this.values = t;
		let { counts: n } = this, { voxels: r } = e;
		for (let e = 0; e < r.length; e++) n[r[e]] += 1;
	}
	get canUndo() {
		return this.undoable.length > 0;
	}
	get canRedo() {
		return this.redoable.length > 0;
	}
	get done() {
		return this.undoable;
	}
	get isDrawing() {
		return this.stroke !== null;
	}
	begin(e, t, n = Ue) {
		this.cancel(), this.stroke = {
			operation: e,
			label: t,
			rules: n
		}, this.protectedLabels.clear(), this.nOutside = 0, this.changes = /* @__PURE__ */ new Map();
	}
	paint(e) {
		if (!this.stroke || !this.changes) return;
		let { shape: t, voxels: n } = this.mask, { label: r, rules: i } = this.stroke;
		for (let a of e) {
			let [e, o, s] = a;
			if (e < 0 || o < 0 || s < 0 || e >= t[0] || o >= t[1] || s >= t[2]) continue;
			let c = e + t[0] * (o + t[1] * s), l = n[c];
			l !== r && this.allows(i, l, c) && (this.changes.set(c, l), this.set(c, r), this.touch(a, a));
		}
	}
	set(e, t) {
		--this.counts[this.mask.voxels[e]], this.counts[t] += 1, this.mask.voxels[e] = t;
	}
	allows(e, t, n) {
		if (e.locked.has(t) || e.only && !e.only.has(t)) return this.protectedLabels.add(t), !1;
		if (!e.range) return !0;
		let r = this.values()?.voxels[n], i = r !== void 0 && r >= e.range[0] && r <= e.range[1];
		return i || (this.nOutside += 1), i;
	}
	end() {
		let { stroke: e, changes: t } = this;
		if (this.stroke = this.changes = null, !e || !t?.size) return null;
		let n = {
			operation: e.operation,
			label: e.label,
			runs: fe(t, () => e.label)
		};
		return this.push(n), n;
	}
	push(e) {
		for (this.undoable.push(e), this.redoable = [], this.nRuns = this.undoable.reduce((e, { runs: t }) => e + t.length, 0); this.nRuns > We && this.undoable.length > 1;) this.nRuns -= this.undoable.shift().runs.length;
	}
	apply(e, t, n) {
		if (!n.length || this.isDrawing || !this.fits(n)) return null;
		this.write(n);
		let r = {
			operation: e,
			label: t,
			runs: n
		};
		return this.push(r), r;
	}
	fits(e) {
		let { voxels: t } = this.mask;
		return e.every(({ start: e, length: n, before: r }) => {
			for (let i = e; i < e + n; i++) if (t[i] !== r) return !1;
			return !0;
		});
	}
	cancel() {
		for (let [e, t] of this.changes ?? []) {
			this.set(e, t);
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
		let i = n === "undo" ? pe(r.runs) : r.runs;
		return this.write(i), {
			operation: n,
			label: r.label,
			runs: i
		};
	}
	write(e) {
		let [t, n] = this.mask.shape;
		for (let { start: r, length: i, before: a, after: o } of e) {
			this.counts[a] -= i, this.counts[o] += i, this.mask.voxels.fill(o, r, r + i);
			let e = r + i - 1, [s, c] = [Math.floor(r / t), Math.floor(e / t)], [l, u] = [Math.floor(s / n), Math.floor(c / n)];
			s === c ? this.touch([
				r % t,
				s % n,
				l
			], [
				e % t,
				c % n,
				u
			]) : l === u ? this.touch([
				0,
				s % n,
				l
			], [
				t - 1,
				c % n,
				u
			]) : this.touch([
				0,
				0,
				l
			], [
				t - 1,
				n - 1,
				u
			]);
		}
	}
	remember(e) {
		for (let { operation: t, label: n, runs: r } of e) t === "undo" ? this.redoable.push(this.undoable.pop() ?? {
			operation: "brush",
			label: n,
			runs: pe(r)
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
	replay(e) {
		this.write(e.runs), this.remember([e]);
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
}, Ke = "";
function O(e) {
	try {
		let t = JSON.parse(localStorage.getItem(e) ?? "{}");
		return t && typeof t == "object" ? t : {};
	} catch {
		return {};
	}
}
function k(e, t) {
	try {
		t ? localStorage.setItem(e, JSON.stringify(t)) : localStorage.removeItem(e);
	} catch {}
}
function A(e, t) {
	return [...e].flatMap((e) => e === 0 ? [Ke] : t.filter((t) => t.index === e).map(({ name: e }) => e));
}
function j(e, t) {
	return new Set(e.flatMap((e) => e === Ke ? [0] : t.filter((t) => t.name === e).map(({ index: e }) => e)));
}
var qe = ({ project: e, unit: t }) => `segloop:editing:${e ?? ""}:${t}`;
function Je(e, t) {
	let { draft: n, label: r, chosen: i, locked: a, tool: o, ...s } = O(qe(e)), c = e.labels.find(({ name: e }) => e === r);
	return {
		...s,
		...c && { label: c.index },
		...i && { chosen: j(i, e.labels) },
		...a && { locked: j(a, e.labels) },
		...o && n === t && { tool: o }
	};
}
function Ye(e, t, n) {
	let { label: r, chosen: i, locked: a, ...o } = n;
	k(qe(e), {
		...o,
		draft: t,
		label: A([r], e.labels)[0] ?? "",
		chosen: A(i, e.labels),
		locked: A(a, e.labels)
	});
}
var Xe = (e) => `segloop:active:${e}`;
function Ze(e) {
	let { ms: t } = O(Xe(e));
	return typeof t == "number" && t >= 0 ? t : 0;
}
function Qe(e, t) {
	k(Xe(e), t === null ? null : { ms: t });
}
var $e = ({ unit: e }) => `segloop:view:${e}`;
function et(e) {
	return O($e(e));
}
function tt(e, { preset: t, width: n, level: r, isOutline: i, is3d: a }) {
	k($e(e), {
		preset: t,
		width: n,
		level: r,
		isOutline: i,
		is3d: a
	});
}
var nt = class {
	names;
	key;
	constructor({ volumeId: e }) {
		this.key = `segloop:hidden:${e}`, this.names = new Set(O(this.key).names ?? []);
	}
	among(e) {
		return j([...this.names], e);
	}
	set(e, t) {
		e && (t ? this.names.add(e.name) : this.names.delete(e.name), this.keep());
	}
	showAll() {
		this.names.clear(), this.keep();
	}
	keep() {
		k(this.key, this.names.size ? { names: [...this.names] } : null);
	}
}, M = "entries";
function rt() {
	return new Promise((e, t) => {
		let n = indexedDB.open("segloop", 1);
		n.onupgradeneeded = () => n.result.createObjectStore(M, { keyPath: [
			"draft",
			"sequence",
			"hash"
		] }), n.onsuccess = () => e(n.result), n.onerror = () => t(n.error ?? /* @__PURE__ */ Error("IndexedDB"));
	});
}
function N(e) {
	return new Promise((t, n) => {
		e.onsuccess = () => t(e.result), e.onerror = () => n(e.error ?? /* @__PURE__ */ Error("IndexedDB"));
	});
}
var it = class {
	draft;
	volume;
	database;
	constructor(e, t) {
		this.draft = e, this.volume = t, this.database = rt().catch(() => null);
	}
	put(e) {
		this.write((t) => t.put({
			...e,
			draft: this.draft,
			volume: this.volume
		}));
	}
	delete({ sequence: e, hash: t }, n = this.draft) {
		this.write((r) => r.delete([
			n,
			e,
			t
		]));
	}
	async list() {
		let e = await this.database;
		return e ? this.read(e, IDBKeyRange.bound([this.draft], [this.draft, []])) : [];
	}
	async listOthers() {
		let e = await this.database, t = /* @__PURE__ */ new Map();
		for (let n of e ? await this.read(e) : []) n.draft !== this.draft && n.volume === this.volume && t.set(n.draft, [...t.get(n.draft) ?? [], n]);
		return t;
	}
	async read(e, t) {
		try {
			return await N(e.transaction(M).objectStore(M).getAll(t));
		} catch {
			throw new h("Strokes that this browser may have kept can't be read. Close other tabs of this case, and reload.");
		}
	}
	async write(e) {
		try {
			let t = await this.database;
			t && await N(e(t.transaction(M, "readwrite", { durability: "strict" }).objectStore(M)));
		} catch (e) {
			console.warn("An edit could not be kept in this browser; it is being sent all the same.", e);
		}
	}
}, P = {
	axial: [],
	coronal: [],
	sagittal: []
}, F = {
	whole: !1,
	labels: null,
	...P
};
function I(e) {
	return e.name.toLowerCase();
}
function L(e, t, n) {
	let r = [];
	for (let [i, a] of [...e, [Math.min(t, n), Math.max(t, n)]].sort((e, t) => e[0] - t[0])) {
		let e = r.at(-1);
		e && i <= e[1] + 1 ? e[1] = Math.max(e[1], a) : r.push([i, a]);
	}
	return r;
}
function at(e, t) {
	return e.flatMap(([e, n]) => e <= t && t <= n ? [[e, t - 1], [t + 1, n]].filter(([e, t]) => e <= t) : [[e, n]]);
}
function R(e, t) {
	return e.some(([e, n]) => e <= t && t <= n);
}
function z(e) {
	return e.reduce((e, [t, n]) => e + n - t + 1, 0);
}
function ot(e, t, n, r) {
	if (e.whole || R(e[t], n)) return !0;
	let i = {
		axial: r[2],
		coronal: r[1],
		sagittal: r[0]
	};
	return Object.keys(i).some((n) => n !== t && z(e[n]) === i[n]);
}
function st(e, t, n) {
	return Object.keys(P).some((r) => t[r].every(([t, i]) => {
		for (let a = t; a <= i; a++) if (!ot(e, r, a, n)) return !1;
		return !0;
	}));
}
function ct(e) {
	return e.labels?.length === 0 || !e.whole && !z(e.axial) && !z(e.coronal) && !z(e.sagittal);
}
function lt(e) {
	return e.map(([e, t]) => e === t ? `${e + 1}` : `${e + 1}-${t + 1}`).join(", ");
}
function ut(e) {
	if (e.whole) return "whole volume";
	let t = [
		"axial",
		"coronal",
		"sagittal"
	].filter((t) => z(e[t])).map((t) => `${z(e[t])} ${t}`);
	return t.length ? t.join(", ") : "nothing yet";
}
function dt(e, [t, n]) {
	let r = {
		axial: /* @__PURE__ */ new Set(),
		coronal: /* @__PURE__ */ new Set(),
		sagittal: /* @__PURE__ */ new Set()
	};
	for (let { start: i, length: a } of e) for (let e = Math.floor(i / t); e * t < i + a; e++) {
		r.axial.add(Math.floor(e / n)), r.coronal.add(e % n);
		let [o, s] = [Math.max(i, e * t), Math.min(i + a, (e + 1) * t)];
		if (s - o !== t || r.sagittal.size !== t) for (let e = o; e < s; e++) r.sagittal.add(e % t);
	}
	return r;
}
function ft(e, t, n) {
	let r = dt(t, n), i = (t) => [...r[t]].reduce((e, t) => R(e, t) ? e : L(e, t, t), e[t]);
	return {
		axial: i("axial"),
		coronal: i("coronal"),
		sagittal: i("sagittal")
	};
}
// src/edit/menus.ts
function B(e, t, n) {
	let r = _("button", {
		type: "button",
		title: t
	}, e);
	return r.addEventListener("click", n), r;
}
function V(e, t, n = {}) {
	return _("input", {
		type: "number",
		value: t,
		"aria-label": e,
		...n
	});
}
var H = class {
	title = _("summary");
	node;
	constructor(e, t) {
		this.title.setAttribute("aria-label", e), t.classList.add("menu-card"), this.node = _("details", { class: "menu" }, this.title, t), this.node.addEventListener("toggle", () => {
			t.classList.remove("leftwards");
			let e = this.node.closest(".sv")?.getBoundingClientRect().right ?? Infinity;
			t.classList.toggle("leftwards", t.getBoundingClientRect().right > e);
		});
	}
	show(e) {
		this.title.textContent !== e && (this.title.textContent = e);
	}
	close() {
		let e = this.node.getRootNode(), t = this.node.open && this.node.contains(e.activeElement);
		this.node.open = !1, t && this.title.focus({ preventScroll: !0 });
	}
}, pt = [
	["everything", "everything unlocked"],
	["background", "background only"],
	["chosen", "chosen labels"]
], mt = class {
	over = _("select", { "aria-label": "Paint over" }, ...pt.map(([e, t]) => _("option", { value: e }, t)));
	checks;
	list;
	menu;
	constructor(e, t) {
		let n = [{
			index: 0,
			name: "background"
		}, ...t];
		this.checks = n.map(({ index: e, name: t }) => [e, _("input", {
			type: "checkbox",
			"aria-label": `Paint over ${t}`
		})]), this.list = _("div", { class: "checks" }, ...this.checks.map(([, e], t) => _("label", {}, e, _("span", {}, n[t].name)))), this.over.addEventListener("change", () => e.change({ over: this.over.value }));
		for (let [, t] of this.checks) t.addEventListener("change", () => e.change({ chosen: new Set(this.checks.filter(([, e]) => e.checked).map(([e]) => e)) }));
		this.menu = new H("What may be painted over", _("div", {}, _("label", {}, _("span", {}, "Paint over"), this.over), this.list, _("p", {}, "Locked and hidden labels are never changed. Lock a label in the list at the right.")));
	}
	show({ over: e, chosen: t, locked: n }) {
		this.over.value = e, this.list.hidden = e !== "chosen";
		for (let [e, n] of this.checks) n.checked = t.has(e);
		let r = e === "chosen" ? `${t.size} chosen` : e;
		this.menu.show(`Over: ${r}${n.size ? `, ${n.size} locked` : ""}`);
	}
}, ht = class {
	smooth = V("Smoothing radius in mm", "2", {
		min: "0.5",
		max: "20",
		step: "0.5"
	});
	islands = V("Smallest piece to keep, in voxels", "", {
		min: "1",
		placeholder: "largest"
	});
	plane = _("input", {
		type: "checkbox",
		"aria-label": "Fill holes slice by slice"
	});
	name = _("strong");
	menu;
	constructor(e) {
		let t = (t) => () => {
			this.menu.close(), e.shape(t, this.settings());
		}, n = (t) => () => {
			this.menu.close(), e.copySlice(t);
		}, r = (...e) => _("div", { class: "line" }, ...e);
		this.menu = new H("Tools for the chosen label", _("div", {}, _("p", {}, "For ", this.name, ", in the plane in use where it matters:"), r(B("Interpolate", "Fill in between the slices that you drew in this plane; without any, between slices that have the label", t("interpolate"))), r(B("Copy from slice below", "Bring the label over from one slice lower", n(-1)), B("Copy from slice above", "Bring the label over from one slice higher", n(1))), r(B("Smooth", "Smooth the outline in 3D", t("smooth")), this.smooth, "mm"), r(B("Remove islands", "Keep the largest piece, or all pieces that are large enough", t("islands")), "smaller than", this.islands, "voxels"), r(B("Fill holes", "Fill what the label encloses", t("holes")), _("label", {}, this.plane, _("span", {}, "slice by slice"))))), this.menu.show("Label tools");
	}
	show(e) {
		this.name.textContent = e;
	}
	settings() {
		let e = this.islands.valueAsNumber;
		return {
			smoothMm: this.smooth.valueAsNumber || 2,
			minVoxels: Number.isNaN(e) ? null : Math.max(1, Math.round(e)),
			isHolesInPlane: this.plane.checked
		};
	}
}, gt = class {
	host;
	from = V("First slice", "1", { min: "1" });
	to = V("Last slice", "1", { min: "1" });
	all = _("input", {
		type: "checkbox",
		"aria-label": "All labels reviewed"
	});
	checks;
	list;
	said = _("div", { class: "said" });
	plane = _("span");
	menu;
	constructor(e, t) {
		this.host = e, this.checks = t.map(({ index: e, name: t }) => [e, _("input", {
			type: "checkbox",
			"aria-label": `${t} reviewed`
		})]), this.list = _("div", { class: "checks" }, ...this.checks.map(([, e], n) => _("label", {}, e, _("span", {}, t[n].name))));
		let n = () => e.reviewLabels(this.all.checked ? null : this.checks.filter(([, e]) => e.checked).map(([e]) => e));
		this.all.addEventListener("change", n);
		for (let [, e] of this.checks) e.addEventListener("change", n);
		this.menu = new H("Reviewed region", _("div", {}, _("p", {}, "What you vouch for. What you do not mark counts as not looked at, and never as background."), _("div", { class: "line" }, this.plane, " slices", this.from, "to", this.to, B("Mark range", "You vouch for these slices", () => e.reviewRange(this.from.valueAsNumber - 1, this.to.valueAsNumber - 1))), _("div", { class: "line" }, B("Mark edited slices", "You vouch for the slices of this plane that you edited", () => e.reviewEdited()), B("Whole volume", "You vouch for every slice", () => e.reviewWhole()), B("Nothing", "Take all marks back", () => e.reviewNothing())), _("div", { class: "line" }, _("label", {}, this.all, _("span", {}, "all labels"))), this.list, this.said));
	}
	show(e, t, n, r, i) {
		this.plane.textContent = n[0].toUpperCase() + n.slice(1), this.to.max = this.from.max = String(i), this.menu.node.open || (this.from.value = this.to.value = String(r + 1)), this.all.checked = e.labels === null, this.list.hidden = e.labels === null;
		for (let [t, n] of this.checks) n.checked = e.labels?.includes(t) ?? !0;
		this.menu.show(`Reviewed: ${ut(e)}${e.labels ? `, ${e.labels.length} labels` : ""}`);
		let a = [
			"axial",
			"coronal",
			"sagittal"
		].flatMap((n) => [...z(e[n]) ? [_("div", {}, `Reviewed ${n}: ${lt(e[n])}`)] : [], ...z(t[n]) ? [this.editedRow(n, t, e)] : []]);
		this.said.replaceChildren(...a);
	}
	editedRow(e, t, n) {
		let r = t[e].map(([t, r]) => {
			let i = B(t === r ? `${t + 1}` : `${t + 1}-${r + 1}`, "Go there", () => this.host.goTo(e, t));
			return i.className = !n.whole && Array.from({ length: r - t + 1 }, (e, n) => t + n).some((t) => !R(n[e], t)) ? "slice open" : "slice", i;
		});
		return _("div", { class: "slices" }, `Edited ${e}: `, ...r);
	}
}, _t = class {
	node = _("div", {
		class: "question",
		role: "dialog",
		hidden: ""
	});
	ask(e, t, n) {
		this.node.setAttribute("aria-label", e), this.node.replaceChildren(_("strong", {}, e), _("span", {}, t), ...n.map(({ text: e, title: t, run: n }) => B(e, t, () => {
			this.node.hidden = !0, n();
		}))), this.node.hidden = !1;
	}
	takeBack(e) {
		this.node.getAttribute("aria-label") === e && (this.node.hidden = !0);
	}
};
function vt(e, t, { region: n, edited: r, plane: i, shape: a }) {
	let o = ct(n);
	if (!o && st(n, r, a)) {
		t.finalize();
		return;
	}
	let s = (e) => () => {
		e(), t.finalize();
	}, c = z(r[i]);
	e.ask(o ? "Which part have you looked at, and vouch for?" : "Some of your edits lie outside of what is marked as reviewed. What do you vouch for?", "The model learns only from what you vouch for; the rest counts as unknown.", [
		{
			text: "Whole volume",
			title: "Every slice and label is as it should be",
			run: s(() => t.reviewWhole())
		},
		...c ? [{
			text: `The ${c} edited ${i} slices${o ? "" : " too"}`,
			title: o ? "Only these slices" : "These, and what is marked",
			run: s(() => t.reviewEdited())
		}] : [],
		{
			text: o ? "Nothing yet" : "Only what is marked",
			title: o ? "Keep the mask, without a word for it" : "The other edits stay in the mask, without a word for them",
			run: s(() => void 0)
		},
		{
			text: "Cancel",
			title: "Go on editing",
			run: () => void 0
		}
	]);
}
// src/edit/settings.ts
var U = [
	[
		"look",
		"Look",
		"Move the crosshair",
		"Escape"
	],
	[
		"brush",
		"Brush",
		"Paint with the chosen label",
		"b"
	],
	[
		"erase",
		"Erase",
		"Paint background",
		"e"
	],
	[
		"lasso",
		"Lasso",
		"Fill what you draw around",
		"l"
	],
	[
		"polygon",
		"Polygon",
		"Click corners; double click, Enter or a click on the first corner fills it; Backspace takes one back",
		"p"
	],
	[
		"fill",
		"Fill",
		"Give the whole region of one label in this slice the chosen label",
		"f"
	],
	[
		"grow",
		"Grow",
		"Click into a structure: the chosen label grows through similar values",
		"w"
	],
	[
		"pick",
		"Pick",
		"Choose the label under the pointer",
		"k"
	]
], yt = /* @__PURE__ */ new Set([
	"brush",
	"erase",
	"grow"
]);
function bt(e) {
	return {
		tool: "look",
		label: e,
		sizeMm: 5,
		growMm: 20,
		isBall: !1,
		over: "everything",
		chosen: /* @__PURE__ */ new Set([0]),
		locked: /* @__PURE__ */ new Set(),
		isRanged: !1,
		range: [-100, 300]
	};
}
// src/edit/panel.ts
var xt = {
	saved: "All changes saved",
	saving: "Saving ...",
	offline: "No connection: changes are kept in this browser and sent as soon as it is back.",
	signed_out: "Your sign-in has ended: sign in again in another tab. Changes are kept here and sent then.",
	no_access: "NOT SAVED: you may not edit here any more. Your last changes are kept in this browser.",
	conflict: "NOT SAVED: this draft was changed in another window. Reload the page; your last strokes are kept and added again.",
	closed: "NOT SAVED: this draft was finished or given up elsewhere. Reload the page.",
	not_yours: "NOT SAVED: this draft belongs to somebody else. Go back and open your own.",
	refused: "NOT SAVED: the server refuses the last edit. Reload the page, and tell operations."
}, St = class {
	host;
	labels;
	tools = U.map(([e, t, n, r]) => B(t, `${n} (${r === "Escape" ? "Esc" : r.toUpperCase()})`, () => this.host.change({ tool: e })));
	label = _("select", { "aria-label": "Label to draw" });
	size = V("Brush radius in mm", "5", {
		min: "0",
		max: "100",
		step: "1"
	});
	ball = _("input", {
		type: "checkbox",
		"aria-label": "Brush is a ball"
	});
	ranged = _("input", {
		type: "checkbox",
		"aria-label": "Paint only values in the range"
	});
	low = V("Lowest value", "", { step: "10" });
	high = V("Highest value", "", { step: "10" });
	undo = B("Undo", "Undo (Ctrl+Z)", () => this.host.undo());
	redo = B("Redo", "Redo (Ctrl+Y)", () => this.host.redo());
	slice = B("Slice reviewed", "You vouch for this slice of the plane in use (V)", () => this.host.reviewSlice());
	done = B("Finalize", "Make a new version of the mask", () => vt(this.question, this.host, this.shown));
	said = _("span", {
		class: "saved",
		role: "status"
	});
	note = _("span", {
		class: "note",
		role: "status"
	});
	over;
	shape;
	review;
	question = new _t();
	settings = null;
	shown = null;
	rows;
	constructor(e, t, n) {
		this.host = e, this.labels = t, this.over = new mt(e, t), this.shape = new ht(e), this.review = new gt(e, t), this.label.append(...t.map(({ index: e, name: t }) => _("option", { value: String(e) }, t))), this.label.addEventListener("change", () => e.change({ label: Number(this.label.value) })), this.size.addEventListener("input", () => {
			this.size.value !== "" && e.change(this.settings?.tool === "grow" ? { growMm: this.size.valueAsNumber } : { sizeMm: this.size.valueAsNumber });
		}), this.ball.addEventListener("change", () => e.change({ isBall: this.ball.checked })), this.ranged.addEventListener("change", () => e.change({ isRanged: this.ranged.checked }));
		for (let t of [this.low, this.high]) t.addEventListener("input", () => {
			let t = [this.low.valueAsNumber, this.high.valueAsNumber];
			t.some(Number.isNaN) || e.change({ range: t });
		});
		this.done.classList.add("primary");
		let r = (e, t) => _("label", {}, _("span", {}, e), t);
		this.rows = _("div", { class: "editing" }, _("div", { class: "tools edit" }, _("span", { class: "group" }, ...this.tools), r("Label", this.label), r("Radius mm", this.size), _("label", {}, this.ball, _("span", {}, "3D")), this.undo, this.redo, this.note), _("div", { class: "tools edit" }, this.over.menu.node, _("label", { title: "Paint, fill and grow only where the CT's value lies in this range" }, this.ranged, _("span", {}, `only ${n}`)), this.low, "to", this.high, this.shape.menu.node, this.slice, this.review.menu.node, this.done, this.said), this.question.node);
	}
	get menus() {
		return [
			this.over.menu,
			this.shape.menu,
			this.review.menu
		];
	}
	closeMenus(e) {
		for (let t of this.menus) e.includes(t.node) || t.close();
	}
	show(e, t) {
		this.settings = e, this.shown = t, U.forEach(([t], n) => this.tools[n].setAttribute("aria-pressed", String(t === e.tool))), this.label.value = String(e.label);
		let n = e.tool === "grow" ? e.growMm : e.sizeMm;
		this.size.valueAsNumber !== n && (this.size.value = String(n)), this.size.disabled = e.tool !== "look" && !yt.has(e.tool), this.ball.checked = e.isBall, this.ranged.checked = e.isRanged, this.low.valueAsNumber !== e.range[0] && (this.low.value = String(e.range[0])), this.high.valueAsNumber !== e.range[1] && (this.high.value = String(e.range[1])), this.low.disabled = this.high.disabled = !e.isRanged, this.over.show(e), this.shape.show(this.labels.find(({ index: t }) => t === e.label)?.name ?? ""), this.review.show(t.region, t.edited, t.plane, t.slice, t.nSlices), this.undo.disabled = !t.canUndo || t.isBusy, this.redo.disabled = !t.canRedo || t.isBusy, this.done.disabled = t.isBusy;
	}
	tell(e) {
		this.said.textContent = xt[e], this.said.classList.toggle("error", !["saved", "saving"].includes(e)), this.said.dataset.state = e;
	}
	ask(e, t, n) {
		this.question.ask(e, t, n);
	}
	tellNoAccess(e, t) {
		this.ask(S.noAccess, `${S.noAccessWhy} ${S.noAccessKept(e)}`, [{
			text: "Try again",
			title: "Ask whether you may edit here now",
			run: t
		}, {
			text: "Close",
			title: "It is tried again from time to time",
			run: () => void 0
		}]);
	}
	takeBackNoAccess() {
		this.question.takeBack(S.noAccess);
	}
	say(e) {
		this.note.textContent = e;
	}
};
// src/edit/shapes.ts
function Ct(e, t, n) {
	e += 1e-4;
	let r = t.map((t, r) => n?.normal === r ? 0 : Math.floor(e / t)), i = [];
	for (let n = -r[2]; n <= r[2]; n++) for (let a = -r[1]; a <= r[1]; a++) for (let o = -r[0]; o <= r[0]; o++) (o * t[0]) ** 2 + (a * t[1]) ** 2 + (n * t[2]) ** 2 <= e ** 2 && i.push([
		o,
		a,
		n
	]);
	return i;
}
function wt(e, t) {
	let n = Math.max(1, ...e.map((e, n) => Math.abs(t[n] - e)));
	return Array.from({ length: n + 1 }, (r, i) => e.map((e, r) => Math.round(e + (t[r] - e) * i / n)));
}
function Tt(e, t) {
	let { across: n, up: r } = t, i = /* @__PURE__ */ new Map(), a = (e) => {
		i.set(e.join(), e);
	};
	e.forEach((t, n) => wt(t, e[(n + 1) % e.length]).forEach(a));
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
function Et(e, t, n, r) {
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
// src/edit/pen.ts
var Dt = 8, Ot = class {
	app;
	host;
	last = null;
	corners = [];
	hovered = null;
	constructor(e, t) {
		this.app = e, this.host = t;
	}
	pointer(e, t, n, r) {
		let { engine: i, settings: a } = this.host;
		return this.hovered = t && {
			plane: e,
			voxel: t
		}, r === "hover" ? (a.tool !== "look" && this.app.draw(), !1) : a.tool === "look" || !i ? !1 : r === "double" ? (a.tool === "polygon" && this.close(), !0) : r === "down" && (n.button !== 0 || n.shiftKey || !t) ? !1 : (this.host.noteActivity(), r === "down" && !this.begin(e, t) || this.follow(i, e, t, n, r), !0);
	}
	begin(e, t) {
		let { engine: n, settings: r } = this.host;
		if (!n) return !1;
		if ((r.tool === "pick" || r.tool !== "polygon" && r.tool !== "grow") && (this.corners = []), r.tool === "pick") return this.host.pick(W(n, t)), !1;
		let i = this.host.refusal();
		if (i) return this.host.tell(i), !1;
		if (this.host.tell(""), r.tool === "grow") this.host.grow(t);
		else if (r.tool === "polygon") this.corner(e, t);
		else {
			let e = r.tool === "brush" && r.isRanged ? "threshold" : r.tool;
			return n.begin(e, this.label, this.host.rules()), this.last = null, !0;
		}
		return !1;
	}
	follow(e, t, n, r, i) {
		e.isDrawing && (i === "cancel" ? e.cancel() : n && this.draw(e, t, n, r, i), (i === "up" || i === "cancel") && (this.host.settings.tool === "lasso" && i === "up" && this.corners.length && e.paint(Tt(this.corners, t)), this.corners = [], this.finish(e)), this.host.showChanges());
	}
	finish(e) {
		let t = e.end();
		this.host.record(t), t || this.host.tell(this.host.whyNothing());
	}
	giveUp() {
		let { engine: e } = this.host, t = e?.isDrawing || this.corners.length > 0;
		return e?.isDrawing && (e.cancel(), this.host.showChanges()), this.corners = [], t;
	}
	key(e) {
		if (this.host.settings.tool !== "polygon" || !this.corners.length) return !1;
		if (e === "Enter") this.close();
		else if (e === "Backspace") this.corners.pop();
		else return !1;
		return this.app.draw(), !0;
	}
	get label() {
		return this.host.settings.tool === "erase" ? 0 : this.host.settings.label;
	}
	draw(e, t, n, r, i) {
		let { settings: a } = this.host;
		if (a.tool === "fill") {
			if (i !== "down") return;
			let r = W(e, n);
			e.paint(Et(n, e.mask.shape, t, (t) => W(e, t) === r));
			return;
		}
		let o = (r instanceof PointerEvent ? r.getCoalescedEvents?.() ?? [] : []).map((e) => this.app.voxelAt(t.index, e)).filter((e) => e !== null);
		for (let r of [...o, n]) a.tool === "lasso" ? this.corners.push(r) : this.stamp(e, t, this.last ?? r, r), this.last = r;
	}
	stamp(e, t, n, r) {
		let { sizeMm: i, isBall: a } = this.host.settings, o = Ct(i, this.app.store.scene.camera.spacing, a ? null : t);
		for (let [t, i, a] of wt(n, r)) e.paint(o.map(([e, n, r]) => [
			t + e,
			i + n,
			a + r
		]));
	}
	corner(e, t) {
		let n = this.corners[0];
		n && (n[e.normal] !== t[e.normal] || this.plane?.index !== e.index) && (this.corners = []), this.plane = e;
		let i = this.app.camera(), a = this.app.stage.viewOf(this.app.stage.panes[e.index], i), [o, s] = [this.corners[0] ?? t, t].map((e) => r(a, i, e));
		this.corners.length > 2 && Math.hypot(o[0] - s[0], o[1] - s[1]) < Dt ? this.close() : this.corners.push(t), this.app.draw();
	}
	plane = null;
	close() {
		let { engine: e } = this.host, [t, n] = [this.corners, this.plane], r = t.length < 3 ? null : this.host.refusal();
		r ? this.host.tell(r) : (this.corners = [], !e || !n || t.length < 3 || (e.begin("lasso", this.label, this.host.rules()), e.paint(Tt(t, n)), this.finish(e), this.host.showChanges()));
	}
	outline(e) {
		let t = this.app.camera(), { tool: n, sizeMm: i } = this.host.settings;
		if (!t || !this.hovered || this.hovered.plane.index !== e.plane.index) return [];
		if (n === "lasso" && this.corners.length > 1 || n === "polygon" && this.corners.length && this.plane?.index === e.plane.index) {
			let i = n === "polygon" ? [this.hovered.voxel] : [], a = [...this.corners, ...i].map((n) => r(e, t, n).join()).join(" ");
			return [g("polygon", {
				points: a,
				class: "brush"
			})];
		}
		if (n !== "brush" && n !== "erase") return [];
		let [a, o] = r(e, t, this.hovered.voxel);
		return [g("circle", {
			cx: String(a),
			cy: String(o),
			r: String(Math.max(1, i * e.pxPerMm)),
			class: "brush"
		})];
	}
};
function W({ mask: { shape: e, voxels: t } }, [n, r, i]) {
	return t[n + e[0] * (r + e[1] * i)];
}
// src/edit/editor.ts
var kt = 3e4, At = 3e4, jt = 1500, Mt = 60, G = "This draft can't be edited here any more; see at the right.", Nt = new Map(U.filter(([e]) => e !== "look").map(([e, , , t]) => [t, e])), Pt = /* @__PURE__ */ new Set([
	"brush",
	"lasso",
	"fill",
	"threshold",
	"copy"
]);
function Ft(e) {
	return e.reduce((e, { length: t }) => e + t, 0);
}
var It = class {
	app;
	draftId;
	onFinalized;
	panel;
	settings;
	engine = null;
	journal = null;
	keep;
	pen;
	isBusy = !1;
	activeMs;
	seenAt = 0;
	region = F;
	edited = P;
	settling = 0;
	url;
	constructor(e, t, n) {
		this.app = e, this.draftId = t, this.onFinalized = n, this.url = `${e.data.apiBase}/v1/drafts/${encodeURIComponent(t)}`, this.keep = new it(t, e.data.volumeId), this.settings = {
			...bt(e.data.labels[0]?.index ?? 1),
			...Je(e.data, t)
		}, this.activeMs = Ze(t), this.pen = new Ot(e, this), this.panel = new St(this, e.data.labels, e.data.unit), e.controls.row.after(this.panel.rows), e.onPointer = (e, t, n, r) => this.pen.pointer(e, t, n, r), e.onDecorate = (e) => this.pen.outline(e), e.root.addEventListener("keydown", this.onKey, { capture: !0 }), e.root.addEventListener("pointerdown", this.onPress, { capture: !0 }), window.addEventListener("beforeunload", this.onLeave), this.show();
	}
	destroy() {
		this.panel.rows.remove(), this.app.onPointer = this.app.onDecorate = null, this.app.root.removeEventListener("keydown", this.onKey, { capture: !0 }), this.app.root.removeEventListener("pointerdown", this.onPress, { capture: !0 }), window.removeEventListener("beforeunload", this.onLeave), clearTimeout(this.settling);
	}
	get vouched() {
		return {
			region: this.region,
			edited: this.edited
		};
	}
	async adopt(e) {
		let t = e.head ?? be, n = He(e, this.app.data.labels.map(({ index: e }) => e)), [r, i, a] = await Promise.all([
			Me(this.url, t),
			Ne(this.url),
			this.keep.list()
		]);
		this.region = i.reviewed ?? F, this.edited = i.edited;
		let o = new Ge(n, () => this.app.store.scene.full);
		o.remember(r);
		let s = new De(this.url, t, {
			fetch: (e, t) => fetch(e, {
				...t,
				signal: AbortSignal.timeout(At)
			}),
			wait: (e) => new Promise((t) => setTimeout(t, e)),
			onState: (e, t) => this.onState(e, t),
			keep: (e) => this.keep.put(e),
			drop: (e) => this.keep.delete(e)
		}), c = await Ie(this.url, a, o, s, this.taken, (e) => this.keep.delete(e));
		return c.region && (this.region = c.region), c.nEdits && this.settle(s), this.panel.say([c.nEdits ? `${c.nEdits} strokes that had not been saved were added again.` : "", c.isReviewLost ? "What you marked as reviewed before was not saved, and the mask has changed since: mark it again." : ""].join(" ").trim()), this.engine = o, this.journal = s, this.panel.tell(s.state), this.show(), this.offerStrays(o, s), n;
	}
	onState(e, t) {
		this.panel.tell(e), e === "no_access" ? this.panel.tellNoAccess(t, () => this.journal?.retry()) : this.panel.takeBackNoAccess();
	}
	get taken() {
		return /* @__PURE__ */ new Set([0, ...this.app.data.labels.map(({ index: e }) => e)]);
	}
	async offerStrays(e, t) {
		let n = [];
		for (let [e, t] of await this.keep.listOthers()) await ze(`${this.app.data.apiBase}/v1/drafts/${encodeURIComponent(e)}`).catch(() => !1) && n.push(...t.filter((e) => e.operation !== "review" && Le(this.taken, e)).map((t) => ({
			draft: e,
			entry: t
		})));
		let r = () => n.forEach(({ draft: e, entry: t }) => this.keep.delete(t, e));
		n.length && this.panel.ask(`${n.length} of your strokes were never saved`, "They were made on this case in this browser, and the edit they belong to was finished elsewhere before they arrived.", [
			{
				text: "Add them to this edit",
				title: "Wherever a voxel is still what it was then",
				run: () => {
					let i = n.filter(({ entry: n }) => Re(n, e, t)).length;
					r(), this.panel.say(`${i} strokes were added.`), this.showChanges(), this.settle(t), this.show();
				}
			},
			{
				text: "Not now",
				title: "Ask again next time",
				run: () => void 0
			},
			{
				text: "Forget them",
				title: "They are gone for good",
				run: r
			}
		]);
	}
	change(e) {
		e.tool && this.pen.giveUp(), Object.assign(this.settings, e), Ye(this.app.data, this.draftId, this.settings), (e.label !== void 0 || e.tool) && this.panel.say(""), (e.label !== void 0 || e.locked) && this.app.showLabelList(), this.show(), this.app.draw();
	}
	show() {
		let { plane: e } = this.app.active, { shape: t } = this.app.store.scene.camera;
		this.panel.show(this.settings, {
			canUndo: this.engine?.canUndo ?? !1,
			canRedo: this.engine?.canRedo ?? !1,
			isBusy: this.isBusy || !this.engine,
			region: this.region,
			edited: this.edited,
			plane: I(e),
			shape: t,
			slice: this.app.state.cross[e.normal],
			nSlices: t[e.normal]
		}), this.app.root.dataset.tool = this.settings.tool;
	}
	onKey = (e) => {
		let t = e.key.length === 1 ? e.key.toLowerCase() : e.key, n = e.composedPath().some((e) => e instanceof HTMLElement && e.matches("input:not([type=checkbox]), select"));
		(e.ctrlKey || e.metaKey ? this.chord(t, e.shiftKey) : !e.altKey && !n && this.press(t)) && (e.preventDefault(), e.stopPropagation());
	};
	chord(e, t) {
		return e !== "z" && e !== "y" ? !1 : (e === "y" || t ? this.redo() : this.undo(), !0);
	}
	press(e) {
		if (this.pen.key(e)) return !0;
		let t = Nt.get(e);
		if (t) this.change({ tool: t });
		else if (e === "[" || e === "]") this.change({ sizeMm: Math.max(0, this.settings.sizeMm + (e === "]" ? 1 : -1)) });
		else if (e === "v") this.reviewSlice();
		else if (e === "Escape" && this.settings.tool !== "look" && !this.app.isCardOpen) this.pen.giveUp() || this.change({ tool: "look" }), this.app.draw();
		else return !1;
		return !0;
	}
	onPress = (e) => this.panel.closeMenus(e.composedPath());
	onLeave = (e) => {
		this.journal && this.journal.state !== "saved" && e.preventDefault();
	};
	rules() {
		let { over: e, chosen: t, tool: n, label: r, isRanged: i, range: a } = this.settings, o = this.app.data.huOffset;
		return {
			only: e === "everything" ? null : e === "background" ? /* @__PURE__ */ new Set([n === "erase" ? r : 0]) : t,
			locked: /* @__PURE__ */ new Set([...this.settings.locked, ...this.app.state.hidden]),
			range: i ? [a[0] - o, a[1] - o] : null
		};
	}
	refusal() {
		let { tool: e, label: t } = this.settings;
		return this.isBusy ? "Wait a moment: a tool is at work." : !this.journal || this.journal.isStuck ? G : this.settings.isRanged && !this.app.store.isComplete() ? "The CT is still loading, and painting by value needs all of it. Wait a moment." : e === "erase" ? this.unhide() : this.settings.locked.has(t) ? `${this.nameOf(t)} is locked. Unlock it in the list at the right, or choose another label.` : this.app.state.hidden.has(t) ? `${this.nameOf(t)} is hidden. Show it in the list at the right first.` : this.unhide();
	}
	unhide() {
		return this.app.state.isMaskHidden && this.app.set({ isMaskHidden: !1 }), null;
	}
	tell(e) {
		this.panel.say(e);
	}
	pick(e) {
		e === 0 ? this.panel.say("There is no label here.") : this.change({
			label: e,
			tool: "brush"
		});
	}
	whyNothing() {
		let { protectedLabels: e, nOutside: t } = this.engine, n = [...e].map((e) => e ? this.nameOf(e) : "background").join(", ");
		return n ? `Nothing changed: ${n} may not be painted over (locked, hidden, or not chosen under Over).` : t ? `Nothing changed: no value here lies in the range of "only ${this.app.data.unit}".` : "";
	}
	record(e) {
		e && (this.journal?.edit(e), this.edited = ft(this.edited, e.runs, this.app.store.scene.camera.shape), (e.operation === "undo" || e.operation === "redo") && this.journal && this.settle(this.journal), this.app.showVolumes()), this.show();
	}
	showChanges() {
		let e = this.engine?.takeTouched();
		e ? this.app.updateMask(e) : this.app.draw();
	}
	undo() {
		this.step("undo");
	}
	redo() {
		this.step("redo");
	}
	step(e) {
		this.engine && this.journal && !this.isBusy && (this.journal.isStuck ? this.panel.say(G) : (this.noteActivity(), this.record(this.engine[e]()), this.showChanges()));
	}
	settle(e) {
		clearTimeout(this.settling), this.settling = window.setTimeout(() => {
			e.flush().then(async () => {
				let { hash: t, edited: n } = await Ne(this.url);
				t === e.next.hash && (this.edited = n, this.show(), this.app.draw());
			}).catch(() => void 0);
		}, jt);
	}
	noteActivity() {
		let e = performance.now();
		e - this.seenAt < kt && (this.activeMs += e - this.seenAt), this.seenAt = e, Qe(this.draftId, this.activeMs);
	}
	grow(e) {
		let { isRanged: t, range: n, growMm: r } = this.settings, { huOffset: i, unit: a } = this.app.data, o = this.app.store.valueOf(e);
		if (o === null) return;
		let [s, c] = t ? [n[0] - i, n[1] - i] : [o - Mt, o + Mt], l = `${s + i} to ${c + i} ${a}, at most ${r} mm away`;
		this.compute("grow", {
			seed: e,
			low_hu: s,
			high_hu: c,
			radius_mm: r
		}, l);
	}
	shape(e, { smoothMm: t, minVoxels: n, isHolesInPlane: r }) {
		let i = I(this.app.active.plane), a = {
			smooth: { radius_mm: t },
			islands: { min_voxels: n },
			holes: { plane: r ? i : null },
			interpolate: {
				plane: i,
				slices: this.drawnSlices(i)
			}
		}, o = this.refusal();
		o ? this.panel.say(o) : this.compute(e, a[e], "");
	}
	drawnSlices(e) {
		let { shape: t } = this.app.store.scene.camera, n = /* @__PURE__ */ new Set();
		for (let { operation: r, label: i, runs: a } of this.engine?.done ?? []) {
			if (i !== this.settings.label || !Pt.has(r)) continue;
			let o = dt(a, t)[e];
			o.size === 1 && n.add([...o][0]);
		}
		return n.size > 1 ? [...n].sort((e, t) => e - t) : null;
	}
	async compute(e, t, n) {
		let { engine: r, journal: i } = this, { label: a } = this.settings;
		if (r && i) {
			this.setBusy(!0), this.panel.say("Working ...");
			try {
				if (!await i.flush()) {
					this.panel.say("");
					return;
				}
				let o = this.rules(), s = [0, ...this.app.data.labels.map(({ index: e }) => e)].filter((e) => e !== a && !o.locked.has(e) && (!o.only || o.only.has(e))), c = await Pe(this.url, i.next, e, a, {
					...t,
					over: s
				}), l = r.apply(e, a, c);
				this.record(l), this.showChanges();
				let u = Ft(c);
				this.panel.say(l ? `${u.toLocaleString("en")} voxels changed${n && ` (${n})`}.` : `Nothing to change${n && ` (${n})`}.`);
			} catch (e) {
				this.panel.say(e instanceof Error ? e.message : String(e));
			} finally {
				this.setBusy(!1);
			}
		}
	}
	copySlice(e) {
		let { engine: t } = this, { plane: n } = this.app.active, r = this.refusal();
		if (!t || r) {
			this.panel.say(r ?? "");
			return;
		}
		let { shape: i, voxels: a } = t.mask, o = this.app.state.cross[n.normal], s = o + e, c = [];
		if (s >= 0 && s < i[n.normal]) for (let e = 0; e < i[n.up]; e++) for (let t = 0; t < i[n.across]; t++) {
			let r = [
				0,
				0,
				0
			];
			[r[n.across], r[n.up], r[n.normal]] = [
				t,
				e,
				s
			], a[r[0] + i[0] * (r[1] + i[1] * r[2])] === this.settings.label && (r[n.normal] = o, c.push(r));
		}
		t.begin("copy", this.settings.label, this.rules()), t.paint(c);
		let l = t.end();
		this.noteActivity(), this.record(l), this.showChanges();
		let u = this.nameOf(this.settings.label);
		l ? this.panel.say(`${Ft(l.runs).toLocaleString("en")} voxels of ${u} brought over from slice ${s + 1}.`) : c.length ? this.panel.say(this.whyNothing() || `Slice ${o + 1} has all of ${u} that slice ${s + 1} has.`) : this.panel.say(`Slice ${s + 1} has nothing of ${u} to bring over.`);
	}
	setBusy(e) {
		this.isBusy = e, this.show();
	}
	nameOf(e) {
		return this.app.data.labels.find(({ index: t }) => t === e)?.name ?? `Label ${e}`;
	}
	vouch(e) {
		this.isBusy ? this.panel.say("Wait a moment: a tool is at work.") : this.journal?.isOver && this.panel.say(G), !this.journal || this.journal.isOver || this.isBusy || JSON.stringify(e) === JSON.stringify(this.region) || (this.region = e, this.journal.add("review", 0, new TextEncoder().encode(JSON.stringify(e))), this.noteActivity(), this.show(), this.app.draw());
	}
	inUse() {
		let { plane: e } = this.app.active;
		return {
			plane: e,
			name: I(e),
			slice: this.app.state.cross[e.normal],
			n: this.app.store.scene.camera.shape[e.normal]
		};
	}
	reviewSlice() {
		let { name: e, slice: t } = this.inUse(), n = this.region[e];
		this.region.whole || this.vouch({
			...this.region,
			[e]: R(n, t) ? at(n, t) : L(n, t, t)
		});
	}
	reviewRange(e, t) {
		let { name: n, n: r } = this.inUse();
		Number.isNaN(e + t) || Math.min(e, t) < 0 || Math.max(e, t) >= r ? this.panel.say(`There are ${r} ${n} slices; give two numbers from 1 to ${r}.`) : this.vouch({
			...this.region,
			[n]: L(this.region[n], e, t)
		});
	}
	reviewEdited() {
		let { name: e } = this.inUse(), t = this.edited[e].reduce((e, [t, n]) => L(e, t, n), this.region[e]);
		this.vouch({
			...this.region,
			[e]: t
		});
	}
	reviewWhole() {
		this.vouch({
			...this.region,
			whole: !0
		});
	}
	reviewNothing() {
		this.vouch(F);
	}
	reviewLabels(e) {
		this.vouch({
			...this.region,
			labels: e
		});
	}
	goTo(e, t) {
		let n = [...this.app.state.cross];
		n[{
			sagittal: 0,
			coronal: 1,
			axial: 2
		}[e]] = t, this.app.moveTo(n);
	}
	async makeMask() {
		let { journal: e } = this;
		if (e) {
			this.setBusy(!0), this.panel.say("Making a new version of the mask ...");
			try {
				if (await e.flush()) {
					let t = await Fe(this.url, e.next, Math.round(this.activeMs / 1e3));
					Qe(this.draftId, null), this.onFinalized(t);
				} else this.panel.say("No new version was made.");
			} catch (e) {
				this.panel.say(e instanceof Error ? e.message : String(e));
			} finally {
				this.setBusy(!1);
			}
		}
	}
	finalize() {
		this.makeMask();
	}
};
// src/controls.ts
function K(e, t) {
	return _("label", {}, _("span", {}, e), t);
}
function q(e, t) {
	return e.append(...t.map(([e, t]) => _("option", { value: e }, t))), e;
}
var Lt = class {
	preset = q(_("select", { "aria-label": "Window preset" }), [
		...Object.keys(v),
		y,
		b
	].map((e) => [e, e]));
	width = _("input", {
		type: "number",
		min: "1",
		step: "10",
		"aria-label": "Window width"
	});
	level = _("input", {
		type: "number",
		step: "10",
		"aria-label": "Window level"
	});
	opacity = _("input", {
		type: "range",
		min: "0",
		max: "100",
		"aria-label": "Mask opacity"
	});
	style = q(_("select", { "aria-label": "Fill or outline" }), [["fill", "Fill"], ["outline", "Outline"]]);
	layout = q(_("select", { "aria-label": "Layout" }), [
		["all", "All planes"],
		["0", "Axial"],
		["1", "Coronal"],
		["2", "Sagittal"],
		["3d", "3D"]
	]);
	convention = q(_("select", {
		"aria-label": "Convention",
		class: "convention"
	}), [["1", S.radiological], ["0", S.neurological]]);
	solid = _("button", {
		type: "button",
		title: "3D view (D)"
	}, "3D");
	measure = _("button", {
		type: "button",
		title: "Drag to measure; Esc ends (M)"
	}, "Measure");
	reset = _("button", {
		type: "button",
		title: "Whole picture (0); Ctrl + wheel zooms"
	});
	help = _("button", {
		type: "button",
		"aria-label": "Keys and mouse",
		title: "Keys and mouse (?)"
	}, "?");
	row = _("div", { class: "tools" }, K("Window", this.preset), K("W", this.width), K("L", this.level), K("Mask", this.opacity), this.style, this.layout, this.convention, this.solid, this.measure, this.reset, this.help);
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
function Rt(e, t, n) {
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
function zt(e, t) {
	let [n, r, i] = e.shape, { voxels: a } = e, o = n * r, [s, c] = [-1, 0];
	for (let e = 0; e < i; e++) {
		let n = 0;
		for (let r = e * o, i = r + o; r < i; r++) a[r] === t && n++;
		n > c && ([s, c] = [e, n]);
	}
	return s < 0 ? null : Rt(e.shape, s, (e) => a[e] === t);
}
// src/hooks.ts
function Bt(e) {
	let t = (t) => e.stage.panes[t];
	return {
		app: e,
		hu: (t, n, r) => {
			let i = m(e.store.scene.full, [
				t,
				n,
				r
			]);
			return i === null ? null : i + e.data.huOffset;
		},
		label: (t, n, r) => m(e.store.scene.mask, [
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
		pointOf: (n, i) => {
			let a = e.stage.body.getBoundingClientRect(), { rect: o } = t(n), [s, c] = r(e.stage.viewOf(t(n), e.camera()), e.camera(), i);
			return [a.left + o[0] / e.stage.ratio + s, a.top + o[1] / e.stage.ratio + c];
		},
		voxelAt: (t, n, r) => e.voxelAt(t, {
			clientX: n,
			clientY: r
		})
	};
}
// src/keys.ts
var Vt = [
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
], Ht = [
	["B E L P F", "brush, erase, lasso, polygon, fill"],
	["W K", "grow from a click, pick a label"],
	["[ ]", "smaller, larger brush"],
	["V", "slice reviewed, or not"],
	["Ctrl+Z Ctrl+Y", "undo, redo"],
	["Enter Backspace", "close a polygon, take a corner back"],
	["Esc", "give up the stroke; back to looking"]
], Ut = [
	["click, drag", "move the crosshair"],
	["wheel", "slices"],
	["Ctrl + wheel", "zoom"],
	["right drag", "window: width across, level up and down"],
	["Shift or middle drag", "move the picture"],
	["double click", "this plane large, or all"]
];
function Wt(e, t) {
	for (let t of [
		"keydown",
		"keyup",
		"keypress"
	]) e.addEventListener(t, (e) => e.stopPropagation());
	e.addEventListener("keydown", (e) => {
		let n = e.target;
		if (e.ctrlKey || e.metaKey || e.altKey || n.closest("input[type=number], select") || n.closest("input") && /^(Arrow|Page|Home|End)/.test(e.key)) return;
		let r = e.key === "=" ? "+" : e.key.length === 1 ? e.key.toLowerCase() : e.key, i = Vt.find(([e]) => e.includes(r));
		i && t(i[2], r) && e.preventDefault();
	});
}
function Gt(e, t) {
	let n = (e) => e.map(([e, t]) => _("tr", {}, _("th", { scope: "row" }, e), _("td", {}, t))), r = (e) => e.map((e) => e.replace("Arrow", "").toUpperCase()).join(" ").replace("PAGEUP PAGEDOWN", "PgUp PgDn").replace("HOME END", "Home End").replace("UP DOWN", "↑ ↓").replace("ESCAPE", "Esc"), i = _("button", {
		type: "button",
		class: "close"
	}, "Close");
	return i.addEventListener("click", e), _("div", {
		class: "help",
		role: "dialog",
		"aria-label": "Keys and mouse"
	}, _("div", { class: "columns" }, _("table", {}, _("caption", {}, "Keys"), ...n(Vt.map(([e, t]) => [r(e), t]))), _("div", {}, _("table", {}, _("caption", {}, "Mouse"), ...n(Ut)), ...t ? [_("table", {}, _("caption", {}, "Editing"), ...n(Ht))] : [])), i);
}
// src/labels_panel.ts
function Kt(e, t, n) {
	if (!t) {
		e.replaceChildren();
		return;
	}
	let r = _("select", { "aria-label": S.comparing });
	for (let [e, n] of [
		["difference", S.difference],
		["both", S.both],
		["first", t[0]],
		["second", t[1]]
	]) r.append(_("option", { value: e }, n));
	r.value = n.comparing, r.addEventListener("change", () => n.choose(r.value));
	let i = _("button", { type: "button" }, S.nextDifference);
	i.addEventListener("click", () => n.next());
	let a = [
		["#4db359", S.agreement],
		["#f28c1f", S.onlyIn(t[0])],
		["#4080ff", S.onlyIn(t[1])],
		["#d940d9", S.otherLabel]
	], o = n.comparing === "difference" ? a : [];
	e.replaceChildren(_("div", { class: "choice" }, r, i), ...o.map(([e, t]) => _("span", {}, _("i", { style: `background:${e}` }), t)));
}
function qt(e) {
	let { settings: t } = e;
	return {
		isDrawn: (e) => t.label === e,
		draw: (t) => e.change({ label: t }),
		isLocked: (e) => t.locked.has(e),
		setLocked: (n, r) => {
			let i = [...t.locked].filter((e) => e !== n);
			e.change({ locked: new Set(r ? [...i, n] : i) });
		}
	};
}
function Jt(e) {
	return e == null ? "-" : `${e.toFixed(e < 10 ? 2 : 1)} ml`;
}
function Yt(e, t) {
	let [n, r, i] = re(e.color), a = _("input", {
		type: "checkbox",
		"aria-label": `Show ${e.name}`
	});
	a.checked = !t.isHidden(e.index), a.addEventListener("change", () => t.setHidden(e.index, !a.checked));
	let o = _("button", {
		class: "text",
		type: "button",
		title: `Go to ${e.name}`
	}, e.name);
	o.addEventListener("click", () => t.jumpTo(e.index));
	let s = `background:rgb(${n},${r},${i})`, c = _("span", { class: "ml" }, Jt(e.volume_ml)), l = {
		class: "row",
		"data-label": String(e.index)
	};
	if (!t.editing) return _("div", l, a, _("i", { style: s }), o, c);
	let u = _("button", {
		class: "swatch",
		type: "button",
		style: s,
		title: `Draw with ${e.name}`,
		"aria-label": `Draw with ${e.name}`
	}), { editing: d } = t;
	u.addEventListener("click", () => d.draw(e.index));
	let f = _("div", l, a, u, o, c, Xt(e, d));
	return f.classList.toggle("drawn", d.isDrawn(e.index)), f;
}
function Xt(e, t) {
	let n = t.isLocked(e.index), r = n ? "M4 7V5a3 3 0 0 1 6 0v2" : "M4 7V5a3 3 0 0 1 6 0", i = _("button", {
		class: "lock",
		type: "button",
		"aria-pressed": String(n),
		"aria-label": `Lock ${e.name}`,
		title: n ? `${e.name} is locked: nothing changes it` : `Lock ${e.name}, so that nothing changes it`
	}, g("svg", {
		viewBox: "0 0 14 14",
		width: "14",
		height: "14",
		"aria-hidden": "true"
	}, g("path", {
		d: r,
		fill: "none",
		stroke: "currentColor",
		"stroke-width": "1.6"
	}), g("rect", {
		x: "2",
		y: "7",
		width: "10",
		height: "6",
		rx: "1",
		fill: "currentColor"
	})));
	return i.addEventListener("click", () => t.setLocked(e.index, !n)), i;
}
function Zt(e, t) {
	for (let n of e.querySelectorAll("[data-label]")) n.querySelector(".ml").textContent = Jt(t(Number(n.dataset.label)));
}
function Qt(e, t, n) {
	let r = t.map((e) => Yt(e, n)), i = t.filter(({ index: e }) => n.isHidden(e)).length;
	if (i) {
		let e = _("button", { type: "button" }, S.showAll);
		e.addEventListener("click", () => n.showAll()), r.unshift(_("div", {
			class: "hidden-labels",
			role: "status"
		}, S.hiddenLabels(i), e));
	}
	let a = e.getRootNode(), o = a instanceof Document || a instanceof ShadowRoot ? a.activeElement : null, s = o && e.contains(o) ? o.getAttribute("aria-label") : null;
	e.replaceChildren(...r.length ? r : [_("div", { class: "none" }, S.noLabels)]), s && [...e.querySelectorAll("[aria-label]")].find((e) => e.getAttribute("aria-label") === s)?.focus();
}
// src/measure.ts
function J({ from: e, to: t }) {
	return Math.hypot(t[0] - e[0], t[1] - e[1]);
}
var $t = class {
	lines = [];
	open = null;
	drag(e, t, n, r) {
		t === "down" ? (this.open = {
			plane: e.plane.index,
			slice: r[e.plane.normal],
			from: n,
			to: n
		}, this.lines.push(this.open)) : this.open && (this.open.to = n), (t === "up" || t === "cancel") && (this.lines = this.lines.filter((e) => e !== this.open || J(e) > 0), this.open = null);
	}
	clear() {
		this.lines = [], this.open = null;
	}
	marks(e, t) {
		return this.lines.filter(({ plane: n, slice: r }) => n === e.plane.index && r === t[e.plane.normal]).flatMap((t) => {
			let [n, r] = a(e, ...t.from), [i, o] = a(e, ...t.to), s = g("text", {
				x: String(Math.max(n, i) + 6),
				y: String((n > i ? r : o) + 4)
			});
			return s.textContent = `${J(t).toFixed(1)} mm`, [g("line", {
				x1: String(n),
				y1: String(r),
				x2: String(i),
				y2: String(o)
			}), s];
		});
	}
}, en = 4284068685, tn = 4280257778, nn = 4294934592, rn = 4292427993, an = class {
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
	drawTile(e, t, n) {
		let { scene: r } = this, { view: o } = t, s = t.comparing ?? n.comparing;
		if (!r) return;
		let { shape: c, spacing: u } = r.camera, { across: d, up: f } = o.plane, p = a(o, 0, 0), m = a(o, c[d] * u[d], c[f] * u[f]), h = (t, r, i) => {
			this.fill(t, o.plane, o.isFlipped, l(c, t.shape, n.cross), i), e.imageSmoothingEnabled = r, e.drawImage(this.slice, Math.min(p[0], m[0]), m[1], Math.abs(m[0] - p[0]), p[1] - m[1]);
		}, g = r.full && r.nSlices === c[2] ? r.full : r.low;
		if (g) {
			let e = 255 / (n.range[1] - n.range[0]);
			h(g, n.isSmooth, (t) => {
				let r = Math.min(255, Math.max(0, Math.round((g.voxels[t] - n.range[0]) * e)));
				return (255 << 24 | r << 16 | r << 8 | r) >>> 0;
			});
		}
		let _ = s === "difference" ? r.compared : null, v = s === "second" && r.compared ? r.compared : r.mask;
		if (!v || n.opacity === 0) return;
		e.globalAlpha = n.opacity;
		let y = (e) => n.colors[e];
		_ ? h(v, !1, (e) => {
			let t = y(v.voxels[e]) ? v.voxels[e] : 0, n = y(_.voxels[e]) ? _.voxels[e] : 0;
			return !t && !n ? 0 : t === n ? en : t && n ? rn : t ? tn : nn;
		}) : h(v, !1, (e, r, a) => !i(t, n) && (r + a) % 4 > 1 ? 0 : y(v.voxels[e]));
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
}, on = 3;
function Y(e) {
	let t = new an();
	return e.setCanvas(t.canvas), t;
}
async function sn(e, t) {
	if (t > on || !("WebGL2RenderingContext" in window)) return {
		renderer: Y(e),
		why: S.plain
	};
	let n = document.createElement("canvas");
	try {
		let { NiivuePlanes: t } = await import("./adapter-CfimoDAC.js");
		return e.setCanvas(n), {
			renderer: await t.create(n),
			why: ""
		};
	} catch (t) {
		return console.warn(t), n.remove(), {
			renderer: Y(e),
			why: S.plain
		};
	}
}
// src/strip.ts
var cn = 5;
function ln(e, t, n, { region: r, edited: i }) {
	let a = I(e.plane), o = n[e.plane.normal], s = t[e.plane.normal], c = e.width / o, l = (e, t, n) => e.map(([e, r]) => g("rect", {
		class: t,
		x: String(e * c),
		width: String(Math.max(1, (r - e + 1) * c)),
		y: String(n),
		height: String(cn)
	})), u = ot(r, a, s, n), d = g("text", {
		class: u ? "vouched" : "unvouched",
		x: "6",
		y: "34"
	});
	return d.textContent = u ? S.reviewedLabels(r.labels?.length ?? null) : S.notReviewed, [
		g("rect", {
			class: "track",
			x: "0",
			width: String(e.width),
			y: String(e.height - 10),
			height: "10"
		}),
		...l(r.whole ? [[0, o - 1]] : r[a], "reviewed", e.height - cn),
		...l(i[a], "edited", e.height - 10),
		g("rect", {
			class: "now",
			x: String(Math.max(0, (s + .5) * c - 1)),
			width: "2",
			y: String(e.height - 10),
			height: "10"
		}),
		d
	];
}
// src/voxels.ts
function X(e, t, n, r, i) {
	let a = i ? `?ticket=${encodeURIComponent(i)}` : "";
	return `${e.apiBase}/v1/${t}/${encodeURIComponent(n)}/levels/${r}${a}`;
}
async function un(e, t, n) {
	let r = (t) => X(e, "volumes", e.volumeId, t, e.volumeTicket), i = d(r(2), t).catch(() => null);
	n.onGeometry(await u(r(0), t));
	let a = await i;
	return a && !t.aborted && await n.onLow(a), d(r(0), t, (e, r) => {
		t.aborted || n.onSlices(e, r);
	});
}
async function dn(e, t, n, r, i, a, o) {
	let s = await d(X(e, t, n, 0, r), a, (e, t) => o(t / e.shape[2])), c = p(s, i);
	if (c) throw new h(c);
	return s;
}
// src/solid.ts
var fn = [150, 1400], pn = class {
	host;
	message = _("div", { class: "message" }, S.loadingSolid);
	made = null;
	solid = null;
	mask = null;
	colors = null;
	nClosed = 0;
	constructor(e) {
		this.host = e, e.append(_("div", { class: "name" }, "3D"), this.message);
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
		this.message.hidden = !1, this.message.textContent = S.loadingSolid;
		try {
			let { Solid: n } = await import("./three_d-B2dBh39J.js"), r = await d(X(e, "volumes", e.volumeId, 1, e.volumeTicket), AbortSignal.timeout(12e4));
			if (t !== this.nClosed) return null;
			let i = await n.create(this.host), [a, o] = c(r), s = e.unit === "HU" ? fn.map((t) => t - e.huOffset) : [a + (o - a) / 3, o];
			return i.setVolume(r, s), i.canvas.addEventListener("webglcontextlost", () => {
				this.solid === i && this.close();
			}), this.solid = i, this.message.hidden = !0, i;
		} catch (e) {
			return console.error(e), this.message.textContent = e instanceof h ? e.message : S.noSolid, this.made = null, null;
		}
	}
}, mn = 720, Z = [
	"A",
	"C",
	"S",
	"a",
	"c",
	"s"
], Q = 9;
function hn(e, t) {
	let n = g("path", { class: "cross" }), r = g("g", { class: "marks" }), i = g("svg", {
		class: "overlay",
		"aria-hidden": "true"
	}, n, r), a = [
		0,
		1,
		2,
		3
	].map((e) => _("div", { class: `letter l${e}` })), o = _("div", { class: "name" }, e.name), s = _("div", {
		class: "surface",
		tabindex: "0",
		role: "img",
		"data-plane": e.name.toLowerCase() + (t ? "-second" : ""),
		"aria-label": `${e.name} plane${t ? " of the second mask" : ""}; arrow up and down change the slice, ? shows all keys`
	}, i, o, ...a), c = _("input", {
		type: "range",
		min: "0",
		max: "0",
		value: "0",
		"aria-label": t ? `Slice of the second mask, ${e.name.toLowerCase()}` : `${e.name} slice`
	}), l = _("span", { class: "count" });
	return {
		plane: e,
		isTwin: t,
		box: _("div", { class: "pane" }, s, _("div", { class: "bar" }, c, l)),
		surface: s,
		name: o,
		slider: c,
		count: l,
		letters: a,
		cross: n,
		marks: r,
		rect: [
			0,
			0,
			1,
			1
		]
	};
}
var gn = class {
	panes = [...o.map((e) => hn(e, !1)), ...o.map((e) => hn(e, !0))];
	names = null;
	side = _("div", { class: "side" });
	solid = _("div", { class: "pane solid" });
	body = _("div", { class: "body" }, ...this.panes.map((e) => e.box), this.solid, this.side);
	width = 1;
	height = 1;
	ratio = 1;
	setCanvas(e) {
		e.className = "picture", this.body.prepend(e);
	}
	arrange(e, t, n) {
		this.names = n;
		let r = this.body.clientWidth < mn, i = r ? "180px" : "232px", [a, o] = ["\"A C P\" \"A S P\"", `3fr 2fr ${i}`], s = t ? "ACSD" : "ACS";
		if (n && e !== "3d") {
			let t = e === "all" ? "" : Z[e];
			s = t ? t + t.toLowerCase() : "ACSacs", [a, o] = t ? [`"${t} ${t.toLowerCase()} P"`, `1fr 1fr ${i}`] : ["\"A C S P\" \"a c s P\"", `1fr 1fr 1fr ${i}`];
		} else e === "all" ? t ? [a, o] = ["\"A C P\" \"S D P\"", `1fr 1fr ${i}`] : r && ([a, o] = ["\"A C\" \"S P\"", "1fr 1fr"]) : (s = e === "3d" ? "D" : Z[e], [a, o] = [`"${s} P"`, `1fr ${i}`]);
		this.body.style.gridTemplateAreas = a, this.body.style.gridTemplateColumns = o, this.body.style.gridTemplateRows = a.includes("\" \"") ? "1fr 1fr" : "1fr", this.panes.forEach((e, t) => {
			e.box.style.gridArea = Z[t], e.box.hidden = !s.includes(Z[t]), e.name.textContent = n ? `${e.plane.name} · ${n[+!!e.isTwin]}` : e.plane.name;
		}), this.solid.style.gridArea = "D", this.solid.hidden = !s.includes("D"), this.side.style.gridArea = "P", this.measure();
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
	viewOf(t, n) {
		return e(t.plane, n, t.rect[2] / this.ratio, t.rect[3] / this.ratio);
	}
	tiles(e) {
		return this.panes.filter((e) => this.isShown(e)).map((t) => ({
			rect: t.rect,
			view: this.viewOf(t, e),
			comparing: this.names ? t.isTwin ? "second" : "first" : null
		}));
	}
	pointIn(e, t) {
		let n = this.body.getBoundingClientRect();
		return [t.clientX - n.left - e.rect[0] / this.ratio, t.clientY - n.top - e.rect[1] / this.ratio];
	}
	decorate(e, t, i) {
		for (let a of this.panes) {
			if (!this.isShown(a)) continue;
			let { plane: o } = a;
			n(o, e.isRadiological).forEach((e, t) => {
				a.letters[t].textContent = e;
			});
			let s = e.shape[o.normal];
			a.slider.max = String(s - 1), a.slider.value = String(t[o.normal]), a.count.textContent = `${t[o.normal] + 1} / ${s}`;
			let c = this.viewOf(a, e);
			a.marks.replaceChildren(...i(c));
			let [l, u] = r(c, e, t);
			a.cross.setAttribute("d", `M0 ${u}H${l - Q}M${l + Q} ${u}H${c.width}M${l} 0V${u - Q}M${l} ${u + Q}V${c.height}`);
		}
	}
}, _n = 32;
function vn() {
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
var yn = class {
	data;
	host;
	scene = vn();
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
		let r = e.maskId !== t.maskId || (e.draftId ?? null) !== (t.draftId ?? null) || n("mask", t.maskTicket, e.maskTicket), i = e.compareMaskId !== t.compareMaskId || e.maskId !== t.maskId || n("compared", t.compareMaskTicket, e.compareMaskTicket);
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
		return n && e[2] < r ? m(n, e) : t && m(t, l(i.shape, t.shape, e));
	}
	async open() {
		this.close();
		let e = this.loads.volume = new AbortController();
		this.scene = vn(), this.geometry = null, this.failed.clear(), this.host.onError("", null), this.host.onReady(""), this.host.onScene(), this.host.onStatus(S.loadingVolume);
		let t = null, n = () => t ??= Promise.all([this.loadLabels("mask"), this.loadLabels("compared")]);
		try {
			if (await un(this.data, e.signal, {
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
			e.signal.aborted || this.fail("volume", S.volumeFailed, t);
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
		t === r || t - r < _n && t < i || (n.nSlices = t, this.host.onSlices(r, t), this.failed.size || this.host.onStatus(S.loadingFull(t / i)));
	}
	async loadLabels(e) {
		this.loads[e]?.abort();
		let t = this.loads[e] = new AbortController(), { data: n } = this, r = e === "mask" && !!n.draftId, [i, a] = r ? [n.draftId, null] : e === "mask" ? [n.maskId, n.maskTicket] : [n.compareMaskId, n.compareMaskTicket];
		if (this.failed.delete(e), this.failed.size || this.host.onError("", null), this.setLabels(e, null), i && this.geometry) {
			this.isComplete() && this.host.onReady("low");
			try {
				let o = await dn(n, r ? "drafts" : "masks", i, a, this.geometry, t.signal, (e) => {
					this.isComplete() && !this.failed.size && this.host.onStatus(S.loadingMask(e));
				});
				r && (o = await this.host.onDraft(o)), e === "compared" && n.compareTranslation && (o = f(o, n.compareTranslation)), t.signal.aborted || this.setLabels(e, o);
			} catch (n) {
				t.signal.aborted || this.fail(e, e === "mask" ? S.maskFailed : S.comparedFailed, n);
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
		this.failed.add(e), this.host.onError(t, n instanceof h ? n.message : S.unreachable);
	}
}, bn = ".sv{box-sizing:border-box;font:14px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:6px;display:flex;position:relative}.sv *,.sv :before{box-sizing:border-box}.sv [hidden]{display:none!important}.head{flex-wrap:wrap;align-items:center;gap:4px 10px;font-size:13px;display:flex}.badge{color:#fff;letter-spacing:.02em;white-space:nowrap;background:#b3470b;border-radius:4px;padding:2px 9px}.notice{flex:1;min-width:0;font-weight:600}.tools{flex-wrap:wrap;align-items:center;gap:4px 7px;font-size:13px;display:flex}.tools label{white-space:nowrap;align-items:center;gap:5px;display:flex}.tools input[type=number]{width:5em}.tools input[type=number],.tools select,.tools button,.help button{height:28px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:2px 6px}.tools button{cursor:pointer;min-width:28px}.tools button[aria-pressed=true]{color:#fff;background:var(--st-primary-color,#1f6feb);border-color:#0000}.tools :is(select,button):disabled{opacity:.5}.tools button.primary{color:#fff;background:var(--st-primary-color,#1f6feb);border-color:#0000;font-weight:600}.edit .saved{flex:1;min-width:9em;font-weight:600}.edit .saved.error{color:var(--st-red-text-color,#c62828)}.edit input[type=number]{width:4em}.edit input[type=number]:placeholder-shown[placeholder]{width:5.5em}.editing{flex-direction:column;gap:5px;display:flex;position:relative}.group{gap:2px;display:inline-flex}.edit{gap:4px 8px}.note{flex:1;min-width:9em;font-weight:600}.edit .note:empty{flex:0;min-width:0}.menu{position:relative}.menu summary{cursor:pointer;white-space:nowrap;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;height:28px;padding:4px 8px;line-height:18px;list-style:none}.menu summary:after{content:\" ▾\"}.menu[open] summary{border-color:var(--st-primary-color,#1f6feb)}.menu-card{z-index:6;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);border-radius:6px;flex-direction:column;gap:7px;width:max-content;max-width:400px;max-height:420px;padding:10px 12px;display:flex;position:absolute;top:32px;left:0;overflow:auto;box-shadow:0 4px 24px #0006}.menu-card.leftwards{left:auto;right:0}.menu-card p{margin:0}.menu-card .line{flex-wrap:wrap;align-items:center;gap:5px;display:flex}.checks{grid-template-columns:repeat(auto-fill,minmax(120px,1fr));gap:3px 10px;max-height:200px;display:grid;overflow:auto}.said{max-height:160px;overflow:auto}.slices{flex-wrap:wrap;align-items:center;gap:3px;display:flex}.tools button.slice{min-width:22px;height:22px;padding:0 5px}.tools button.slice.open{border-width:2px;border-color:#d9822b}.question{border:2px solid var(--st-primary-color,#1f6feb);border-radius:6px;flex-wrap:wrap;align-items:center;gap:6px 10px;padding:8px 10px;font-size:13px;display:flex}.question button{height:28px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);cursor:pointer;border-radius:4px;padding:2px 8px}.track{fill:#0009}.reviewed{fill:#3fb950}.edited{fill:#f0a030}.now{fill:#fff}.vouched,.unvouched{paint-order:stroke;stroke:#000;stroke-width:3px;font-size:12px}.marks text.vouched{fill:#56d364;font-size:12px}.marks text.unvouched{fill:#f0a030;font-size:12px}.row.drawn .text{font-weight:700}.row .swatch{cursor:pointer;border:1px solid #0005;border-radius:3px;flex:none;width:16px;height:16px;padding:0}.row.drawn .swatch{outline:2px solid var(--st-primary-color,#1f6feb);outline-offset:1px}.row .lock{color:inherit;opacity:.4;cursor:pointer;background:0 0;border:0;flex:none;padding:1px;display:flex}.row .lock[aria-pressed=true]{opacity:1;color:#c2410c}.brush{stroke:#ffd866;stroke-width:1.5px;fill:none}.tools input[type=range]{width:64px}input{accent-color:var(--st-primary-color,#1f6feb)}.body{border-radius:4px;flex:1;gap:4px;min-height:0;display:grid;position:relative}.picture{background:#000;border-radius:4px;width:100%;height:100%;display:block;position:absolute;inset:0}.pane{color:#e8e8e8;flex-direction:column;min-width:0;min-height:0;display:flex;position:relative;overflow:hidden}.surface{cursor:crosshair;touch-action:none;-webkit-user-select:none;user-select:none;flex:1;min-height:0;position:relative;overflow:hidden}.surface:focus-visible{outline:2px solid var(--st-primary-color,#1f6feb);outline-offset:-2px}.overlay{pointer-events:none;width:100%;height:100%;position:absolute;inset:0;overflow:hidden}.cross{stroke:#5adc78d9;stroke-width:1px;fill:none;shape-rendering:crispedges}.marks line{stroke:#ffd866;stroke-width:1.5px}.marks text{fill:#ffd866;paint-order:stroke;stroke:#000;stroke-width:3px;font-size:13px}.name,.letter{pointer-events:none;text-shadow:0 0 3px #000,0 0 3px #000;font-size:12px;position:absolute}.name{max-width:calc(50% - 16px);top:4px;left:6px}.letter{color:#ffd866;font-size:15px;font-weight:700;line-height:18px}.l0{top:calc(50% - 9px);left:6px}.l1{top:calc(50% - 9px);right:6px}.l2{top:3px;left:calc(50% - 5px)}.l3{bottom:11px;left:calc(50% - 5px)}.bar{background:#14161a;flex:none;align-items:center;gap:8px;height:22px;padding:0 6px;font-size:12px;display:flex}.bar input{flex:1;min-width:0;margin:0}.count{text-align:right;font-variant-numeric:tabular-nums;min-width:62px}.solid{background:#000}.solid-picture{cursor:grab;touch-action:none;width:100%;height:100%;position:absolute;inset:0}.solid .name{z-index:1}.message{margin:auto;padding:8px;font-size:13px}.legend{flex:none;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:1px;padding-bottom:4px;font-size:12px;display:grid}.choice{flex-wrap:wrap;grid-column:1/-1;gap:4px;padding-bottom:2px;display:flex}.choice>*{max-width:100%;height:26px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:1px 6px;font-size:13px}.legend:empty{display:none}.legend span{align-items:center;gap:6px;display:flex}.legend i{border-radius:3px;flex:none;width:13px;height:13px}.side{background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#9995);border-radius:4px;flex-direction:column;gap:4px;min-width:0;min-height:0;padding:4px 8px;font-size:13px;display:flex;position:relative;overflow:hidden}.readout{white-space:pre-line;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;flex:none;min-height:2.6em;line-height:1.3}.status:empty,.hint:empty{display:none}.status.error{color:var(--st-red-text-color,#c62828);font-weight:600}.hint{font-size:12px}.labels{flex:1;min-height:0;overflow-y:auto}.hidden-labels{color:var(--st-orange-text-color,#b3470b);justify-content:space-between;align-items:center;gap:8px;padding:2px 0;font-weight:600;display:flex}.hidden-labels button{height:24px;font:inherit;color:inherit;cursor:pointer;background:0 0;border:1px solid;border-radius:4px;padding:1px 6px}.row{align-items:center;gap:6px;padding:1px 0;display:flex}.row input{flex:none;margin:0}.row i{border:1px solid #0005;border-radius:3px;flex:none;width:13px;height:13px}.row .text{min-width:0;font:inherit;color:inherit;text-align:left;cursor:pointer;overflow-wrap:anywhere;background:0 0;border:0;flex:1;padding:0}.row .text:hover{text-decoration:underline}.row .ml{font-variant-numeric:tabular-nums;white-space:nowrap}.none{opacity:.7}.help{z-index:5;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);border-radius:6px;width:-moz-fit-content;width:fit-content;max-width:96%;max-height:calc(100% - 48px);margin:0 auto;padding:10px 16px;font-size:13px;position:absolute;inset:40px 0 auto;overflow:auto;box-shadow:0 4px 24px #0006}.help .columns{flex-wrap:wrap;align-items:flex-start;gap:8px 28px;display:flex}.help caption{text-align:left;padding-bottom:4px;font-weight:700}.help th{text-align:left;white-space:nowrap;vertical-align:top;padding:1px 14px 1px 0;font-weight:600}.help td{padding:1px 0}.help .close{cursor:pointer;margin-top:8px}", xn = 24, Sn = 360, Cn = 600, wn = class {
	data;
	root = _("div", {
		class: "sv",
		"data-ready": ""
	});
	stage = new gn();
	state = ee();
	store;
	onPointer = null;
	onDecorate = null;
	active = this.stage.panes[0];
	renderer = null;
	rendererReady = null;
	nLost = 0;
	solid = new pn(this.stage.solid);
	measuring = new $t();
	hiddenLabels;
	colors = /* @__PURE__ */ new Uint32Array(65536);
	nDisagreements = 0;
	frame = 0;
	solidTimer = 0;
	notice = _("div", { class: "notice" });
	badge = _("strong", { class: "badge" });
	readout = _("div", {
		class: "readout",
		"aria-live": "off"
	}, " ");
	status = _("div", {
		class: "status",
		role: "status"
	});
	hint = _("div", { class: "hint" });
	legend = _("div", { class: "legend" });
	labelList = _("div", { class: "labels" });
	controls;
	card = null;
	editor = null;
	trigger = () => void 0;
	observer = new ResizeObserver(() => this.resize());
	onWindow = () => this.resize();
	constructor(e) {
		this.data = e, this.store = new yn(e, this), this.hiddenLabels = new nt(e), Object.assign(this.state, et(e)), this.controls = new Lt({
			setPreset: (e) => this.setPreset(e),
			setWindow: (e, t) => this.setWindow(e, t),
			set: (e) => this.set(e),
			run: (e) => {
				de(this, e, "");
			}
		}), this.stage.side.append(this.readout, this.status, this.hint, this.legend, this.labelList), this.root.append(_("style", {}, bn), _("div", { class: "head" }, this.badge, this.notice), this.controls.row, this.stage.body), le(this), Wt(this.root, (e, t) => de(this, e, t)), window.addEventListener("resize", this.onWindow), Object.assign(this.root, { segloop: Bt(this) }), this.showTexts(), this.showEditor(), this.store.open();
	}
	update(e) {
		(e.maskId !== this.data.maskId || e.compareMaskId !== this.data.compareMaskId) && (this.nDisagreements = 0), e.volumeId !== this.data.volumeId && (this.hiddenLabels = new nt(e)), this.data = e, this.showEditor(), this.showTexts(), this.store.update(e), this.draw();
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
			editor: new It(this, e, (t) => this.trigger("finalized", {
				draft_id: e,
				mask_id: t
			}))
		});
	}
	async onDraft(e) {
		if (!this.editor) return e;
		let t = await this.editor.editor.adopt(e);
		return this.showLabelList(), t;
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
		e ? this.fallBack(`${e} ${S.tooLarge}`) : (this.renderer?.setScene(this.store.scene), this.markReady(), this.draw());
	}
	async firstImage() {
		await this.startRenderer(), this.drawNow();
	}
	onSlices(e, t) {
		this.renderer?.addSlices(e, t), this.store.isComplete() && this.state.preset === "Whole range" && this.setPreset(y), this.markReady(), this.draw();
	}
	onLabels(e) {
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
		return this.rendererReady ??= sn(this.stage, this.nLost).then(({ renderer: e, why: t }) => {
			this.hint.textContent = t, this.adopt(e);
		}), this.rendererReady;
	}
	adopt(e) {
		this.renderer = e, this.root.dataset.renderer = e.kind, e.setColors(this.colors), e.canvas.addEventListener("webglcontextlost", (t) => {
			t.preventDefault(), this.renderer === e && (this.nLost += 1, this.renderer = this.rendererReady = null, e.destroy(), setTimeout(() => void this.startRenderer(), 200));
		}), this.showState(), this.onScene();
	}
	fallBack(e) {
		this.renderer?.destroy(), this.hint.textContent = e, this.adopt(Y(this.stage));
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
	get vouched() {
		return this.editor ? this.editor.editor.vouched : this.data.region ? {
			region: this.data.region,
			edited: P
		} : null;
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
			isSecondReviewed: this.data.isSecondReviewed,
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
		if (e && this.root.isConnected && (this.stage.decorate(e, this.state.cross, (t) => [
			...this.measuring.marks(t, this.state.cross),
			...this.onDecorate?.(t, this.state.cross) ?? [],
			...this.vouched ? ln(t, this.state.cross, e.shape, this.vouched) : []
		]), this.renderer)) try {
			this.renderer.draw(this.stage.width, this.stage.height, this.stage.tiles(e), this.look());
		} catch (e) {
			if (this.renderer.kind === "plain") throw e;
			console.error(e), this.fallBack(S.plain);
		}
	}
	resize() {
		this.root.isConnected && (this.root.style.height = `${this.data.height ?? this.roomBelow()}px`, this.arrange(), this.solid.draw(), this.draw());
	}
	arrange() {
		let { layout: e, is3d: t, comparing: n } = this.state, { compareMaskId: r, maskName: i, compareName: a } = this.data;
		this.stage.arrange(e, t, r && n === "both" ? [i, a] : null);
	}
	roomBelow() {
		let e = this.root.getBoundingClientRect().top, t = this.root.getRootNode(), n = t instanceof ShadowRoot ? t.host : this.root.parentElement;
		for (; n; n = n.parentElement) e += n.scrollTop;
		return Math.max(Sn, Math.floor(window.innerHeight - e - xn));
	}
	showSolid() {
		let { state: e, store: t, data: n } = this;
		!e.is3d && e.layout !== "3d" || this.renderer?.kind !== "webgl" || this.solid.show(n, t.scene, this.colors);
	}
	set(e) {
		Object.assign(this.state, e), ("preset" in e || "isOutline" in e || "is3d" in e) && tt(this.data, this.state), ("layout" in e || "is3d" in e || "comparing" in e) && (this.arrange(), this.showSolid(), "comparing" in e && this.showComparing()), this.showState(), this.draw();
	}
	setPreset(e) {
		let t = this.store.scene.full ?? this.store.scene.low, [n, r] = v[e] ?? [this.state.width, this.state.level];
		if (e === "Whole range" && t) {
			let [e, i] = c(t);
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
			preset: b
		});
	}
	setCamera(e, t) {
		this.set({
			zoom: e,
			centre: t
		});
	}
	activate(e) {
		this.active = e, this.editor?.editor.show();
	}
	measure(e, t, n) {
		this.measuring.drag(e, t, n, this.state.cross), this.draw();
	}
	toggleLarge(e) {
		this.set({ layout: this.state.layout === "all" ? e.plane.index : "all" });
	}
	get isCardOpen() {
		return this.card !== null;
	}
	toggleHelp() {
		this.card?.remove(), this.card = this.card ? null : Gt(() => this.toggleHelp(), this.editor !== null), this.card && this.root.append(this.card);
	}
	escape() {
		this.card ? this.toggleHelp() : (this.measuring.clear(), this.set({ mode: "cross" }));
	}
	moveTo(e) {
		this.store.geometry && (this.state.cross = te(e, this.store.geometry.shape), this.hover(null), this.editor?.editor.show(), this.draw());
	}
	jumpTo(e) {
		let { mask: t, compared: n } = this.store.scene, r = (t && zt(t, e)) ?? (n && zt(n, e));
		r && this.bring(r);
	}
	bring(e) {
		let { shape: t } = this.store.scene.camera;
		this.moveTo(e), this.state.zoom > 1 && this.set({ centre: e.map((e, n) => (e + .5) / t[n]) });
	}
	nextDisagreement() {
		let { disagreements: e } = this.data, t = this.nDisagreements++ % e.length, n = e[t];
		n && this.bring(n.centre), this.onStatus(n ? `${t + 1} of ${e.length}: ${n.text}` : S.noDifference);
	}
	updateMask(e) {
		this.renderer?.updateMask(e), this.hover(null), this.draw(), clearTimeout(this.solidTimer), this.solidTimer = window.setTimeout(() => {
			this.solid.maskChanged(), this.showSolid();
		}, Cn);
	}
	voxelAt(e, n) {
		let [r, i] = [this.camera(), this.stage.panes[e]];
		return r && t(this.stage.viewOf(i, r), r, ...this.stage.pointIn(i, n), this.state.cross);
	}
	showTexts() {
		let { notice: e, badge: t } = this.data;
		this.notice.textContent = e, this.badge.textContent = t, this.badge.hidden = !t, this.showComparing(), this.showHidden(), this.showState(), this.resize();
	}
	showComparing() {
		let { compareMaskId: e, maskName: t, compareName: n } = this.data;
		Kt(this.legend, e ? [t, n] : null, {
			comparing: this.state.comparing,
			choose: (e) => this.set({ comparing: e }),
			next: () => this.nextDisagreement()
		});
	}
	showLabelList() {
		let e = this.editor?.editor;
		Qt(this.labelList, this.data.labels, {
			isHidden: (e) => this.state.hidden.has(e),
			setHidden: (e, t) => {
				this.hiddenLabels.set(this.data.labels.find((t) => t.index === e), t), this.showHidden();
			},
			showAll: () => {
				this.hiddenLabels.showAll(), this.showHidden();
			},
			jumpTo: (e) => this.jumpTo(e),
			editing: e ? qt(e) : null
		}), this.showVolumes();
	}
	showHidden() {
		this.state.hidden = this.hiddenLabels.among(this.data.labels), this.showLabelList(), this.showColors();
	}
	showVolumes() {
		let e = this.editor?.editor.engine?.counts;
		if (!e) return;
		let t = this.store.scene.camera.spacing.reduce((e, t) => e * t, 1 / 1e3);
		Zt(this.labelList, (n) => e[n] * t);
	}
	showColors() {
		this.colors = ie(this.data.labels, this.state.hidden), this.renderer?.setColors(this.colors), this.showSolid(), this.draw();
	}
	showState() {
		this.controls.show(this.state, this.store.scene.mask !== null, this.renderer?.kind === "plain");
	}
	nameAt(e, t) {
		let n = m(this.store.scene[e], t);
		return n === null ? "" : n ? this.data.labels.find(({ index: e }) => e === n)?.name ?? S.label(n) : S.noLabel;
	}
	hover(e) {
		let t = e ?? this.state.cross, n = this.store.geometry && this.store.valueOf(t);
		if (n === null) return;
		let [r, i] = [this.nameAt("mask", t), this.nameAt("compared", t)], a = i ? `${this.data.maskName}: ${r} · ${this.data.compareName}: ${i}` : r;
		this.readout.textContent = `${n + this.data.huOffset} ${this.data.unit}${a && ` · ${a}`}\nvoxel ${t.join(", ")}`;
	}
}, $ = /* @__PURE__ */ new Map(), Tn = 2;
function En({ data: e, parentElement: t, setTriggerValue: n }) {
	let r = $.get(e.instance);
	r ? (r.update(e), $.delete(e.instance)) : r = new wn(e), $.set(e.instance, r);
	for (let [e, t] of $) {
		if ($.size <= Tn) break;
		t.root.isConnected || t === r || (t.destroy(), $.delete(e));
	}
	let i = r;
	return n && (i.trigger = n), i.root.parentNode !== t && t.append(i.root), i.attached(), () => {
		i.root.parentNode === t && i.root.remove();
	};
}
export { En as default };
