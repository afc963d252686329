//! Where texts of clients and the items of a batch are, in the messages of OTLP (opentelemetry-proto 1.x, by field number).

use super::OtlpSignal;

/// A message with its fields that are looked at; others go on as they came.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtlpMessage {
    /// Each field's number and what it is.
    pub fields: &'static [(u32, OtlpField)],
    /// Whether each of them is an item of the batch.
    pub is_item: bool,
}

/// What a field is.
#[derive(Clone, Copy, Debug)]
pub(super) enum OtlpField {
    /// A text of the client.
    Text,
    /// Another message.
    Inner(&'static OtlpMessage),
}

use OtlpField::{Inner, Text};

static ANY_VALUE: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(1, Text), (5, Inner(&ARRAY)), (6, Inner(&KEY_VALUE_LIST))] };
static ARRAY: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&ANY_VALUE))] };
static KEY_VALUE_LIST: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&KEY_VALUE))] };
static KEY_VALUE: OtlpMessage = OtlpMessage { is_item: false, fields: &[(2, Inner(&ANY_VALUE))] };
static RESOURCE: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&KEY_VALUE))] };
static SCOPE: OtlpMessage = OtlpMessage { is_item: false, fields: &[(3, Inner(&KEY_VALUE))] };

static TRACES: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&RESOURCE_SPANS))] };
static RESOURCE_SPANS: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(1, Inner(&RESOURCE)), (2, Inner(&SCOPE_SPANS))] };
static SCOPE_SPANS: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&SCOPE)), (2, Inner(&SPAN))] };
static SPAN: OtlpMessage = OtlpMessage {
    is_item: true,
    fields: &[
        (5, Text),
        (9, Inner(&KEY_VALUE)),
        (11, Inner(&SPAN_EVENT)),
        (13, Inner(&SPAN_LINK)),
        (15, Inner(&SPAN_STATUS)),
    ],
};
static SPAN_EVENT: OtlpMessage = OtlpMessage { is_item: false, fields: &[(2, Text), (3, Inner(&KEY_VALUE))] };
static SPAN_LINK: OtlpMessage = OtlpMessage { is_item: false, fields: &[(4, Inner(&KEY_VALUE))] };
static SPAN_STATUS: OtlpMessage = OtlpMessage { is_item: false, fields: &[(2, Text)] };

static LOGS: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&RESOURCE_LOGS))] };
static RESOURCE_LOGS: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(1, Inner(&RESOURCE)), (2, Inner(&SCOPE_LOGS))] };
static SCOPE_LOGS: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&SCOPE)), (2, Inner(&LOG_RECORD))] };
static LOG_RECORD: OtlpMessage =
    OtlpMessage { is_item: true, fields: &[(5, Inner(&ANY_VALUE)), (6, Inner(&KEY_VALUE))] };

static METRICS: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&RESOURCE_METRICS))] };
static RESOURCE_METRICS: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(1, Inner(&RESOURCE)), (2, Inner(&SCOPE_METRICS))] };
static SCOPE_METRICS: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&SCOPE)), (2, Inner(&METRIC))] };
static METRIC: OtlpMessage = OtlpMessage {
    is_item: true,
    fields: &[
        (5, Inner(&NUMBERS)),
        (7, Inner(&NUMBERS)),
        (9, Inner(&HISTOGRAM)),
        (10, Inner(&EXPONENTIAL_HISTOGRAM)),
        (11, Inner(&SUMMARY)),
        (12, Inner(&KEY_VALUE)),
    ],
};
static NUMBERS: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&NUMBER_POINT))] };
static NUMBER_POINT: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(5, Inner(&EXEMPLAR)), (7, Inner(&KEY_VALUE))] };
static HISTOGRAM: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&HISTOGRAM_POINT))] };
static HISTOGRAM_POINT: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(8, Inner(&EXEMPLAR)), (9, Inner(&KEY_VALUE))] };
static EXPONENTIAL_HISTOGRAM: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(1, Inner(&EXPONENTIAL_HISTOGRAM_POINT))] };
static EXPONENTIAL_HISTOGRAM_POINT: OtlpMessage =
    OtlpMessage { is_item: false, fields: &[(1, Inner(&KEY_VALUE)), (11, Inner(&EXEMPLAR))] };
static SUMMARY: OtlpMessage = OtlpMessage { is_item: false, fields: &[(1, Inner(&SUMMARY_POINT))] };
static SUMMARY_POINT: OtlpMessage = OtlpMessage { is_item: false, fields: &[(7, Inner(&KEY_VALUE))] };
static EXEMPLAR: OtlpMessage = OtlpMessage { is_item: false, fields: &[(7, Inner(&KEY_VALUE))] };

/// The request of a signal.
pub(super) fn request(signal: OtlpSignal) -> &'static OtlpMessage {
    match signal {
        OtlpSignal::Traces => &TRACES,
        OtlpSignal::Logs => &LOGS,
        OtlpSignal::Metrics => &METRICS,
    }
}
