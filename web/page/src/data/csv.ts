// A spreadsheet runs a cell that begins with one of these as a formula, and a name can begin with any. In quotes, and with
// a quote mark in front, it is a text to all of them.
const formula = /^[=+\-@\t\r]/
// The answers have negative numbers, which are to stay numbers.
const negative = /^-\d+$/

const cells = /"(?:[^"]|"")*"|[^,\r\n"]+/g

/** forSpreadsheets is CSV as the server sends it, with cells that a spreadsheet would run made into texts. */
export function forSpreadsheets(csv: string): string {
  return csv.replace(cells, (cell) => {
    const text = cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell
    return formula.test(text) && !negative.test(text) ? `"'${text.replaceAll('"', '""')}"` : cell
  })
}
