// What a dashboard of ours may be: Grafana's published types, closed, with the panels by kind.
// scripts/grafana-schema makes JSON Schema of it.
import type { DataQuery } from '@grafana/schema/dist/esm/common/common.gen';
import type { Options as BarGaugeOptions } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { FieldConfig as TimelineFields, Options as TimelineOptions } from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type { FieldConfig as TableFields, Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { FieldConfig as TimeSeriesFields, Options as TimeSeriesOptions } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Dashboard, FieldConfig, FieldConfigSource, Panel } from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';

// The query of the Prometheus data source, whose types are published elsewhere.
type PrometheusQuery = DataQuery & {
  expr: string;
  instant?: boolean;
  range?: boolean;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
};
type Fields<Custom> = Omit<FieldConfigSource, 'defaults'> & {
  defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom };
};
type Kind<Type extends string, Options, Custom> =
  Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
    type: Type;
    options: Partial<Options>;
    fieldConfig: Fields<Partial<Custom>>;
    targets: PrometheusQuery[];
  };
type None = Record<string, never>;

export type OurDashboard = Omit<Dashboard, 'panels'> & {
  panels: (
    | Kind<'timeseries', TimeSeriesOptions, TimeSeriesFields>
    | Kind<'stat', StatOptions, None>
    | Kind<'bargauge', BarGaugeOptions, None>
    | Kind<'table', TableOptions, TableFields>
    | Kind<'state-timeline', TimelineOptions, TimelineFields>
  )[];
};
