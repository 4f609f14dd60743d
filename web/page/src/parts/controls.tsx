import { useEffect, useId, useState } from 'preact/hooks'
import { hourInput, hourText, parseHour } from '../data/hours'
import { forSpreadsheets } from '../data/csv'
import { csvUrl } from '../data/queries'
import { usePage } from '../page'
import { Download } from './download'
import { Icon, type IconName } from './icons'

interface ChoiceProps<T extends string | number> {
  label: string
  options: readonly { value: T; text: string; icon?: IconName }[]
  value: T
  onChoose: (value: T) => void
  testid: string
}

/** Choice is one of a few, side by side: radio buttons, so that arrow keys and screen readers know them. */
export function Choice<T extends string | number>({ label, options, value, onChoose, testid }: ChoiceProps<T>) {
  const name = useId()
  return (
    <fieldset class="choice" data-testid={testid}>
      <legend class="unseen">{label}</legend>
      {options.map((option) => (
        <label key={option.value} title={option.icon ? option.text : undefined}>
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChoose(option.value)}
          />
          {option.icon ? (
            <span>
              <Icon name={option.icon} />
              <span class="unseen">{option.text}</span>
            </span>
          ) : (
            <span>{option.text}</span>
          )}
        </label>
      ))}
    </fieldset>
  )
}

interface SelectProps {
  label: string
  options: readonly { value: string | number; text: string }[]
  value: string | number
  onChoose: (value: string) => void
  testid: string
}

/** Select is one of many. */
export function Select({ label, options, value, onChoose, testid }: SelectProps) {
  return (
    <label class="select">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChoose(event.currentTarget.value)} data-testid={testid}>
        {options.map((option) => (
          <option key={option.value} value={option.value} selected={String(option.value) === String(value)}>
            {option.text}
          </option>
        ))}
      </select>
    </label>
  )
}

interface IconButtonProps {
  icon: IconName
  label: string
  onClick: () => void
  disabled?: boolean
  testid: string
}

export function IconButton({ icon, label, onClick, disabled = false, testid }: IconButtonProps) {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={label}
      {...{ disabled, onClick }}
      data-testid={testid}
    >
      <Icon name={icon} />
    </button>
  )
}

interface HourFieldProps {
  label: string
  hour: number
  onChoose: (hour: number) => void
  testid: string
}

/** HourField takes an hour as a number or a UTC time; Enter or leaving the field chooses it. */
export function HourField({ label, hour, onChoose, testid }: HourFieldProps) {
  const [text, setText] = useState(hourInput(hour))
  const [wrong, setWrong] = useState(false)
  const hint = useId()
  useEffect(() => {
    setText(hourInput(hour))
    setWrong(false)
  }, [hour])
  const choose = () => {
    const read = parseHour(text)
    setWrong(read === null)
    if (read === null || read === hour) return
    onChoose(read)
  }
  return (
    <span class="hour-field">
      <input
        type="text"
        aria-label={label}
        title={`${label}: ${hourText(hour)}`}
        aria-invalid={wrong}
        aria-describedby={hint}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onBlur={choose}
        onKeyDown={(event) => {
          if (event.key === 'Enter') choose()
          if (event.key === 'Escape') setText(hourInput(hour))
        }}
        data-testid={testid}
      />
      <span id={hint} class={wrong ? 'hint wrong' : 'unseen'} role={wrong ? 'alert' : undefined}>
        {wrong ? 'An hour is a number, or a UTC time such as 2026-11-23 09:00.' : 'A number, or a UTC time'}
      </span>
    </span>
  )
}

/** CsvLink downloads the answer to url as CSV that a spreadsheet can open: people do so, whatever names have in them. */
export function CsvLink({ url, name, testid }: { url: string; name: string; testid: string }) {
  const { live, status } = usePage()
  return (
    <Download
      {...{ live, status, testid }}
      className="button"
      url={csvUrl(url)}
      name={`${name}.csv`}
      title="Download these rows as CSV"
      edit={forSpreadsheets}
    >
      <Icon name="download" />
      CSV
    </Download>
  )
}
