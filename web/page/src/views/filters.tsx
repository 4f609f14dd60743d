import { fields, initial, type Field } from '../data/view'
import { fieldTexts } from '../parts/cells'
import { Choice } from '../parts/controls'
import { NameFilter } from '../parts/filter'
import { usePage } from '../page'

const unitOptions = [
  { value: 'auto', text: 'kB MB GB' },
  { value: 'bytes', text: 'Bytes' },
] as const

/** Filters is which rows all parts show, and how they are grouped and written. */
export function Filters() {
  const { view, go } = usePage()
  const any = fields.some((field) => view.filters[field].length > 0)
  const grouped = view.tab === 'talkers' || view.tab === 'changes'
  return (
    <section class="filters" aria-label="Filters" data-testid="filters">
      {fields.map((field) => (
        <NameFilter key={field} field={field} label={fieldTexts[field]} />
      ))}
      <button
        type="button"
        class="clear"
        disabled={!any}
        onClick={() => go({ filters: initial().filters })}
        data-testid="clear-filters"
      >
        Clear
      </button>
      {grouped && <GroupBy />}
      <Choice
        label="Units"
        options={unitOptions}
        value={view.exact ? 'bytes' : 'auto'}
        onChoose={(unit) => go({ exact: unit === 'bytes' })}
        testid="units"
      />
    </section>
  )
}

function GroupBy() {
  const { view, go } = usePage()
  const toggle = (field: Field) =>
    go({ group: fields.filter((one) => (one === field) !== view.group.includes(one)), rows: [] })
  return (
    <fieldset class="group-by" data-testid="group-by">
      <legend>Group by</legend>
      {fields.map((field) => {
        const on = view.group.includes(field)
        return (
          <label class="check" key={field}>
            <input
              type="checkbox"
              checked={on}
              // Rows need at least one name.
              disabled={on && view.group.length === 1}
              onChange={() => toggle(field)}
              data-testid={`group-${field}`}
            />
            {fieldTexts[field]}
          </label>
        )
      })}
    </fieldset>
  )
}
