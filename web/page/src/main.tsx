import { render } from 'preact'
import { App } from './app'
import { Live } from './data/live'
import { applyTheme, chosenTheme } from './theme'
import './styles/base.css'
import './styles/parts.css'
import './styles/table.css'
import './styles/frame.css'
import './styles/hours.css'
import './styles/views.css'

applyTheme(chosenTheme())
render(<App live={new Live()} />, document.getElementById('page')!)
