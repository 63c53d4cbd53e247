// src/uploader.css?inline
var e = /mask|label|seg|truth|(^|[^a-z])gt([^a-z]|$)/i, t = class extends Error {
	status;
	constructor(e, t) {
		super(e), this.status = t;
	}
};
function n(e, t = {}, ...n) {
	let r = document.createElement(e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
async function r(e, n, r, i) {
	for (let a = 1;; a++) {
		let o = "The server could not be reached.";
		try {
			let i = await fetch(e, {
				...n,
				signal: r,
				credentials: "same-origin"
			});
			if (i.ok) return i.status === 204 ? null : await i.json();
			let a = await i.json().catch(() => null);
			if (o = typeof a?.detail == "string" ? a.detail : `The server answered ${i.status}.`, i.status < 500 && i.status !== 408 && i.status !== 429) throw new t(o, i.status);
		} catch (e) {
			if (r.aborted || e instanceof t) throw e;
		}
		if (a > 5) throw Error(o);
		let s = Math.min(16, 2 ** (a - 1));
		i(`${o} Trying again in ${s} s (${a} of 5).`), await new Promise((e, t) => {
			let n = setTimeout(e, s * 1e3);
			r.addEventListener("abort", () => {
				clearTimeout(n), t(r.reason);
			}, { once: !0 });
		}), i("");
	}
}
async function i(e) {
	return globalThis.crypto?.subtle ? [...new Uint8Array(await crypto.subtle.digest("SHA-256", e))].map((e) => e.toString(16).padStart(2, "0")).join("") : null;
}
function a(e, t, n) {
	let r = 2166136261;
	for (let i of [
		e.project,
		t.name,
		...n
	].join("\n")) r = Math.imul(r ^ i.codePointAt(0), 16777619) >>> 0;
	return `segloop-upload:${r.toString(16)}:${t.size}:${t.lastModified}`;
}
function o(e, t) {
	try {
		t ? localStorage.setItem(e, t) : localStorage.removeItem(e);
	} catch {}
}
function s(e) {
	try {
		return localStorage.getItem(e);
	} catch {
		return null;
	}
}
function c(t) {
	let [n, r] = t, i = [n, r].map(({ name: e }) => /\.zip$/i.test(e));
	if (i[0] !== i[1]) return i[0] ? [n, r] : [r, n];
	let a = [n, r].map(({ name: t }) => e.test(t));
	return a[0] === a[1] ? n.size >= r.size ? [n, r] : [r, n] : a[1] ? [n, r] : [r, n];
}
function l(e) {
	return e < 60 ? `${Math.ceil(e)} s` : `${Math.floor(e / 60)} min ${Math.round(e % 60)} s`;
}
var u = class {
	root = n("details", { class: "annotated" });
	summary = n("summary");
	list = n("div", {});
	checks = [];
	constructor() {
		this.root.append(this.summary, n("p", {}, "A label that nobody looked for is unknown in this mask, not absent. Untick it."), this.list);
	}
	offer(e) {
		if (this.root.hidden = !e.length && !this.checks.length, e.length && JSON.stringify(e.map(({ index: e }) => e)) !== JSON.stringify(this.checks.map(([e]) => e))) {
			this.checks = e.map(({ index: e, name: t }) => [e, n("input", {
				type: "checkbox",
				checked: "",
				"aria-label": `${t} annotated`
			})]), this.list.replaceChildren(...this.checks.map(([, t], r) => n("label", {}, t, n("span", {}, e[r].name))));
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
}, d = class {
	data;
	root = n("div", {
		class: "su",
		"data-state": "idle"
	});
	trigger = () => {};
	input = n("input", { type: "file" });
	choose = n("button", { type: "button" }, "Choose a file");
	what = n("span");
	kind = n("select", { "aria-label": "What the mask is" }, n("option", { value: "ground_truth" }, "ground truth"), n("option", { value: "imported" }, "another tool's result"));
	annotated = new u();
	fields = n("div", { class: "fields" });
	patient = n("input", {
		type: "text",
		maxlength: "200",
		autocomplete: "off"
	});
	caseName = n("input", {
		type: "text",
		maxlength: "100",
		autocomplete: "off"
	});
	zone = n("div", { class: "zone" }, this.what, this.choose, this.input);
	bar = n("progress", {
		max: "1",
		value: "0",
		"aria-label": "Upload progress"
	});
	text = n("span", { class: "text" });
	cancel = n("button", { type: "button" }, "Cancel");
	progress = n("div", { class: "progress" }, this.bar, this.text, this.cancel);
	message = n("div", {
		class: "message",
		role: "status"
	});
	running = null;
	constructor(e) {
		this.data = e;
		let t = (e, t) => n("label", {}, n("span", {}, e), t);
		e.volumeId === null ? (this.input.multiple = !0, this.what.textContent = "Drop a CT (NIfTI, or a zip of its DICOM files) here, or a CT and its mask, or", this.fields.append(t("Patient reference (optional, stored as a pseudonym)", this.patient), t("Case reference (optional)", this.caseName))) : this.what.textContent = "Drop a mask on the CT's own grid here, or", this.fields.append(t(e.volumeId === null ? "A mask that comes with it is" : "The mask is", this.kind)), this.root.append(n("style", {}, ".su{font:15px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:10px;display:flex}.su *{box-sizing:border-box}[hidden]{display:none!important}.fields{flex-wrap:wrap;gap:10px;display:flex}.fields label{flex-direction:column;flex:240px;gap:3px;font-size:14px;display:flex}.fields :is(input,select){font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:6px;padding:7px 9px}.annotated{font-size:14px}.annotated summary{cursor:pointer}.annotated p{margin:6px 0}.annotated div{flex-wrap:wrap;gap:4px 14px;display:flex}.annotated label{align-items:center;gap:5px;display:flex}.zone{border:2px dashed var(--st-border-color,#999);background:var(--st-secondary-background-color,#f0f2f6);border-radius:8px;flex-wrap:wrap;justify-content:center;align-items:center;gap:10px;padding:26px 12px;display:flex}.zone.over{border-color:var(--st-primary-color,#1f6feb)}.zone input{display:none}button{font:inherit;color:inherit;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);cursor:pointer;border-radius:6px;padding:6px 14px}button:hover:enabled,button:focus-visible{border-color:var(--st-primary-color,#1f6feb);box-shadow:0 0 0 1px var(--st-primary-color,#1f6feb);outline:none}button:disabled{opacity:.5;cursor:default}.progress{flex-wrap:wrap;align-items:center;gap:10px;padding:14px 0;display:flex}progress{height:14px;accent-color:var(--st-primary-color,#1f6feb);flex:200px}.text{font-variant-numeric:tabular-nums}.message:empty{display:none}.message.error{color:var(--st-red-text-color,#c62828);font-weight:600}"), this.fields, this.annotated.root, this.zone, this.progress, this.message);
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
		}), this.cancel.addEventListener("click", () => this.running?.abort()), this.setState("idle"), this.show(e);
	}
	show(e) {
		this.data = e, this.annotated.offer(e.labels);
	}
	setState(e) {
		this.root.dataset.state = e;
		let t = e === "busy";
		this.progress.hidden = !t, this.zone.hidden = t, this.patient.disabled = this.caseName.disabled = this.kind.disabled = this.annotated.disabled = t;
	}
	say(e, t = !1) {
		this.message.textContent = e, this.message.classList.toggle("error", t);
	}
	async start(e) {
		if (this.running || !e.length) return;
		let { data: t } = this, n = t.volumeId === null ? 2 : 1;
		if (e.length > n) return this.say(n === 2 ? "Drop one CT, or one CT and its mask." : "Drop one file at a time.", !0);
		if (e.some(({ size: e }) => !e)) return this.say("This file is empty.", !0);
		if ((t.volumeId !== null || e.length === 2) && this.annotated.indices?.length === 0) return this.say("Tick the labels that were annotated in the mask.", !0);
		let i = this.running = new AbortController();
		delete this.root.dataset.volume, this.setState("busy"), this.say("");
		let a = (e, n = {}) => r(`${t.apiBase}/v1${e}`, n, i.signal, (e) => this.say(e, !!e));
		try {
			if (t.volumeId !== null) {
				let n = await this.send(e[0], "mask", t.volumeId, a);
				this.finish({
					volume_id: t.volumeId,
					mask_id: n.id
				});
			} else {
				let [t, n] = e.length === 2 ? c(e) : [e[0], null], r = await this.send(t, "CT", null, a);
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
	async send(e, n, r, i) {
		let { data: s } = this;
		this.bar.value = 0, this.text.textContent = `Starting the ${n} ...`, this.cancel.disabled = !1;
		let c = this.annotated.indices, l = n === "CT" ? [this.patient.value.trim(), this.caseName.value.trim()] : [
			r,
			this.kind.value,
			String(c)
		], u = a(s, e, l), d = null;
		try {
			if (d = await this.resume(u, i), !d) {
				let t = n === "CT" ? {
					patient_reference: l[0] || void 0,
					case_reference: l[1] || void 0
				} : {
					purpose: "mask",
					volume_id: r,
					mask_kind: this.kind.value,
					annotated_labels: c
				};
				d = await i(`/projects/${encodeURIComponent(s.project)}/uploads`, {
					method: "POST",
					headers: { "Content-Type": "application/json" },
					body: JSON.stringify({
						size_bytes: e.size,
						...t
					})
				}), o(u, d.id);
			}
			await this.sendParts(e, d, n, i), this.text.textContent = `Checking the ${n} ...`, this.cancel.disabled = !0;
			let t = await i(`/uploads/${d.id}/complete`, { method: "POST" });
			return o(u, null), t;
		} catch (e) {
			if (this.running?.signal.aborted) throw o(u, null), d && await fetch(`${s.apiBase}/v1/uploads/${d.id}`, {
				method: "DELETE",
				credentials: "same-origin"
			}).catch(() => null), e;
			let n = e instanceof t;
			n && e.status !== 401 && e.status !== 403 && o(u, null);
			let r = e instanceof Error ? e.message : String(e);
			throw n ? e : /* @__PURE__ */ Error(`${r} Choose the same file again to go on where it stopped.`);
		}
	}
	async sendParts(e, { id: t, part_bytes: n, n_parts: r, received: a }, o, s) {
		let c = new Set(a), u = performance.now(), d = 0, f = [...c].reduce((t, r) => t + Math.min(n, e.size - (r - 1) * n), 0);
		for (let a = 1; a <= r; a++) {
			if (c.has(a)) continue;
			let r = await e.slice((a - 1) * n, a * n).arrayBuffer(), p = { "Content-Type": "application/octet-stream" }, m = await i(r);
			m && (p["X-Content-Sha256"] = m), await s(`/uploads/${t}/parts/${a}`, {
				method: "PUT",
				headers: p,
				body: r
			}), d += r.byteLength, f += r.byteLength;
			let h = d / ((performance.now() - u) / 1e3);
			this.bar.value = f / e.size, this.text.textContent = `${o}: ${(f / 1e6).toFixed(1)} of ${(e.size / 1e6).toFixed(1)} MB, ${(h / 1e6).toFixed(1)} MB/s, ${l((e.size - f) / h)} left`;
		}
	}
	async resume(e, n) {
		let r = s(e);
		if (!r) return null;
		try {
			let e = await n(`/uploads/${encodeURIComponent(r)}`);
			if (!e.state || e.state === "open") return e;
		} catch (e) {
			if (!(e instanceof t) || e.status === 401 || e.status === 403) throw e;
		}
		return o(e, null), null;
	}
}, f = /* @__PURE__ */ new Map();
function p({ data: e, parentElement: t, setTriggerValue: n }) {
	let r = f.get(e.instance) ?? new d(e);
	return f.set(e.instance, r), r.show(e), r.trigger = n, r.root.parentNode !== t && t.append(r.root), () => {
		r.root.parentNode === t && r.root.remove();
	};
}
export { p as default };
