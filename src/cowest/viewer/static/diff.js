// Which words of two texts differ: the longest common subsequence of their words, with bounds on time and memory.

const MOST_CELLS = 4_000_000;

/** Parts a text into words, each with the white space after it; joined they are the text again. */
export function parts(text) {
  return text.match(/^\s+|(?:[\p{L}\p{N}\p{M}_]+|[^\s\p{L}\p{N}\p{M}_])\s*/gu) ?? [];
}

/**
 * The pieces of both texts, each `{text, own}`: `own` is true where the other text lacks it. White space is not compared.
 * Texts that differ in so much that comparing them would take long are marked from the first difference to the last.
 */
export function differences(left, right) {
  const whole = [parts(left), parts(right)];
  const [a, b] = whole.map((words) => words.map((word) => word.trim()));
  let start = 0, end = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const own = common(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return whole.map((words, side) => pieces(words, (index) => own[side][index - start] ?? false));
}

function common(a, b) {
  const own = [a.map(() => true), b.map(() => true)];
  if (a.length === 0 || b.length === 0 || a.length * b.length > MOST_CELLS) return own;
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) {
      own[0][i++] = own[1][j++] = false;
    } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i++;
    else j++;
  }
  return own;
}

function pieces(words, isOwn) {
  const found = [];
  const add = (text, own) => {
    if (!text) return;
    if (found.at(-1)?.own === own) found.at(-1).text += text;
    else found.push({ text, own });
  };
  words.forEach((word, index) => {
    const own = isOwn(index), bare = word.trimEnd();
    add(bare, own && bare !== "");
    // The space after a marked word is marked where the next word is too.
    add(word.slice(bare.length), own && index + 1 < words.length && isOwn(index + 1));
  });
  return found;
}
