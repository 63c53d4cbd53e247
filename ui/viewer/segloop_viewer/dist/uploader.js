// src/uploader.css?inline
var e = class extends Error {
	status;
	constructor(e, t) {
		super(e), this.status = t;
	}
};
function t(e, t = {}, ...n) {
	let r = document.createElement(e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
async function n(t, n, r, i) {
	for (let a = 1;; a++) {
		let o = "The server could not be reached.";
		try {
			let i = await fetch(t, {
				...n,
				signal: r,
				credentials: "same-origin"
			});
			if (i.ok) return i.status === 204 ? null : await i.json();
			let a = await i.json().catch(() => null);
			if (o = typeof a?.detail == "string" ? a.detail : `The server answered ${i.status}.`, i.status < 500 && i.status !== 408 && i.status !== 429) throw new e(o, i.status);
		} catch (t) {
			if (r.aborted || t instanceof e) throw t;
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
async function r(e) {
	return globalThis.crypto?.subtle ? [...new Uint8Array(await crypto.subtle.digest("SHA-256", e))].map((e) => e.toString(16).padStart(2, "0")).join("") : null;
}
function i(e, t, n) {
	let r = 2166136261;
	for (let i of [
		e.project,
		t.name,
		...n
	].join("\n")) r = Math.imul(r ^ i.codePointAt(0), 16777619) >>> 0;
	return `segloop-upload:${r.toString(16)}:${t.size}:${t.lastModified}`;
}
function a(e, t) {
	try {
		t ? localStorage.setItem(e, t) : localStorage.removeItem(e);
	} catch {}
}
function o(e) {
	try {
		return localStorage.getItem(e);
	} catch {
		return null;
	}
}
function s(e) {
	return e < 60 ? `${Math.ceil(e)} s` : `${Math.floor(e / 60)} min ${Math.round(e % 60)} s`;
}
var c = class {
	data;
	root = t("div", {
		class: "su",
		"data-state": "idle"
	});
	trigger = () => {};
	input = t("input", { type: "file" });
	choose = t("button", { type: "button" }, "Choose a file");
	patient = t("input", {
		type: "text",
		maxlength: "200",
		autocomplete: "off"
	});
	caseName = t("input", {
		type: "text",
		maxlength: "100",
		autocomplete: "off"
	});
	zone = t("div", { class: "zone" }, t("span", {}, "Drop a CT file here, or"), this.choose, this.input);
	bar = t("progress", {
		max: "1",
		value: "0",
		"aria-label": "Upload progress"
	});
	text = t("span", { class: "text" });
	cancel = t("button", { type: "button" }, "Cancel");
	progress = t("div", { class: "progress" }, this.bar, this.text, this.cancel);
	message = t("div", {
		class: "message",
		role: "status"
	});
	running = null;
	constructor(e) {
		this.data = e;
		let n = (e, n) => t("label", {}, t("span", {}, e), n);
		this.root.append(t("style", {}, ".su{font:15px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:10px;display:flex}.su *{box-sizing:border-box}[hidden]{display:none!important}.fields{flex-wrap:wrap;gap:10px;display:flex}.fields label{flex-direction:column;flex:240px;gap:3px;font-size:14px;display:flex}.fields input{font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:6px;padding:7px 9px}.zone{border:2px dashed var(--st-border-color,#999);background:var(--st-secondary-background-color,#f0f2f6);border-radius:8px;flex-wrap:wrap;justify-content:center;align-items:center;gap:10px;padding:26px 12px;display:flex}.zone.over{border-color:var(--st-primary-color,#1f6feb)}.zone input{display:none}button{font:inherit;color:inherit;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);cursor:pointer;border-radius:6px;padding:6px 14px}button:hover:enabled,button:focus-visible{border-color:var(--st-primary-color,#1f6feb);box-shadow:0 0 0 1px var(--st-primary-color,#1f6feb);outline:none}button:disabled{opacity:.5;cursor:default}.progress{flex-wrap:wrap;align-items:center;gap:10px;padding:14px 0;display:flex}progress{height:14px;accent-color:var(--st-primary-color,#1f6feb);flex:200px}.text{font-variant-numeric:tabular-nums}.message:empty{display:none}.message.error{color:var(--st-red-text-color,#c62828);font-weight:600}"), t("div", { class: "fields" }, n("Patient reference (optional, stored as a pseudonym)", this.patient), n("Case reference (optional)", this.caseName)), this.zone, this.progress, this.message);
		for (let e of [
			"keydown",
			"keyup",
			"keypress"
		]) this.root.addEventListener(e, (e) => e.stopPropagation());
		this.choose.addEventListener("click", () => this.input.click()), this.input.addEventListener("change", () => {
			let e = this.input.files?.[0];
			this.input.value = "", e && this.start(e);
		}), this.zone.addEventListener("dragover", (e) => {
			e.preventDefault(), this.zone.classList.add("over");
		}), this.zone.addEventListener("dragleave", () => this.zone.classList.remove("over")), this.zone.addEventListener("drop", (e) => {
			e.preventDefault(), this.zone.classList.remove("over");
			let t = e.dataTransfer?.files;
			t && t.length > 1 ? this.say("Drop one file at a time.", !0) : t?.[0] && this.start(t[0]);
		}), this.cancel.addEventListener("click", () => this.running?.abort()), this.setState("idle");
	}
	setState(e) {
		this.root.dataset.state = e;
		let t = e === "busy";
		this.progress.hidden = !t, this.zone.hidden = t, this.patient.disabled = this.caseName.disabled = t;
	}
	say(e, t = !1) {
		this.message.textContent = e, this.message.classList.toggle("error", t);
	}
	async start(t) {
		if (this.running) return;
		if (!t.size) return this.say("This file is empty.", !0);
		let o = this.running = new AbortController(), { data: c, root: l } = this;
		delete l.dataset.volume, this.setState("busy"), this.say(""), this.bar.value = 0, this.text.textContent = "Starting ...", this.cancel.disabled = !1;
		let u = [this.patient.value.trim(), this.caseName.value.trim()], d = i(c, t, [...u]), f = null;
		try {
			let e = (e, t = {}) => n(`${c.apiBase}/v1${e}`, t, o.signal, (e) => this.say(e, !!e));
			if (f = await this.resume(d, e), !f) {
				let n = {
					size_bytes: t.size,
					patient_reference: u[0] || void 0,
					case_reference: u[1] || void 0
				};
				f = await e(`/projects/${encodeURIComponent(c.project)}/uploads`, {
					method: "POST",
					headers: { "Content-Type": "application/json" },
					body: JSON.stringify(n)
				}), a(d, f.id);
			}
			let { id: i, part_bytes: p, n_parts: m } = f, h = new Set(f.received), g = performance.now(), _ = 0, v = [...h].reduce((e, n) => e + Math.min(p, t.size - (n - 1) * p), 0);
			for (let n = 1; n <= m; n++) {
				if (h.has(n)) continue;
				let a = await t.slice((n - 1) * p, n * p).arrayBuffer(), o = { "Content-Type": "application/octet-stream" }, c = await r(a);
				c && (o["X-Content-Sha256"] = c), await e(`/uploads/${i}/parts/${n}`, {
					method: "PUT",
					headers: o,
					body: a
				}), _ += a.byteLength, v += a.byteLength;
				let l = _ / ((performance.now() - g) / 1e3);
				this.bar.value = v / t.size, this.text.textContent = `${(v / 1e6).toFixed(1)} of ${(t.size / 1e6).toFixed(1)} MB, ${(l / 1e6).toFixed(1)} MB/s, ${s((t.size - v) / l)} left`;
			}
			this.text.textContent = "Checking the file ...", this.cancel.disabled = !0;
			let y = await e(`/uploads/${i}/complete`, { method: "POST" });
			a(d, null), l.dataset.volume = y.id, this.setState("done"), this.say("The file is uploaded."), this.patient.value = this.caseName.value = "", this.trigger("uploaded", {
				volume_id: y.id,
				is_hu_like: y.is_hu_like,
				hu_min: y.hu_min,
				hu_max: y.hu_max
			});
		} catch (t) {
			if (o.signal.aborted) a(d, null), f && await fetch(`${c.apiBase}/v1/uploads/${f.id}`, {
				method: "DELETE",
				credentials: "same-origin"
			}).catch(() => null), this.setState("idle"), this.say("The upload was cancelled.");
			else {
				let n = t instanceof e;
				n && t.status !== 401 && t.status !== 403 && a(d, null);
				let r = t instanceof Error ? t.message : String(t);
				this.setState("error"), this.say(n ? r : `${r} Choose the same file again to go on where it stopped.`, !0);
			}
		} finally {
			this.running = null;
		}
	}
	async resume(t, n) {
		let r = o(t);
		if (!r) return null;
		try {
			let e = await n(`/uploads/${encodeURIComponent(r)}`);
			if (!e.state || e.state === "open") return e;
		} catch (t) {
			if (!(t instanceof e) || t.status === 401 || t.status === 403) throw t;
		}
		return a(t, null), null;
	}
}, l = /* @__PURE__ */ new Map();
function u({ data: e, parentElement: t, setTriggerValue: n }) {
	let r = l.get(e.instance) ?? new c(e);
	return l.set(e.instance, r), r.data = e, r.trigger = n, r.root.parentNode !== t && t.append(r.root), () => {
		r.root.parentNode === t && r.root.remove();
	};
}
export { u as default };
