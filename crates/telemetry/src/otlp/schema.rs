//! Where texts of clients and the items of a batch are, in the messages of OTLP (opentelemetry-proto 1.x, by field number).

use super::OtlpSignal;

/// A message with its fields that are looked at; others go on as they came.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtlpMessage {
    /// Each field's number and what it is.
    pub fields: &'static [(u32, OtlpField)],
    /// What it is of a batch.
    pub part: OtlpPart,
}

/// What a message is of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtlpPart {
    /// A span, a log record or a data point of a metric.
    Item,
    /// A resource, in [`RESOURCE_FIELD`] of the next: what the items come from, with its attributes in [`ATTRIBUTES_FIELD`].
    Resource,
    /// The items of a resource.
    OfResource,
    /// An attribute of any of them, with its key in [`KEY_FIELD`] and its value in [`VALUE_FIELD`].
    Attribute,
    /// Something else.
    Plain,
}

/// Where messages have their resource.
pub(super) const RESOURCE_FIELD: u32 = 1;
/// Where a resource has its attributes.
pub(super) const ATTRIBUTES_FIELD: u32 = 1;
/// Where an attribute has its key.
pub(super) const KEY_FIELD: u32 = 1;
/// Where an attribute has its value.
pub(super) const VALUE_FIELD: u32 = 2;
/// Where a value has its text.
pub(super) const TEXT_FIELD: u32 = 1;

/// What a field is.
#[derive(Clone, Copy, Debug)]
pub(super) enum OtlpField {
    /// A text of the client.
    Text,
    /// Bytes of the client, which may be anything: they are left out.
    Bytes,
    /// Another message.
    Inner(&'static OtlpMessage),
}

use OtlpField::{Bytes, Inner, Text};
use OtlpPart::{Attribute, Item, OfResource, Plain, Resource};

static ANY_VALUE: OtlpMessage =
    OtlpMessage { part: Plain, fields: &[(1, Text), (5, Inner(&ARRAY)), (6, Inner(&KEY_VALUE_LIST)), (7, Bytes)] };
static ARRAY: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&ANY_VALUE))] };
static KEY_VALUE_LIST: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&KEY_VALUE))] };
/// Within a value that is a map.
static KEY_VALUE: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Text), (2, Inner(&ANY_VALUE))] };
static ATTRIBUTE: OtlpMessage = OtlpMessage { part: Attribute, fields: &[(1, Text), (2, Inner(&ANY_VALUE))] };
static RESOURCE: OtlpMessage = OtlpMessage { part: Resource, fields: &[(1, Inner(&ATTRIBUTE))] };
static SCOPE: OtlpMessage = OtlpMessage { part: Plain, fields: &[(3, Inner(&ATTRIBUTE))] };

static TRACES: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&RESOURCE_SPANS))] };
static RESOURCE_SPANS: OtlpMessage =
    OtlpMessage { part: OfResource, fields: &[(1, Inner(&RESOURCE)), (2, Inner(&SCOPE_SPANS))] };
static SCOPE_SPANS: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&SCOPE)), (2, Inner(&SPAN))] };
static SPAN: OtlpMessage = OtlpMessage {
    part: Item,
    fields: &[
        (3, Text),
        (5, Text),
        (9, Inner(&ATTRIBUTE)),
        (11, Inner(&SPAN_EVENT)),
        (13, Inner(&SPAN_LINK)),
        (15, Inner(&SPAN_STATUS)),
    ],
};
static SPAN_EVENT: OtlpMessage = OtlpMessage { part: Plain, fields: &[(2, Text), (3, Inner(&ATTRIBUTE))] };
static SPAN_LINK: OtlpMessage = OtlpMessage { part: Plain, fields: &[(3, Text), (4, Inner(&ATTRIBUTE))] };
static SPAN_STATUS: OtlpMessage = OtlpMessage { part: Plain, fields: &[(2, Text)] };

static LOGS: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&RESOURCE_LOGS))] };
static RESOURCE_LOGS: OtlpMessage =
    OtlpMessage { part: OfResource, fields: &[(1, Inner(&RESOURCE)), (2, Inner(&SCOPE_LOGS))] };
static SCOPE_LOGS: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&SCOPE)), (2, Inner(&LOG_RECORD))] };
static LOG_RECORD: OtlpMessage =
    OtlpMessage { part: Item, fields: &[(3, Text), (5, Inner(&ANY_VALUE)), (6, Inner(&ATTRIBUTE)), (12, Text)] };

static METRICS: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&RESOURCE_METRICS))] };
static RESOURCE_METRICS: OtlpMessage =
    OtlpMessage { part: OfResource, fields: &[(1, Inner(&RESOURCE)), (2, Inner(&SCOPE_METRICS))] };
static SCOPE_METRICS: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&SCOPE)), (2, Inner(&METRIC))] };
static METRIC: OtlpMessage = OtlpMessage {
    part: Plain,
    fields: &[
        (5, Inner(&NUMBERS)),
        (7, Inner(&NUMBERS)),
        (9, Inner(&HISTOGRAM)),
        (10, Inner(&EXPONENTIAL_HISTOGRAM)),
        (11, Inner(&SUMMARY)),
        (12, Inner(&ATTRIBUTE)),
    ],
};
static NUMBERS: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&NUMBER_POINT))] };
static NUMBER_POINT: OtlpMessage = OtlpMessage { part: Item, fields: &[(5, Inner(&EXEMPLAR)), (7, Inner(&ATTRIBUTE))] };
static HISTOGRAM: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&HISTOGRAM_POINT))] };
static HISTOGRAM_POINT: OtlpMessage =
    OtlpMessage { part: Item, fields: &[(8, Inner(&EXEMPLAR)), (9, Inner(&ATTRIBUTE))] };
static EXPONENTIAL_HISTOGRAM: OtlpMessage =
    OtlpMessage { part: Plain, fields: &[(1, Inner(&EXPONENTIAL_HISTOGRAM_POINT))] };
static EXPONENTIAL_HISTOGRAM_POINT: OtlpMessage =
    OtlpMessage { part: Item, fields: &[(1, Inner(&ATTRIBUTE)), (11, Inner(&EXEMPLAR))] };
static SUMMARY: OtlpMessage = OtlpMessage { part: Plain, fields: &[(1, Inner(&SUMMARY_POINT))] };
static SUMMARY_POINT: OtlpMessage = OtlpMessage { part: Item, fields: &[(7, Inner(&ATTRIBUTE))] };
static EXEMPLAR: OtlpMessage = OtlpMessage { part: Plain, fields: &[(7, Inner(&ATTRIBUTE))] };

/// The request of a signal.
pub(super) fn request(signal: OtlpSignal) -> &'static OtlpMessage {
    match signal {
        OtlpSignal::Traces => &TRACES,
        OtlpSignal::Logs => &LOGS,
        OtlpSignal::Metrics => &METRICS,
    }
}
