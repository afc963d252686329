// What a page does that tells of itself with OpenTelemetry's SDK for browsers, as that is published: spans, log records and metrics, histograms of
// both kinds among them, in both forms that the SDK writes. Packed by telemetry.mjs, and run in Chromium.

import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPMetricExporter as MetricsInJson } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPMetricExporter as MetricsInProtobuf } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter as TracesInJson } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as TracesInProtobuf } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { SimpleSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web'

const HOUR_MS = 3_600_000
/** Nobody's number. */
const NUMBER = '+4930123456'

/** Sends one of each, and waits until all is answered. */
globalThis.tellByOpenTelemetry = async (token) => {
  const resource = resourceFromAttributes({ 'service.name': 'softphone', customer: 'Ann' })
  const to = (signal) => ({ url: `/telemetry/v1/${signal}`, headers: { Authorization: `Bearer ${token}` } })

  const spanProcessors = [TracesInJson, TracesInProtobuf].map((Exporter) => new SimpleSpanProcessor(new Exporter(to('traces'))))
  const tracing = new WebTracerProvider({ resource, spanProcessors })
  const span = tracing.getTracer('desk').startSpan(`dial ${NUMBER}`, { attributes: { region: 'eu', customer: 'Ann' } })
  span.addEvent('rang at ann@desk.example')
  span.end()

  const logging = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter: new OTLPLogExporter(to('logs')) })] })
  logging.getLogger('desk').emit({ body: `to ${NUMBER}`, severityText: 'INFO' })

  const readers = [MetricsInJson, MetricsInProtobuf].map((Exporter) => new PeriodicExportingMetricReader({ exporter: new Exporter(to('metrics')), exportIntervalMillis: HOUR_MS }))
  const views = [
    { instrumentName: 'delay', aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { recordMinMax: true, boundaries: [10, 100] } } },
    { instrumentName: 'mos', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } },
  ]
  const metering = new MeterProvider({ resource, readers, views })
  const meter = metering.getMeter('desk')
  const [delay, mos] = [meter.createHistogram('delay', { unit: 'ms' }), meter.createHistogram('mos')]
  for (const value of [5, 50, 500]) delay.record(value, { to: NUMBER })
  for (const value of [2, 4]) mos.record(value, { to: NUMBER })

  await Promise.all([tracing.forceFlush(), logging.forceFlush(), metering.forceFlush()])
}
