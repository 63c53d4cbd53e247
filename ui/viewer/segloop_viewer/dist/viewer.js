// src/viewer.css?inline
var e = [
	{
		name: "Axial",
		normal: 2,
		across: 0,
		up: 1,
		letters: [
			"R",
			"L",
			"A",
			"P"
		]
	},
	{
		name: "Coronal",
		normal: 1,
		across: 0,
		up: 2,
		letters: [
			"R",
			"L",
			"S",
			"I"
		]
	},
	{
		name: "Sagittal",
		normal: 0,
		across: 1,
		up: 2,
		letters: [
			"A",
			"P",
			"S",
			"I"
		]
	}
], t = {
	Brain: [80, 40],
	"Soft tissue": [400, 40],
	Lung: [1500, -600],
	Bone: [2e3, 500]
}, n = class extends Error {};
function r(e, t = {}, ...n) {
	let r = document.createElement(e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
function i(e) {
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
function a(e) {
	for (let t = 0; t < 3; t++) {
		let r = [
			0,
			1,
			2
		].map((n) => e[n][t]), i = Math.max(...r.map(Math.abs));
		if (r[t] < i) throw new n("The volume is not in RAS order, so left and right are not certain; it is not shown.");
	}
}
function o(e, t) {
	return [
		0,
		1,
		2
	].map((n) => e[n][0] * t[0] + e[n][1] * t[1] + e[n][2] * t[2] + e[n][3]);
}
function s(e, t) {
	let [n, r, i] = e.slice(0, 3).map((e) => e.slice(0, 3)), a = (e, t) => [
		e[1] * t[2] - e[2] * t[1],
		e[2] * t[0] - e[0] * t[2],
		e[0] * t[1] - e[1] * t[0]
	], o = [
		a(r, i),
		a(i, n),
		a(n, r)
	], s = n[0] * o[0][0] + n[1] * o[0][1] + n[2] * o[0][2], c = [
		0,
		1,
		2
	].map((n) => t[n] - e[n][3]);
	return [
		0,
		1,
		2
	].map((e) => (o[0][e] * c[0] + o[1][e] * c[1] + o[2][e] * c[2]) / s);
}
async function c(e) {
	let t = await e.json().catch(() => null);
	return typeof t?.detail == "string" ? t.detail : `The server answered ${e.status}.`;
}
async function l(e, t, r) {
	let i = await fetch(e, {
		signal: t,
		credentials: "same-origin"
	});
	if (!i.ok) throw new n(await c(i));
	let o = JSON.parse(i.headers.get("X-Shape") ?? "null"), s = JSON.parse(i.headers.get("X-Affine") ?? "null"), l = i.headers.get("X-Dtype") ?? "", u = s?.flat();
	if (!o || u?.length !== 16) throw new n("The server did not say how the voxels lie.");
	let d = [
		0,
		4,
		8,
		12
	].map((e) => u.slice(e, e + 4));
	a(d);
	let f = /uint16|u2/.test(l) ? Uint16Array : /uint8|u1/.test(l) ? Uint8Array : /int16|i2/.test(l) ? Int16Array : null;
	if (!f) throw new n(`Voxels of type "${l}" can't be shown.`);
	let p = o[0] * o[1] * o[2], m = new Uint8Array(p * f.BYTES_PER_ELEMENT), h = 0, g = i.body.getReader();
	for (;;) {
		let { done: e, value: t } = await g.read();
		if (e) break;
		if (h + t.length > m.length) throw new n("The server sent more voxels than announced.");
		m.set(t, h), h += t.length, r(h / m.length);
	}
	if (h !== m.length) throw new n("The server sent fewer voxels than announced.");
	return {
		shape: o,
		affine: d,
		spacing: [
			0,
			1,
			2
		].map((e) => Math.hypot(d[0][e], d[1][e], d[2][e])),
		voxels: new f(m.buffer)
	};
}
var u = class {
	root = r("div", {
		class: "sv",
		"data-ready": ""
	});
	data;
	volume = null;
	mask = null;
	cross = [
		0,
		0,
		0
	];
	window = 400;
	level = 40;
	opacity = .5;
	hidden = /* @__PURE__ */ new Set();
	colors = /* @__PURE__ */ new Uint32Array(65536);
	names = /* @__PURE__ */ new Map();
	volumeLoad = null;
	maskLoad = null;
	isLow = !0;
	volumeFailed = !1;
	maskFailed = !1;
	frame = 0;
	views = e.map((e) => {
		let t = r("canvas", {
			tabindex: "0",
			"aria-label": `${e.name} plane; arrow up and down change the slice`
		}), n = r("input", {
			type: "range",
			min: "0",
			max: "0",
			value: "0",
			"aria-label": `${e.name} slice`
		}), i = r("span", { class: "count" });
		return {
			plane: e,
			canvas: t,
			slider: n,
			count: i,
			box: r("div", { class: "plane" }, t, r("div", { class: "name" }, e.name), ...e.letters.map((e, t) => r("div", { class: `letter l${t}` }, e)), r("div", { class: "bar" }, n, i)),
			image: document.createElement("canvas"),
			over: document.createElement("canvas"),
			rect: [
				0,
				0,
				1,
				1
			]
		};
	});
	widthInput = r("input", {
		type: "number",
		min: "1",
		step: "10",
		"aria-label": "Window width"
	});
	levelInput = r("input", {
		type: "number",
		step: "10",
		"aria-label": "Window level"
	});
	presetSelect = r("select", { "aria-label": "Window preset" });
	opacityInput = r("input", {
		type: "range",
		min: "0",
		max: "100",
		value: "50",
		"aria-label": "Mask opacity"
	});
	readout = r("div", {
		class: "readout",
		"aria-live": "off"
	}, " ");
	status = r("div", {
		class: "status",
		role: "status"
	});
	labelList = r("div", { class: "labels" });
	notice = r("div", { class: "notice" });
	observer = new ResizeObserver(() => this.draw());
	constructor(e) {
		this.data = e;
		for (let e of [
			...Object.keys(t),
			"Whole range",
			"Custom"
		]) this.presetSelect.append(r("option", { value: e }, e));
		let n = (e, t) => r("label", {}, r("span", {}, e), t), i = r("div", { class: "tools" }, n("Window", this.presetSelect), n("W", this.widthInput), n("L", this.levelInput), n("Mask opacity", this.opacityInput), r("span", { class: "convention" }, "Radiological view: patient right is on the left")), a = r("div", { class: "side" }, this.readout, this.status, this.labelList);
		this.root.append(r("style", {}, ".sv{box-sizing:border-box;min-height:420px;font:14px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:6px;display:flex}.sv *{box-sizing:border-box}.notice{background:var(--st-secondary-background-color,#f0f2f6);border-left:4px solid #d9920a;padding:4px 10px;font-weight:600}.notice[hidden]{display:none}.tools{flex-wrap:wrap;align-items:center;gap:4px 14px;display:flex}.tools label{align-items:center;gap:6px;display:flex}.tools input[type=number]{width:5.5em}.tools input[type=number],.tools select{font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:3px 5px}.tools input[type=range]{width:90px}.convention{opacity:.85;font-size:12px}input{accent-color:var(--st-primary-color,#1f6feb)}.grid{flex:1;grid-template:1fr 1fr/1fr 1fr;gap:4px;min-height:0;display:grid}.plane{color:#e8e8e8;background:#000;border-radius:4px;flex-direction:column;min-width:0;min-height:0;display:flex;position:relative;overflow:hidden}canvas{cursor:crosshair;touch-action:none;flex:1;width:100%;height:0;min-height:0;display:block}canvas:focus-visible{outline:2px solid var(--st-primary-color,#1f6feb);outline-offset:-2px}.name,.letter{pointer-events:none;text-shadow:0 0 3px #000,0 0 3px #000;font-size:12px;position:absolute}.name{top:4px;left:6px}.letter{color:#ffd866;font-size:15px;font-weight:700}.l0{top:calc(50% - 22px);left:6px}.l1{top:calc(50% - 22px);right:6px}.l2{top:4px;left:calc(50% - 5px)}.l3{bottom:28px;left:calc(50% - 5px)}.bar{background:#14161a;align-items:center;gap:8px;height:24px;padding:0 6px;font-size:12px;display:flex}.bar input{flex:1;min-width:0}.count{text-align:right;font-variant-numeric:tabular-nums;min-width:66px}.side{border:1px solid var(--st-border-color,#9995);border-radius:4px;flex-direction:column;gap:4px;min-width:0;min-height:0;padding:6px 8px;display:flex}.readout{white-space:pre-line;font-variant-numeric:tabular-nums;min-height:2.6em;line-height:1.3}.status:empty{display:none}.status.error{color:var(--st-red-text-color,#c62828);font-weight:600}.labels{flex:1;min-height:0;overflow-y:auto}.row{align-items:center;gap:8px;padding:2px 0;display:flex}.row i{border:1px solid #0005;border-radius:3px;flex:none;width:14px;height:14px}.row .text{overflow-wrap:anywhere;flex:1;min-width:0}.row .ml{font-variant-numeric:tabular-nums;white-space:nowrap}.none{opacity:.7}"), this.notice, i, r("div", { class: "grid" }, ...this.views.map((e) => e.box), a));
		for (let e of [
			"keydown",
			"keyup",
			"keypress"
		]) this.root.addEventListener(e, (e) => e.stopPropagation());
		this.bind(), this.setPreset("Soft tissue"), Object.assign(this.root, { segloop: {
			hu: (e, t, n) => this.valueAt(this.volume, [
				e,
				t,
				n
			]),
			label: (e, t, n) => this.valueAt(this.mask, [
				e,
				t,
				n
			]),
			crosshair: () => [...this.cross],
			setCrosshair: (e, t, n) => this.moveTo([
				e,
				t,
				n
			])
		} }), this.observer.observe(this.root), this.showTexts(), this.loadVolume();
	}
	update(e) {
		let t = this.data;
		this.data = e, this.showTexts(), e.apiBase !== t.apiBase || e.volumeId !== t.volumeId || this.volumeFailed && e.volumeTicket !== t.volumeTicket ? this.loadVolume() : (e.maskId !== t.maskId || this.maskFailed && e.maskTicket !== t.maskTicket) && this.loadMask(), this.draw();
	}
	destroy() {
		this.volumeLoad?.abort(), this.maskLoad?.abort(), this.observer.disconnect(), this.root.remove();
	}
	url(e, t, n, r) {
		let i = r ? `?ticket=${encodeURIComponent(r)}` : "";
		return `${this.data.apiBase}/v1/${e}/${encodeURIComponent(t)}/levels/${n}${i}`;
	}
	async loadVolume() {
		this.volumeLoad?.abort(), this.maskLoad?.abort();
		let e = this.volumeLoad = new AbortController();
		this.volume = this.mask = null, this.volumeFailed = !1, this.root.dataset.ready = "", delete this.root.dataset.error, this.say("Loading the volume ..."), this.draw();
		let { volumeId: t, volumeTicket: n } = this.data;
		try {
			let r = await l(this.url("volumes", t, 2, n), e.signal, () => {}).catch((t) => {
				if (e.signal.aborted) throw t;
				return null;
			});
			r && this.setVolume(r, !0);
			let i = await l(this.url("volumes", t, 0, n), e.signal, (e) => this.say(`Loading full resolution: ${Math.floor(e * 100)} %`));
			if (e.signal.aborted) return;
			this.setVolume(i, !1), await this.loadMask();
		} catch (t) {
			if (e.signal.aborted) return;
			this.volumeFailed = !0, this.fail("The volume could not be loaded. ", t);
		}
	}
	async loadMask() {
		this.maskLoad?.abort();
		let e = this.maskLoad = new AbortController();
		if (this.mask = null, this.maskFailed = !1, this.draw(), !this.volume || this.isLow) return;
		let { maskId: t, maskTicket: r } = this.data;
		if (delete this.root.dataset.error, t) {
			this.root.dataset.ready = "low";
			try {
				let i = await l(this.url("masks", t, 0, r), e.signal, (e) => this.say(`Loading the mask: ${Math.floor(e * 100)} %`));
				if (e.signal.aborted) return;
				let a = this.volume;
				if (i.shape.join() !== a.shape.join()) throw new n("Its grid is not the volume's grid.");
				if (i.affine.some((e, t) => e.some((e, n) => Math.abs(e - a.affine[t][n]) > .01))) throw new n("It does not lie where the volume lies.");
				this.mask = i;
			} catch (t) {
				if (e.signal.aborted) return;
				this.maskFailed = !0, this.root.dataset.ready = "full", this.fail("The mask could not be loaded. ", t);
				return;
			}
		}
		this.root.dataset.ready = "full", this.say(""), this.draw();
	}
	setVolume(e, t) {
		let n = this.volume;
		this.volume = e, this.isLow = t;
		let r = e.shape.map((e) => Math.floor(e / 2));
		this.presetSelect.value === "Whole range" && this.setPreset("Whole range"), this.moveTo(n ? s(e.affine, o(n.affine, this.cross)) : r), this.root.dataset.ready = "low", this.draw();
	}
	say(e) {
		this.status.classList.remove("error"), this.status.textContent = e;
	}
	fail(e, t) {
		let r = t instanceof n ? t.message : "The server could not be reached.";
		this.status.classList.add("error"), this.status.textContent = e + r, this.root.dataset.error = r, this.draw();
	}
	showTexts() {
		let { labels: e, notice: t, height: n } = this.data;
		this.root.style.height = `${n}px`, this.notice.textContent = t, this.notice.hidden = !t, this.names = new Map(e.map((e) => [e.index, e.name]));
		let a = e.map((e) => {
			let [t, n, a] = i(e.color), o = r("input", { type: "checkbox" });
			o.checked = !this.hidden.has(e.index), o.addEventListener("change", () => {
				o.checked ? this.hidden.delete(e.index) : this.hidden.add(e.index), this.setColors(), this.draw();
			});
			let s = e.volume_ml, c = s == null ? "-" : `${s.toFixed(s < 10 ? 2 : 1)} ml`;
			return r("label", { class: "row" }, o, r("i", { style: `background:rgb(${t},${n},${a})` }), r("span", { class: "text" }, e.name), r("span", { class: "ml" }, c));
		});
		this.labelList.replaceChildren(...a.length ? a : [r("div", { class: "none" }, "No labels")]), this.opacityInput.disabled = !this.data.maskId, this.setColors();
	}
	setColors() {
		this.colors.fill(0);
		for (let { index: e, color: t } of this.data.labels) {
			if (e <= 0 || this.hidden.has(e)) continue;
			let [n, r, a] = i(t);
			this.colors[e] = (255 << 24 | a << 16 | r << 8 | n) >>> 0;
		}
	}
	setPreset(e) {
		this.presetSelect.value = e;
		let n = t[e];
		if (n) [this.window, this.level] = n;
		else if (e === "Whole range" && this.volume) {
			let e = Infinity, t = -Infinity;
			for (let n of this.volume.voxels) n < e && (e = n), n > t && (t = n);
			this.window = Math.max(1, t - e), this.level = Math.round((t + e) / 2);
		}
		this.widthInput.value = String(this.window), this.levelInput.value = String(this.level), this.draw();
	}
	moveTo(e) {
		this.volume && (this.cross = e.map((e, t) => Math.min(this.volume.shape[t] - 1, Math.max(0, Math.round(e)))), this.showReadout(this.cross), this.draw());
	}
	step(e, t) {
		let n = [...this.cross];
		n[e] = n[e] + t, this.moveTo(n);
	}
	valueAt(e, [t, n, r]) {
		return !e || [
			t,
			n,
			r
		].some((t, n) => t < 0 || t >= e.shape[n]) ? null : e.voxels[t + e.shape[0] * (n + e.shape[1] * r)] ?? null;
	}
	showReadout(e) {
		let t = this.valueAt(this.volume, e);
		if (t === null) return;
		let n = this.valueAt(this.mask, e), r = n ? this.names.get(n) ?? `label ${n}` : n === 0 ? "no label" : "";
		this.readout.textContent = `${t} HU${r ? ` · ${r}` : ""}\nvoxel ${e.join(", ")}`;
	}
	bind() {
		this.presetSelect.addEventListener("change", () => this.setPreset(this.presetSelect.value));
		let e = () => {
			let [e, t] = [this.widthInput.valueAsNumber, this.levelInput.valueAsNumber];
			Number.isNaN(e) || Number.isNaN(t) || e < 1 || (this.window = e, this.level = t, this.presetSelect.value = "Custom", this.draw());
		};
		this.widthInput.addEventListener("input", e), this.levelInput.addEventListener("input", e), this.opacityInput.addEventListener("input", () => {
			this.opacity = this.opacityInput.valueAsNumber / 100, this.draw();
		});
		for (let e of this.views) {
			let { canvas: t, slider: n, plane: r } = e, i = (n) => {
				if (!this.volume) return null;
				let i = t.getBoundingClientRect(), [a, o, s, c] = e.rect, l = (n.clientX - i.left - a) / s, u = (n.clientY - i.top - o) / c;
				if (l < 0 || u < 0 || l >= 1 || u >= 1) return null;
				let d = [...this.cross], [f, p] = [this.volume.shape[r.across], this.volume.shape[r.up]];
				return d[r.across] = f - 1 - Math.floor(l * f), d[r.up] = p - 1 - Math.floor(u * p), d;
			};
			t.addEventListener("pointerdown", (e) => {
				if (e.button !== 0) return;
				t.setPointerCapture(e.pointerId);
				let n = i(e);
				n && this.moveTo(n);
			}), t.addEventListener("pointermove", (e) => {
				let t = i(e);
				t && (e.buttons & 1 ? this.moveTo(t) : this.showReadout(t));
			}), t.addEventListener("pointerleave", () => this.showReadout(this.cross)), t.addEventListener("wheel", (e) => {
				e.preventDefault(), e.deltaY && this.step(r.normal, e.deltaY > 0 ? -1 : 1);
			}, { passive: !1 }), t.addEventListener("keydown", (e) => {
				let t = {
					ArrowUp: 1,
					ArrowDown: -1,
					PageUp: 10,
					PageDown: -10
				}[e.key];
				t && (e.preventDefault(), this.step(r.normal, t));
			}), n.addEventListener("input", () => {
				let e = [...this.cross];
				e[r.normal] = n.valueAsNumber, this.moveTo(e);
			});
		}
	}
	draw() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0;
			for (let e of this.views) this.drawPlane(e);
		});
	}
	drawPlane(e) {
		let { canvas: t, plane: n } = e, r = window.devicePixelRatio || 1, [i, a] = [t.clientWidth, t.clientHeight];
		if (!i || !a) return;
		t.width = Math.round(i * r), t.height = Math.round(a * r);
		let o = t.getContext("2d");
		o.scale(r, r);
		let s = this.volume;
		if (!s) return;
		let { shape: c, spacing: l } = s, [u, d] = [c[n.across], c[n.up]], f = this.cross[n.normal];
		e.slider.max = String(c[n.normal] - 1), e.slider.value = String(f), e.count.textContent = `${f + 1} / ${c[n.normal]}`;
		let [p, m] = [u * l[n.across], d * l[n.up]], h = Math.min(i / p, a / m), [g, _] = [p * h, m * h], [v, y] = [(i - g) / 2, (a - _) / 2];
		e.rect = [
			v,
			y,
			g,
			_
		];
		let b = [
			1,
			c[0],
			c[0] * c[1]
		], [x, S] = [b[n.across], b[n.up]], C = f * b[n.normal], w = (e, t, n) => {
			e.width = u, e.height = d;
			let r = new ImageData(u, d), i = new Uint32Array(r.data.buffer);
			for (let e = 0, r = 0; e < d; e++) {
				let a = C + (d - 1 - e) * S + (u - 1) * x;
				for (let e = 0; e < u; e++, a -= x) i[r++] = n(t[a]);
			}
			e.getContext("2d").putImageData(r, 0, 0);
		}, T = this.level - this.window / 2, E = 255 / this.window;
		w(e.image, s.voxels, (e) => {
			let t = Math.min(255, Math.max(0, Math.round((e - T) * E)));
			return (255 << 24 | t << 16 | t << 8 | t) >>> 0;
		}), o.imageSmoothingEnabled = !0, o.drawImage(e.image, v, y, g, _), this.mask && this.opacity > 0 && (w(e.over, this.mask.voxels, (e) => this.colors[e]), o.imageSmoothingEnabled = !1, o.globalAlpha = this.opacity, o.drawImage(e.over, v, y, g, _), o.globalAlpha = 1);
		let D = v + (u - .5 - this.cross[n.across]) / u * g, O = y + (d - .5 - this.cross[n.up]) / d * _;
		o.strokeStyle = "rgba(90, 220, 120, 0.85)", o.lineWidth = 1, o.beginPath();
		for (let [e, t, n, r] of [
			[
				v,
				O,
				D - 8,
				O
			],
			[
				D + 8,
				O,
				v + g,
				O
			],
			[
				D,
				y,
				D,
				O - 8
			],
			[
				D,
				O + 8,
				D,
				y + _
			]
		]) n < e || r < t || (o.moveTo(e, t), o.lineTo(n, r));
		o.stroke();
	}
}, d = /* @__PURE__ */ new Map(), f = 3;
function p({ data: e, parentElement: t }) {
	let n = d.get(e.instance);
	n ? (n.update(e), d.delete(e.instance)) : n = new u(e), d.set(e.instance, n);
	for (let [e, t] of d) {
		if (d.size <= f) break;
		t.root.isConnected || t === n || (t.destroy(), d.delete(e));
	}
	let r = n;
	return r.root.parentNode !== t && t.append(r.root), r.draw(), () => {
		r.root.parentNode === t && r.root.remove();
	};
}
export { p as default };
