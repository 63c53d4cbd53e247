import { t as e } from "./dom-CAPoHm4o.js";
// src/doubt.ts
var t = class {
	root = e("div", {
		class: "doubt",
		hidden: ""
	});
	ask(t, n) {
		let r = e("button", { type: "button" }, "Add as another tool's result"), i = e("button", { type: "button" }, "Add as ground truth"), a = e("input", { type: "checkbox" });
		return i.disabled = !0, a.addEventListener("change", () => {
			i.disabled = !a.checked;
		}), this.root.replaceChildren(e("p", {}, "Is this ground truth? Of itself the file says otherwise:"), e("ul", {}, ...t.map((t) => e("li", {}, t))), e("label", { class: "corrects" }, a, e("span", {}, "A person has looked at every part of it")), e("div", { class: "buttons" }, r, i)), this.root.hidden = !1, new Promise((e, t) => {
			r.addEventListener("click", () => e("imported")), i.addEventListener("click", () => e("ground_truth")), n.addEventListener("abort", () => t(n.reason), { once: !0 });
		}).finally(() => {
			this.root.hidden = !0;
		});
	}
}, n = "?", r = "", i = class {
	root = e("div", {
		class: "names",
		hidden: ""
	});
	ask(t, i, a) {
		let o = t.filter(({ name: e }, n) => t.findIndex((t) => t.name === e) === n), s = o.map((e) => this.select(e, i)), c = e("button", { type: "button" }, "Add this mask"), l = e("button", { type: "button" }, "Leave out the others"), u = () => {
			let e = s.filter(({ value: e }) => e === n).length;
			c.disabled = e > 0 || s.every(({ value: e }) => e === r), l.hidden = !e;
		};
		l.addEventListener("click", () => {
			for (let e of s) e.value === n && (e.value = r);
			u();
		});
		for (let e of s) e.addEventListener("change", u);
		let d = o.map((t, n) => e("label", {}, e("span", { class: "name" }, t.name, e("small", {}, [t.meaning, t.why].filter(Boolean).join(", "))), s[n]));
		return this.root.replaceChildren(e("p", {}, "Which label is each structure of this file?"), e("div", { class: "rows" }, ...d), e("div", { class: "buttons" }, c, l)), u(), this.root.hidden = !1, new Promise((e, t) => {
			c.addEventListener("click", () => e(Object.fromEntries(s.map(({ value: e }, t) => [o[t].name, e || null])))), a.addEventListener("abort", () => t(a.reason), { once: !0 });
		}).finally(() => {
			this.root.hidden = !0;
		});
	}
	select({ name: t, label: i }, a) {
		let o = e("select", { "aria-label": `${t} is` }, ...i === null ? [e("option", { value: n }, "choose ...")] : [], e("option", { value: r }, "leave out"), ...a.map((t) => e("option", { value: t }, t)));
		return o.value = i ?? n, o;
	}
}, a = ".su{font:15px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:10px;display:flex}.su *{box-sizing:border-box}[hidden]{display:none!important}.fields{flex-wrap:wrap;gap:10px;display:flex}.fields label{flex-direction:column;flex:240px;gap:3px;font-size:14px;display:flex}.fields :is(input,select){font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:6px;padding:7px 9px}.corrects{align-items:center;gap:5px;font-size:14px;display:flex}.annotated{font-size:14px}.annotated summary{cursor:pointer}.annotated p{margin:6px 0}.annotated div{flex-wrap:wrap;gap:4px 14px;display:flex}.annotated label{align-items:center;gap:5px;display:flex}.zone{border:2px dashed var(--st-border-color,#999);background:var(--st-secondary-background-color,#f0f2f6);border-radius:8px;flex-wrap:wrap;justify-content:center;align-items:center;gap:10px;padding:26px 12px;display:flex}.zone.over{border-color:var(--st-primary-color,#1f6feb)}.zone input{display:none}button{font:inherit;color:inherit;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);cursor:pointer;border-radius:6px;padding:6px 14px}button:hover:enabled,button:focus-visible{border-color:var(--st-primary-color,#1f6feb);box-shadow:0 0 0 1px var(--st-primary-color,#1f6feb);outline:none}button:disabled{opacity:.5;cursor:default}.progress{flex-wrap:wrap;align-items:center;gap:10px;padding:14px 0;display:flex}progress{height:14px;accent-color:var(--st-primary-color,#1f6feb);flex:200px}.text{font-variant-numeric:tabular-nums}.message:empty{display:none}.message.error{color:var(--st-red-text-color,#c62828);font-weight:600}.names{flex-direction:column;gap:8px;font-size:14px;display:flex}.names p{margin:0}.names .rows{flex-direction:column;gap:6px;max-height:320px;display:flex;overflow-y:auto}.names label{flex-wrap:wrap;justify-content:space-between;align-items:center;gap:4px 10px;display:flex}.names .name{overflow-wrap:anywhere;flex:160px}.names small{opacity:.75;display:block}.names select{font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:6px;flex:0 180px;padding:5px 7px}.names .buttons{flex-wrap:wrap;gap:10px;display:flex}.doubt{flex-direction:column;gap:8px;font-size:14px;display:flex}.doubt p,.doubt ul{margin:0}.doubt .buttons{flex-wrap:wrap;gap:10px;display:flex}", o = 5, s = /mask|label|seg|truth|(^|[^a-z])gt([^a-z]|$)/i, c = class extends Error {
	status;
	problem;
	constructor(e, t, n) {
		super(e), this.status = t, this.problem = n;
	}
};
async function l(e, t, n, r) {
	for (let i = 1;; i++) {
		let a = "The server could not be reached.";
		try {
			let r = await fetch(e, {
				...t,
				signal: n,
				credentials: "same-origin"
			});
			if (r.ok) return r.status === 204 ? null : await r.json();
			let i = await r.json().catch(() => null);
			if (a = typeof i?.detail == "string" ? i.detail : `The server answered ${r.status}.`, r.status < 500 && r.status !== 408 && r.status !== 429) throw new c(a, r.status, i);
		} catch (e) {
			if (n.aborted || e instanceof c) throw e;
		}
		if (i > o) throw Error(a);
		let s = Math.min(16, 2 ** (i - 1));
		r(`${a} Trying again in ${s} s (${i} of ${o}).`), await new Promise((e, t) => {
			let r = setTimeout(e, s * 1e3);
			n.addEventListener("abort", () => {
				clearTimeout(r), t(n.reason);
			}, { once: !0 });
		}), r("");
	}
}
async function u(e) {
	return globalThis.crypto?.subtle ? [...new Uint8Array(await crypto.subtle.digest("SHA-256", e))].map((e) => e.toString(16).padStart(2, "0")).join("") : null;
}
function d(e, t, n) {
	let r = 2166136261;
	for (let i of [
		e.project,
		t.name,
		...n
	].join("\n")) r = Math.imul(r ^ i.codePointAt(0), 16777619) >>> 0;
	return `segloop-upload:${r.toString(16)}:${t.size}:${t.lastModified}`;
}
function f(e, t) {
	try {
		t ? localStorage.setItem(e, t) : localStorage.removeItem(e);
	} catch {}
}
function p(e) {
	try {
		return localStorage.getItem(e);
	} catch {
		return null;
	}
}
function m(e) {
	let [t, n] = e, r = [t, n].map(({ name: e }) => /\.zip$/i.test(e));
	if (r[0] !== r[1]) return r[0] ? [t, n] : [n, t];
	let i = [t, n].map(({ name: e }) => s.test(e));
	return i[0] === i[1] ? t.size >= n.size ? [t, n] : [n, t] : i[1] ? [t, n] : [n, t];
}
function h(e) {
	return e < 60 ? `${Math.ceil(e)} s` : `${Math.floor(e / 60)} min ${Math.round(e % 60)} s`;
}
var g = class {
	root = e("details", { class: "annotated" });
	summary = e("summary");
	list = e("div", {});
	checks = [];
	constructor() {
		this.root.append(this.summary, e("p", {}, "A label that nobody looked for is unknown in this mask, not absent. Untick it. All of a DICOM mask means those found in it."), this.list);
	}
	offer(t) {
		if (this.root.hidden = !t.length && !this.checks.length, t.length && JSON.stringify(t.map(({ index: e }) => e)) !== JSON.stringify(this.checks.map(([e]) => e))) {
			this.checks = t.map(({ index: t, name: n }) => [t, e("input", {
				type: "checkbox",
				checked: "",
				"aria-label": `${n} annotated`
			})]), this.list.replaceChildren(...this.checks.map(([, n], r) => e("label", {}, n, e("span", {}, t[r].name))));
			for (let [, e] of this.checks) e.addEventListener("change", () => this.tell());
			this.tell();
		}
	}
	get indices() {
		let e = this.checks.filter(([, e]) => e.checked).map(([e]) => e);
		return e.length === this.checks.length ? null : e;
	}
	set disabled(e) {
		for (let [, t] of this.checks) t.disabled = e;
	}
	tell() {
		let e = this.checks.length;
		this.summary.textContent = `Annotated in the mask: ${this.indices === null ? `all ${e} labels` : `${this.indices.length} of ${e} labels`}`;
	}
}, _ = class {
	data;
	root = e("div", {
		class: "su",
		"data-state": "idle"
	});
	trigger = () => {};
	input = e("input", { type: "file" });
	choose = e("button", { type: "button" }, "Choose a file");
	what = e("span");
	kind = e("select", { "aria-label": "What the mask is" }, e("option", { value: "" }, "choose ..."), e("option", { value: "ground_truth" }, "ground truth"), e("option", { value: "imported" }, "another tool's result"));
	corrects = e("input", { type: "checkbox" });
	corrected = e("label", { class: "corrects" }, this.corrects, e("span", {}, "It corrects the mask that is shown"));
	annotated = new g();
	fields = e("div", { class: "fields" });
	patient = e("input", {
		type: "text",
		maxlength: "200",
		autocomplete: "off"
	});
	caseName = e("input", {
		type: "text",
		maxlength: "100",
		autocomplete: "off"
	});
	zone = e("div", { class: "zone" }, this.what, this.choose, this.input);
	bar = e("progress", {
		max: "1",
		value: "0",
		"aria-label": "Upload progress"
	});
	text = e("span", { class: "text" });
	cancel = e("button", { type: "button" }, "Cancel");
	progress = e("div", { class: "progress" }, this.bar, this.text, this.cancel);
	names = new i();
	doubt = new t();
	message = e("div", {
		class: "message",
		role: "status"
	});
	running = null;
	constructor(t) {
		this.data = t;
		let n = (t, n) => e("label", {}, e("span", {}, t), n);
		t.volumeId === null ? (this.input.multiple = !0, this.what.textContent = "Drop a CT (NIfTI, or a zip of its DICOM files) here, or a CT and its mask, or", this.fields.append(n("Patient reference (optional, stored as a pseudonym)", this.patient), n("Case reference (optional)", this.caseName))) : this.what.textContent = "Drop a mask here (NIfTI on the CT's own grid, DICOM SEG or RTSTRUCT), or", this.fields.append(n(t.volumeId === null ? "A mask that comes with it is" : "The mask is", this.kind)), this.root.append(e("style", {}, a), this.fields, this.corrected, this.annotated.root, this.zone, this.progress, this.message, this.doubt.root, this.names.root);
		for (let e of [
			"keydown",
			"keyup",
			"keypress"
		]) this.root.addEventListener(e, (e) => e.stopPropagation());
		this.choose.addEventListener("click", () => this.input.click()), this.input.addEventListener("change", () => {
			let e = [...this.input.files ?? []];
			this.input.value = "", this.start(e);
		}), this.zone.addEventListener("dragover", (e) => {
			e.preventDefault(), this.zone.classList.add("over");
		}), this.zone.addEventListener("dragleave", () => this.zone.classList.remove("over")), this.zone.addEventListener("drop", (e) => {
			e.preventDefault(), this.zone.classList.remove("over"), this.start([...e.dataTransfer?.files ?? []]);
		}), this.cancel.addEventListener("click", () => this.running?.abort()), this.setState("idle"), this.show(t);
	}
	show(e) {
		this.data = e, this.corrected.hidden = e.parentId === null, this.annotated.offer(e.labels);
	}
	setState(e) {
		this.root.dataset.state = e;
		let t = e === "busy";
		this.progress.hidden = !t, this.zone.hidden = t, this.patient.disabled = this.caseName.disabled = this.kind.disabled = this.corrects.disabled = this.annotated.disabled = t;
	}
	say(e, t = !1) {
		this.message.textContent = e, this.message.classList.toggle("error", t);
	}
	async start(e) {
		if (this.running || !e.length) return;
		let { data: t } = this, n = t.volumeId === null ? 2 : 1;
		if (e.length > n) return this.say(n === 2 ? "Drop one CT, or one CT and its mask." : "Drop one file at a time.", !0);
		if (e.some(({ size: e }) => !e)) return this.say("This file is empty.", !0);
		let r = t.volumeId !== null || e.length === 2;
		if (r && !this.kind.value) return this.say("Say first what the mask is: ground truth, or another tool's result. Then choose the file again.", !0);
		if (r && this.annotated.indices?.length === 0) return this.say("Tick the labels that were annotated in the mask.", !0);
		let i = this.running = new AbortController();
		delete this.root.dataset.volume, this.setState("busy"), this.say("");
		let a = (e, n = {}) => l(`${t.apiBase}/v1${e}`, n, i.signal, (e) => this.say(e, !!e));
		try {
			if (t.volumeId !== null) {
				let n = await this.send(e[0], "mask", t.volumeId, a);
				this.finish({
					volume_id: t.volumeId,
					mask_id: n.id
				});
			} else {
				let [t, n] = e.length === 2 ? m(e) : [e[0], null], r = await this.send(t, "CT", null, a);
				this.root.dataset.volume = r.id;
				let i = n && await this.sendMaskOf(r, n, a);
				this.finish({
					volume_id: r.id,
					mask_id: i,
					is_hu_like: r.is_hu_like,
					hu_min: r.hu_min,
					hu_max: r.hu_max
				});
			}
		} catch (e) {
			i.signal.aborted ? (this.setState("idle"), this.say("The upload was cancelled.")) : (this.setState("error"), this.say(e instanceof Error ? e.message : String(e), !0));
		} finally {
			this.running = null;
		}
	}
	async sendMaskOf(e, t, n) {
		try {
			return (await this.send(t, "mask", e.id, n)).id;
		} catch (e) {
			if (this.running?.signal.aborted) throw e;
			let t = e instanceof Error ? e.message : String(e);
			throw Error(`The CT is uploaded and in the worklist. Its mask is not: ${t} Open the case and add another mask there.`);
		}
	}
	finish(e) {
		this.setState("done"), this.say("The upload is complete."), this.patient.value = this.caseName.value = "", this.trigger("uploaded", e);
	}
	async send(e, t, n, r) {
		let { data: i } = this;
		this.bar.value = 0, this.text.textContent = `Starting the ${t} ...`, this.cancel.disabled = !1;
		let a = this.annotated.indices, o = this.corrects.checked && t === "mask" ? i.parentId : null, s = t === "CT" ? [this.patient.value.trim(), this.caseName.value.trim()] : [
			n,
			this.kind.value,
			String(a),
			String(o)
		], l = d(i, e, s), u = null;
		try {
			if (u = await this.resume(l, r), !u) {
				let c = t === "CT" ? {
					patient_reference: s[0] || void 0,
					case_reference: s[1] || void 0
				} : {
					purpose: "mask",
					volume_id: n,
					mask_kind: this.kind.value,
					annotated_labels: a,
					parent_id: o
				};
				u = await r(`/projects/${encodeURIComponent(i.project)}/uploads`, {
					method: "POST",
					headers: { "Content-Type": "application/json" },
					body: JSON.stringify({
						size_bytes: e.size,
						...c
					})
				}), f(l, u.id);
			}
			await this.sendParts(e, u, t, r);
			let c = await this.complete(u.id, t, r);
			return f(l, null), c;
		} catch (e) {
			if (this.running?.signal.aborted) throw f(l, null), u && await fetch(`${i.apiBase}/v1/uploads/${u.id}`, {
				method: "DELETE",
				credentials: "same-origin"
			}).catch(() => null), e;
			let t = e instanceof c;
			t && e.status !== 401 && e.status !== 403 && f(l, null);
			let n = e instanceof Error ? e.message : String(e);
			throw t ? e : /* @__PURE__ */ Error(`${n} Choose the same file again to go on where it stopped.`);
		}
	}
	async complete(e, t, n) {
		let r = {};
		for (;;) {
			this.text.textContent = `Checking the ${t} ...`, this.cancel.disabled = !0;
			let i = {
				method: "POST",
				headers: { "Content-Type": "application/json" },
				body: JSON.stringify(r)
			};
			try {
				return await n(`/uploads/${e}/complete`, i);
			} catch (e) {
				let n = e instanceof c && e.status === 409 ? e.problem : null;
				if (!n?.says && !(n?.structures && n.labels)) throw e;
				!n.says && n.code !== "mask_names" && this.say(e.message, !0), this.text.textContent = `The ${t} waits for an answer.`, this.cancel.disabled = !1;
				let { signal: i } = this.running;
				n.says ? r.mask_kind = await this.doubt.ask(n.says, i) : r.label_map = await this.names.ask(n.structures, n.labels, i), this.say("");
			}
		}
	}
	async sendParts(e, { id: t, part_bytes: n, n_parts: r, received: i }, a, o) {
		let s = new Set(i), c = performance.now(), l = 0, d = [...s].reduce((t, r) => t + Math.min(n, e.size - (r - 1) * n), 0);
		for (let i = 1; i <= r; i++) {
			if (s.has(i)) continue;
			let r = await e.slice((i - 1) * n, i * n).arrayBuffer(), f = { "Content-Type": "application/octet-stream" }, p = await u(r);
			p && (f["X-Content-Sha256"] = p), await o(`/uploads/${t}/parts/${i}`, {
				method: "PUT",
				headers: f,
				body: r
			}), l += r.byteLength, d += r.byteLength;
			let m = l / ((performance.now() - c) / 1e3);
			this.bar.value = d / e.size, this.text.textContent = `${a}: ${(d / 1e6).toFixed(1)} of ${(e.size / 1e6).toFixed(1)} MB, ${(m / 1e6).toFixed(1)} MB/s, ${h((e.size - d) / m)} left`;
		}
	}
	async resume(e, t) {
		let n = p(e);
		if (!n) return null;
		try {
			let e = await t(`/uploads/${encodeURIComponent(n)}`);
			if (!e.state || e.state === "open") return e;
		} catch (e) {
			if (!(e instanceof c) || e.status === 401 || e.status === 403) throw e;
		}
		return f(e, null), null;
	}
}, v = /* @__PURE__ */ new Map();
function y({ data: e, parentElement: t, setTriggerValue: n }) {
	let r = v.get(e.instance) ?? new _(e);
	return v.set(e.instance, r), r.show(e), r.trigger = n, r.root.parentNode !== t && t.append(r.root), () => {
		r.root.parentNode === t && r.root.remove();
	};
}
export { y as default };
