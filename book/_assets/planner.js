// The planner's formulas, equal to w2s_tutorial.theory (a test compares them to 1e-9), and its page.
const planner = (() => {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const flip = (a) => a[0].map((_, j) => a.map((row) => row[j]));
  const times = (a, b) => a.map((row) => flip(b).map((column) => dot(row, column)));
  const trace = (a) => a.reduce((sum, row, i) => sum + row[i], 0);

  function solve(a, b) { // a x = b for matrices, by Gauss and Jordan with pivots
    const rows = a.map((row, i) => [...row, ...b[i]]);
    for (let i = 0; i < rows.length; i++) {
      let best = i;
      for (let j = i; j < rows.length; j++) if (Math.abs(rows[j][i]) > Math.abs(rows[best][i])) best = j;
      [rows[i], rows[best]] = [rows[best], rows[i]];
      for (let j = 0; j < rows.length; j++) {
        const factor = j === i ? 0 : rows[j][i] / rows[i][i];
        if (factor) rows[j] = rows[j].map((value, k) => value - factor * rows[i][k]);
      }
    }
    return rows.map((row, i) => row.slice(a.length).map((value) => value / row[i]));
  }

  function need(holds, message) { if (!holds) throw new RangeError(message); }

  // theory.intrinsic.risks of IntrinsicProblem.aligned: exact for Gaussian features
  function sizes({ n_labeled: n, n_pool: N, d_weak: dw, d_strong: ds, d_shared: shared, noise, unreachable: rest }) {
    need(shared >= 0 && shared <= Math.min(dw, ds), "The shared dimension must lie between 0 and the smaller of the two dimensions.");
    need(n > Math.max(dw, ds) + 1, `Labels must exceed ${Math.max(dw, ds) + 1}: with fewer, least squares on these features has no finite mean risk.`);
    need(N > ds + 1, `The pool must exceed ${ds + 1}: with fewer, least squares on the student's features has no finite mean risk.`);
    const perLabel = (noise + rest) / (n - dw - 1), returned = ds / (N - ds - 1);
    const baseline = (noise + rest) * ds / (n - ds - 1);
    const risks = {
      weak: rest + perLabel * dw,
      student: rest + perLabel * (shared + returned * (dw - shared)),
      baseline: rest + baseline,
      ceiling: rest + (noise + rest) * ds / (n + N - ds - 1),
    };
    const through = (baseline / perLabel - shared) / (dw - shared); // the student equals the baseline here
    return {
      risks,
      passes: { teacher: shared < dw ? 2 * ds + 1 : null, baseline: through > 0 ? ds + 1 + ds / through : null },
    };
  }

  // theory.spurious_leading of SpuriousProblem.aligned: leading order in d_core per example
  function shares({ n_labeled: n, n_pool: N, d_core: core, p_weak: pT, p_strong: pS, overlap, separation_weak: sT,
    separation_strong: sS, noise, minority_labeled: l, minority_pool: u, minority_test: t, reading }) {
    const pairs = Math.min(pT, pS) - 1;
    need([l, u, t].every((share) => share >= 0 && share <= 1), "Shares must lie between 0 and 1.");
    need(overlap >= 0 && overlap <= pairs, `The overlap must lie between 0 and ${pairs} here.`);
    need(n >= Math.max(pT, pS) * core + 2, `Labels must be at least ${Math.max(pT, pS) * core + 2}: p × core dimension + 2.`);
    need(N >= pS * core + 2, `The pool must be at least ${pS * core + 2}: p × core dimension + 2.`);
    need((pT > 1 || sT === 0) && (pS > 1 || sS === 0), "Who has no group feature (p = 1) sees no separation: enter 0.");
    const muT = Array(pT - 1).fill(Math.sqrt(sT / Math.max(1, pT - 1)));
    const muS = Array(pS - 1).fill(Math.sqrt(sS / Math.max(1, pS - 1)));
    const cosine = pairs ? Math.sqrt(overlap / pairs) : 0;
    need(cosine < 1 || !pairs || Math.abs(muT[0] - muS[0]) < 1e-9, "At full overlap both must see the same shift per feature.");
    const xi = muT.map((_, i) => muS.map((_, j) => (i === j ? cosine : 0)));
    const perLabel = noise * core / n, perPool = noise * core / N;
    if (reading === "mean") {
      const sq = (vector) => dot(vector, vector), shared = 1 + overlap;
      const carried = xi.map((row) => dot(row, muS));
      const moved = sq(muT.map((value, i) => (u - l) * value + (t - u) * carried[i]));
      const through = (pT - shared) * (pS + (t - u) ** 2 * sq(muS)); // times core / N
      const weak = pT + (t - l) ** 2 * sq(muT), endless = shared + moved;
      return {
        risks: {
          weak: perLabel * weak,
          student: perLabel * (endless + core / N * through),
          baseline: perLabel * (pS + (t - l) ** 2 * sq(muS)),
          ceiling: perPool * (pS + (t - u) ** 2 * sq(muS)),
        },
        passes: { teacher: weak > endless ? core * through / (weak - endless) : null },
      };
    }
    const unit = (i, j) => (i === j ? 1 : 0);
    const moment = (a, b, within, share) => [ // E of [1, a-features]' [1, b-features] in a mixture
      [1, ...b.map((value) => share * value)],
      ...a.map((value, i) => [share * value, ...b.map((other, j) => within(i, j) + share * value * other)]),
    ];
    const w = (share) => moment(muT, muT, unit, share), psi = (share) => moment(muS, muS, unit, share);
    const toWeak = solve(psi(u), moment(muS, muT, (i, j) => xi[j][i], u)); // (p_S, p_T)
    return {
      risks: {
        weak: perLabel * trace(solve(w(l), w(t))),
        student: perLabel * trace(solve(w(l), times(flip(toWeak), times(psi(t), toWeak)))),
        baseline: perLabel * trace(solve(psi(l), psi(t))),
        ceiling: perPool * trace(solve(psi(u), psi(t))),
      },
      passes: {},
    };
  }

  // What a form says, in words and bars
  const number = (value) => (value >= 1e4 || value < 1e-3 ? value.toExponential(2) : value.toPrecision(3));
  const examples = (value) => `${Math.floor(value) + 1} examples`;

  function verdicts({ risks, passes }) {
    const { weak, student, baseline, ceiling } = risks;
    const said = [`The student's risk is ${number(student / weak)} times its teacher's.`];
    said.push(ceiling < weak
      ? `PGR = ${number((weak - student) / (weak - ceiling))}: the recovered share of the teacher's excess risk over the ceiling's.`
      : "PGR has no meaning here: the ceiling is no better than the teacher.");
    said.push(`OPR = ${number(baseline / student)}: ${baseline > student ? "the student beats" : "the student does not beat"} a strong model trained on the labels themselves.`);
    if ("teacher" in passes) {
      said.push(passes.teacher === null ? "No pool is large enough for the student to pass its teacher."
        : `The student passes its teacher from a pool of ${examples(passes.teacher)} on.`);
    }
    if ("baseline" in passes) {
      said.push(passes.baseline === null ? "No pool is large enough for the student to pass the baseline."
        : `It passes the baseline from a pool of ${examples(passes.baseline)} on.`);
    }
    return said;
  }

  function show(form) {
    const given = {};
    for (const field of form.elements) if (field.name) given[field.name] = field.tagName === "SELECT" ? field.value : field.valueAsNumber;
    const table = form.querySelector("table"), list = form.querySelector("ul");
    let found, said;
    try {
      for (const field of form.querySelectorAll("input")) {
        need(field.validity.valid, `${field.labels[0].textContent.trim()}: ${field.validationMessage}`);
      }
      found = { sizes, shares }[form.dataset.plan](given);
      said = verdicts(found);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      said = [error.message];
    }
    const largest = found && Math.max(...Object.values(found.risks));
    for (const row of table.tBodies[0].rows) {
      const risk = found?.risks[row.dataset.role];
      row.cells[1].textContent = found ? number(risk) : "–";
      row.querySelector("i").style.width = `${found ? 100 * risk / largest : 0}%`;
    }
    list.replaceChildren(...said.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form.w2s-plan")) {
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", () => show(form));
      form.addEventListener("reset", () => setTimeout(() => show(form)));
      show(form);
    }
  });
  return { sizes, shares };
})();
