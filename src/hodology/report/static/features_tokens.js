// Tokens as a reader can see them. A token may be white space, a line break or a sign that turns the direction of
// the line: each gets a visible mark, so that no token is invisible and none disturbs its neighbours.
const LONGEST = 60, LEVELS = 8, FAINT = 0.05;
const MARKS = { "\n": "↵", "\r": "␍", "\t": "⇥" };

function visible(text) {
  if (text === "") return "∅";
  const joiner = (sign) => text.length > 1 && (sign === "\u200c" || sign === "\u200d"); // parts of words and pictures
  const shown = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => MARKS[sign] ?? (joiner(sign) ? sign : `⟨${sign.codePointAt(0).toString(16)}⟩`));
  const blank = shown.trim() === "" ? shown.replace(/\s/gu, "␣") : shown;
  return blank.length > LONGEST ? `${[...blank].slice(0, LONGEST).join("")}…` : blank;
}

function spokenToken(text) {
  const names = { "": "empty", " ": "space", "\n": "line break", "\t": "tab" };
  return names[text] ?? (visible(text).trim() || text);
}

// How dark the ground of a token is: 0 for none, then in equal steps up to the largest coefficient of the feature.
function levelOf(value, top) {
  const share = top > 0 ? value / top : 0;
  return share < FAINT ? 0 : clamp(Math.ceil(LEVELS * share), 1, LEVELS);
}

function largest(feature) {
  return Math.max(0, ...feature.contexts.map((context) => Math.max(0, ...context.tokens.map(([, value]) => value))));
}

function featureLink(id) { return make("a", { href: `#feature-${id}` }, String(id)); }
