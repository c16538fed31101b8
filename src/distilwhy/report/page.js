"use strict";

/* ---- Charts: tooltips, and highlighting a method ---- */

const tip = document.getElementById("tip");
const drawings = [...document.querySelectorAll(".chart svg")];
const keys = [...document.querySelectorAll(".key button")];
const NEAR = 40;

function methodOf(mark) {
  return mark.getAttribute("aria-label").split(": ")[0];
}

function marksOf(drawing) {
  return [...drawing.querySelectorAll(".role-mark [aria-label*=': ']")];
}

/** Highlight methods; with none, the chart looks as it was drawn. */
function highlight(methods) {
  for (const drawing of drawings) {
    drawing.classList.toggle("chosen", methods.length > 0);
    for (const mark of marksOf(drawing)) mark.classList.toggle("on", methods.includes(methodOf(mark)));
  }
}

function pressed() {
  return keys.filter((key) => key.getAttribute("aria-pressed") === "true").map((key) => key.dataset.method);
}

for (const key of keys) {
  const method = key.dataset.method;
  key.addEventListener("click", () => {
    key.setAttribute("aria-pressed", key.getAttribute("aria-pressed") !== "true");
    highlight(pressed());
  });
  for (const type of ["pointerenter", "focus"]) key.addEventListener(type, () => highlight([...pressed(), method]));
  for (const type of ["pointerleave", "blur"]) key.addEventListener(type, () => highlight(pressed()));
}

/** The point nearest to the pointer, if one is within reach. */
function nearest(drawing, event) {
  let best = null;
  let least = NEAR;
  for (const mark of drawing.querySelectorAll(".mark-symbol.role-mark [aria-label*=': ']")) {
    const box = mark.getBoundingClientRect();
    const distance = Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
    if (distance < least) [best, least] = [mark, distance];
  }
  return best;
}

