/** The goals, and how a row is printed. */

/** Ours at most `factor` times stock's. */
export const atMost = (factor, text = `at most ${factor} × stock`) => ({
  text,
  met: ({ ratio }) => ratio !== null && ratio <= factor,
});

/** Ours at most `limit`, whatever stock's is. */
export const within = (limit, text = `at most ${limit}`) => ({
  text,
  met: ({ ours }) => ours !== null && ours <= limit,
});

/** Ours is there at all, which stock's is not. */
export const delivered = { text: 'delivered', met: ({ ours }) => ours !== null };

const number = (value, none) => {
  if (value === null) return none;
  if (value === 0 || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
};

const cells = ({ figure, ours, stock, ratio, goal, met }) => [
  figure,
  number(ours, 'none'),
  number(stock, 'none'),
  number(ratio, '-'),
  goal,
  met ? 'yes' : 'MISSED',
];

export function printRow(row) {
  const [figure, ours, stock, ratio, , met] = cells(row);
  console.log(`  ${figure}: ours ${ours}, stock ${stock}, ratio ${ratio}, met: ${met}`);
}

export function printTable(rows) {
  const lines = [['figure', 'ours', 'stock', 'ratio', 'goal', 'met'], ...rows.map(cells)];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const isNumber = (column) => column >= 1 && column <= 3;
  console.log();
  for (const line of lines) {
    const padded = line.map((cell, column) =>
      isNumber(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    );
    console.log(padded.join(' | ').trimEnd());
  }
  const missed = rows.filter(({ met }) => !met).length;
  console.log(`\n${rows.length - missed} of ${rows.length} figures meet their goal`);
}
