import { expect, test } from 'vitest'
import { forSpreadsheets } from '../src/data/csv'

test('what a spreadsheet would run becomes a text', () => {
  const rows: [string, string][] = [
    ['=1+1', `"'=1+1"`],
    ['"=HYPERLINK(""http://a/"",""x"")"', `"'=HYPERLINK(""http://a/"",""x"")"`],
    ['+1', `"'+1"`],
    ['-1+1', `"'-1+1"`],
    ['-a', `"'-a"`],
    ['-', `"'-"`],
    ['@SUM(A1)', `"'@SUM(A1)"`],
    ['"@a,b"', `"'@a,b"`],
    ['\ta', `"'\ta"`],
    ['"\ra"', `"'\ra"`],
    ['"="', `"'="`],
  ]
  for (const [cell, want] of rows) {
    expect(forSpreadsheets(`src_app,bytes_tx\r\n${cell},1\r\nb,${cell}\r\n`)).toBe(
      `src_app,bytes_tx\r\n${want},1\r\nb,${want}\r\n`,
    )
  }
})

test('all else stays as it was sent', () => {
  const text = [
    'src_app,dest_app,vpc_id,difference,change',
    'a=b,a-b,a+b,-1180,gone',
    `"a,""=b""",'=c,a@b,-123456789012345678901234567890,grown`,
    ' =d,"",,0,new',
    '',
  ].join('\r\n')
  expect(forSpreadsheets(text)).toBe(text)
  expect(forSpreadsheets('')).toBe('')
})