function showTip(mark) {
  const box = mark.getBoundingClientRect();
  const [method, ...said] = mark.getAttribute("aria-label").split(": ");
  tip.replaceChildren(element("b", "", method), element("span", "", said.join(": ")));
  tip.hidden = false;
  const left = Math.min(box.x + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
  const above = box.y - tip.offsetHeight - 10;
  tip.style.left = `${Math.max(8, left) + window.scrollX}px`;
  tip.style.top = `${(above > 0 ? above : box.bottom + 10) + window.scrollY}px`;
}

function hideTip() {
  if (tip.hidden) return;
  tip.hidden = true;
  highlight(pressed());
}

for (const drawing of drawings) {
  const follow = (event) => {
    const mark = nearest(drawing, event);
    if (!mark) return hideTip();
    showTip(mark);
    if (keys.length) highlight([...pressed(), methodOf(mark)]);
  };
  drawing.addEventListener("pointermove", follow);
  drawing.addEventListener("pointerdown", follow);
  drawing.addEventListener("pointerleave", hideTip);
}

/* ---- Tables that are wider than the screen say so ---- */

const widths = new ResizeObserver((changed) => {
  for (const { target } of changed) target.classList.toggle("wide", target.scrollWidth > target.clientWidth);
});
for (const region of document.querySelectorAll(".scroll")) widths.observe(region);

/* ---- Test rows: parsed when needed, and rendered one page at a time ---- */

const about = JSON.parse(document.getElementById("about").textContent);
const chunks = [...document.querySelectorAll("script.chunk")];
const read = [];
const PAGE = 10;
const LONG = 1200;
const PATIENCE_MS = 30;
const [ID, TEXT, OPTIONS, GOLD, SAID, TEACHER_SAYS, STUDENT_SAYS] = [0, 1, 2, 3, 4, 5, 6];
const [ANSWER, RIGHT, WHO] = [0, 1, 2];

/** A thousand rows, parsed on first use. */
function chunk(place) {
  read[place] ??= JSON.parse(chunks[place].textContent);
  return read[place];
}

function rowAt(number) {
  return chunk(Math.floor(number / about.chunk))[number % about.chunk];
}

function saidBy(row, who) {
  return row[SAID].find((said) => said[WHO].includes(who));
}

function rightBy(row, who) {
  return saidBy(row, who)?.[RIGHT] === 1;
}

/** Whether it answered wrongly. The teacher may not have been asked. */
function wrongBy(row, who) {
  return saidBy(row, who)?.[RIGHT] === 0;
}

/** Whether two answers differ. Two right answers do not: they are the same in other words. */
function differ(said, other) {
  return Boolean(said && other) && said[ANSWER] !== other[ANSWER] && !(said[RIGHT] && other[RIGHT]);
}

function countRight(row) {
  return row[SAID].reduce((sum, said) => sum + (said[RIGHT] ? said[WHO].filter((who) => who < about.methods).length : 0), 0);
}

/** The filters for a student compared with another student or the teacher. */
function views(student, beside) {
  const [one, other] = [about.who[student], about.who[beside]];
  const found = [
    ["all", "all rows", () => true],
    ["won", `${one} right, ${other} wrong`, (row) => rightBy(row, student) && wrongBy(row, beside)],
    ["lost", `${other} right, ${one} wrong`, (row) => !rightBy(row, student) && rightBy(row, beside)],
    ["wrong", `${one} wrong`, (row) => !rightBy(row, student)],
    ["none", "every student wrong", (row) => countRight(row) === 0],
  ];
  if (about.teacher < 0) return found;
  return [
    ...found,
    ["differ", `${one} and the teacher differ`, (row) => differ(saidBy(row, student), saidBy(row, about.teacher))],
    ["misled", `the teacher wrong, ${one} right`, (row) => wrongBy(row, about.teacher) && rightBy(row, student)],
    ["unread", "the teacher's answer was not parsed", (row) => saidBy(row, about.teacher)?.[ANSWER] === null],
  ];
}

/** Whether the row contains every word. */
function mentions(row, words) {
  if (!words.length) return true;
  const answers = row[SAID].map((said) => said[ANSWER]);
  const text = [row[ID], row[TEXT], ...row[OPTIONS], row[GOLD], ...answers, row[TEACHER_SAYS], row[STUDENT_SAYS]].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Text from the data, in its own direction; a long text is cut, with a button to show all of it. */
function prose(name, className, text) {
  const made = element(name, className, text.length > LONG ? `${text.slice(0, LONG)}…` : text);
  made.dir = "auto";
  if (text.length <= LONG) return [made];
  const all = element("button", "all", `Show all ${text.length.toLocaleString("en")} characters`);
  all.type = "button";
  all.addEventListener("click", () => {
    made.textContent = text;
    made.tabIndex = -1;
    made.focus();
    all.remove();
  });
  return [made, all];
}

/** Who gave an answer; (nearly) all students are named together. */
function namesOf(who) {
  const students = about.who.slice(0, about.methods);
  const named = students.filter((_, one) => who.includes(one));
  const others = students.filter((_, one) => !who.includes(one));
  const teacher = who.includes(about.teacher) ? ["teacher"] : [];
  if (students.length < 3 || others.length > 1) return [...teacher, ...named];
  return [...teacher, others.length ? `every student but ${others[0]}` : "every student"];
}

/** One answer: whether it is right, and who gave it. */
function given(answer, right, names) {
  const made = element("li", right ? "right" : "wrong");
  const label = element("b", answer === null ? "none" : "", answer === null ? "no answer" : answer);
  label.dir = "auto";
  const givers = element("span", "givers");
  names.forEach((name, i) => {
    const kind = name === "gold" ? "gold" : name.includes(" ") ? "several" : "";
    givers.append(element("span", kind, i < names.length - 1 ? `${name},` : name), " ");
  });
  made.append(label, element("span", "mark", right ? "right" : "wrong"), givers);
  return made;
}

function answers(row) {
  const made = element("ul", "answers");
  const gold = row[SAID].find((said) => said[RIGHT] && said[ANSWER] === row[GOLD]);
  if (!gold) made.append(given(row[GOLD], true, ["gold"]));
  const ranked = [...row[SAID]].sort((a, b) => b[RIGHT] - a[RIGHT] || b[WHO].length - a[WHO].length);
  for (const said of ranked) {
    const names = namesOf(said[WHO]);
    made.append(given(said[ANSWER], said[RIGHT], said === gold ? ["gold", ...names] : names));
  }
  return made;
}

function rationale(whose, text) {
  const made = element("div", "rationale");
  made.append(element("h4", "", whose), ...prose("p", "", text));
  return made;
}

function article(row) {
  const made = element("article", "row");
  const left = element("div", "asked");
  const title = element("h3", "", row[ID]);
  title.dir = "auto";
  left.append(title, ...prose("p", "input", row[TEXT]));
  if (row[OPTIONS].length) left.append(...prose("p", "options", `Options: ${row[OPTIONS].join(" · ")}`));
  if (row[TEACHER_SAYS]) left.append(rationale("The teacher's rationale", row[TEACHER_SAYS]));
  if (row[STUDENT_SAYS]) left.append(rationale(`The rationale of ${about.explains}`, row[STUDENT_SAYS]));
  made.append(left, answers(row));
  return made;
}

function startRows() {
  const field = (id) => document.getElementById(id);
  const [words, student, beside, which, order] = ["words", "student", "beside", "which", "order"].map(field);
  let found = null; // the indices of matching rows; null: all of them
  let page = 0;
  let search = 0;

  const every = (chunks.length - 1) * about.chunk + chunk(chunks.length - 1).length;
  const total = () => (found ? found.length : every);
  const last = () => Math.max(0, Math.ceil(total() / PAGE) - 1);
  const say = (text) => (field("found").textContent = text);
  const number = (value) => value.toLocaleString("en");
  const rowsOf = (value) => `${number(value)} ${value === 1 ? "row" : "rows"}`;

  function fill(select, choices, chosen) {
    select.replaceChildren(...choices.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
  }

  function nameViews() {
    fill(which, views(+student.value, +beside.value), which.value || "all");
  }

  function show(to) {
    page = Math.min(Math.max(0, to), last());
    const numbers = [];
    for (let i = page * PAGE; i < Math.min(total(), (page + 1) * PAGE); i++) numbers.push(found ? found[i] : i);
    field("shown").replaceChildren(...numbers.map((i) => article(rowAt(i))));
    const of = found ? `${number(total())} of ${rowsOf(every)}` : rowsOf(every);
    say(total() ? `${of}; ${number(page * PAGE + 1)} to ${number(page * PAGE + numbers.length)} shown` : "No matching rows.");
    field("pages").hidden = last() === 0;
    field("page").textContent = `Page ${number(page + 1)} of ${number(last() + 1)}`;
    for (const button of field("pages").querySelectorAll("button")) {
      const end = button.dataset.to === "first" || button.dataset.to === "previous" ? page === 0 : page === last();
      button.setAttribute("aria-disabled", end); // not disabled, which would lose the focus
    }
  }

  /** Find matching rows, a chunk at a time so that the page stays responsive. */
  async function find() {
    const mine = ++search;
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = views(+student.value, +beside.value).find(([value]) => value === which.value)[2];
    if (!wanted.length && which.value === "all" && order.value === "given") {
      found = null;
      return show(0);
    }
    const fitting = [];
    let since = performance.now();
    for (let place = 0; place < chunks.length; place++) {
      chunk(place).forEach((row, i) => {
        if (fits(row) && mentions(row, wanted)) fitting.push([place * about.chunk + i, countRight(row)]);
      });
      if (performance.now() - since > PATIENCE_MS) {
        say(`Searching: ${Math.round((100 * place) / chunks.length)}%`);
        await new Promise((resolve) => setTimeout(resolve));
        if (mine !== search) return;
        since = performance.now();
      }
    }
    if (order.value !== "given") fitting.sort((a, b) => (order.value === "hard" ? a[1] - b[1] : b[1] - a[1]));
    found = fitting.map(([i]) => i);
    show(0);
  }

  fill(student, about.who.slice(0, about.methods).map((name, i) => [i, name]), about.student);
  fill(beside, about.who.map((name, i) => [i, name]), about.beside);
  nameViews();
  let typing = 0;
  words.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(find, 150);
  });
  for (const select of [student, beside]) select.addEventListener("change", nameViews);
  for (const select of [student, beside, which, order]) select.addEventListener("change", find);
  field("find").addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
  field("pages").addEventListener("click", (event) => {
    const to = { first: 0, previous: page - 1, next: page + 1, last: last() }[event.target.dataset.to];
    if (to === undefined || event.target.getAttribute("aria-disabled") === "true") return;
    show(to);
    field("find").scrollIntoView({ block: "start", behavior: "instant" });
  });
  show(0);
}

if (chunks.length) startRows();
