// The parts of ECharts that the page draws with. This module is loaded when the first of its charts is shown.

import { HeatmapChart, SankeyChart } from 'echarts/charts'
import { GridComponent, VisualMapContinuousComponent } from 'echarts/components'
import { init, use, type EChartsType } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

use([SankeyChart, HeatmapChart, GridComponent, VisualMapContinuousComponent, CanvasRenderer])

export function newChart(box: HTMLElement): EChartsType {
  return init(box, null, { renderer: 'canvas' })
}
