//! The declaration of metrics: one macro gives the struct, its registration and its rows in the reference.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of a run.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of values by range, and their sum.
    Histogram,
}

impl Kind {
    /// Its name in the exposition formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as its role declares it, whether the role is running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Name without the suffix of counters, as `area_noun_unit`.
    pub name: String,
    /// How it behaves.
    pub kind: Kind,
    /// Its help text, without a full stop.
    pub help: String,
    /// Its labels.
    pub labels: Vec<LabelSet>,
}

/// A label and every value that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSet {
    /// Name of the label.
    pub name: &'static str,
    /// The values, or where they are listed.
    pub values: LabelValues,
}

/// The values of a label: always a closed set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelValues {
    /// The listed values.
    Listed(Vec<&'static str>),
    /// Values of a table elsewhere; its description.
    Of(&'static str),
}

impl Declared {
    /// A metric of that type; `doc` as the attribute has it, line by line.
    pub fn of<I: Instrument>(name: &str, doc: &[&str]) -> Self {
        Self { name: name.to_owned(), kind: I::KIND, help: help(doc), labels: I::labels() }
    }

    /// A counter without labels that is shown by a collector of its own.
    pub fn counter(name: &str, doc: &[&str]) -> Self {
        Self::of::<Counter>(name, doc)
    }

    /// The name of its samples; those of a histogram are called so with `_bucket`, `_sum` and `_count` behind it.
    pub fn sample(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.clone(),
        }
    }

    /// Its unit: the one that ends the name, else "count".
    pub fn unit(&self) -> &'static str {
        match self.name.rsplit('_').next() {
            Some("seconds") => "seconds",
            Some("bytes") => "bytes",
            Some("ratio") => "ratio",
            _ => "count",
        }
    }
}

/// A doc comment as a help text: one line without a full stop, since the format adds it.
pub fn help(doc: &[&str]) -> String {
    let lines: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim_end_matches('.').to_owned()
}

/// A type of metric that can be declared.
pub trait Instrument: Default {
    /// How it behaves.
    const KIND: Kind;

    /// Its labels.
    fn labels() -> Vec<LabelSet> {
        Vec::new()
    }

    /// Registers it.
    fn show(&self, metrics: &Metrics, name: &str, help: &str);
}

impl Instrument for Counter {
    const KIND: Kind = Kind::Counter;

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.clone());
    }
}

impl Instrument for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.clone());
    }
}

/// A gauge whose value may not be known: then it has no sample, and rules about it say nothing.
#[derive(Clone, Debug, Default)]
pub struct GaugeIfKnown(Arc<Mutex<Option<i64>>>);

impl GaugeIfKnown {
    /// Sets what is known of it.
    pub fn set(&self, value: Option<i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl EncodeMetric for GaugeIfKnown {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let value = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        value.map_or(Ok(()), |value| encoder.encode_gauge(&value))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl Instrument for GaugeIfKnown {
    const KIND: Kind = Kind::Gauge;

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.clone());
    }
}

/// A label: an enum with a closed set of values.
pub trait Label: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Name of the label.
    const NAME: &'static str;
    /// Every value.
    const ALL: &'static [Self];

    /// Its text.
    fn text(self) -> &'static str;
}

/// The place of a value among all of its label.
fn place<L: Label>(label: L) -> Option<usize> {
    L::ALL.iter().position(|one| *one == label)
}

/// Counters by one label. Every value exists from the start, with 0, so that a rate is right from the first event on.
pub struct CounterBy<L> {
    family: Family<[(&'static str, &'static str); 1], Counter>,
    /// Those of the family in the order of the values, so that nothing is looked up by its text to be counted.
    counters: Arc<[Counter]>,
    of: std::marker::PhantomData<fn(L)>,
}

impl<L: Label> CounterBy<L> {
    /// Counts one.
    pub fn inc(&self, label: L) {
        debug_assert!(L::ALL.contains(&label), "{label:?} is not among the declared values");
        if let Some(counter) = place(label).and_then(|place| self.counters.get(place)) {
            counter.inc();
        }
    }

    /// The count of one value.
    pub fn get(&self, label: L) -> u64 {
        self.family.get_or_create(&[(L::NAME, label.text())]).get()
    }
}

impl<L> Clone for CounterBy<L> {
    fn clone(&self) -> Self {
        Self { family: self.family.clone(), counters: self.counters.clone(), of: std::marker::PhantomData }
    }
}

impl<L: Label> Default for CounterBy<L> {
    fn default() -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let counter = |label: &L| family.get_or_create_owned(&[(L::NAME, label.text())]);
        let counters = L::ALL.iter().map(counter).collect();
        Self { family, counters, of: std::marker::PhantomData }
    }
}

impl<L: Label> fmt::Debug for CounterBy<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CounterBy({})", L::NAME)
    }
}

impl<L: Label> Instrument for CounterBy<L> {
    const KIND: Kind = Kind::Counter;

    fn labels() -> Vec<LabelSet> {
        vec![LabelSet { name: L::NAME, values: LabelValues::Listed(L::ALL.iter().map(|label| label.text()).collect()) }]
    }

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.family.clone());
    }
}

/// Counters by two labels. Every pair exists from the start, with 0.
pub struct CounterByTwo<L, M> {
    family: Family<[(&'static str, &'static str); 2], Counter>,
    /// Those of the family, by the first value and then by the second one.
    counters: Arc<[Counter]>,
    of: std::marker::PhantomData<fn(L, M)>,
}

impl<L: Label, M: Label> CounterByTwo<L, M> {
    /// Counts one.
    pub fn inc(&self, first: L, second: M) {
        debug_assert!(L::ALL.contains(&first), "{first:?} is not among the declared values");
        debug_assert!(M::ALL.contains(&second), "{second:?} is not among the declared values");
        let both = place(first).zip(place(second)).map(|(first, second)| first * M::ALL.len() + second);
        if let Some(counter) = both.and_then(|place| self.counters.get(place)) {
            counter.inc();
        }
    }

    /// The count of one pair.
    pub fn get(&self, first: L, second: M) -> u64 {
        self.family.get_or_create(&[(L::NAME, first.text()), (M::NAME, second.text())]).get()
    }
}

impl<L, M> Clone for CounterByTwo<L, M> {
    fn clone(&self) -> Self {
        Self { family: self.family.clone(), counters: self.counters.clone(), of: std::marker::PhantomData }
    }
}

impl<L: Label, M: Label> Default for CounterByTwo<L, M> {
    fn default() -> Self {
        let family = Family::<[(&'static str, &'static str); 2], Counter>::default();
        let pairs = L::ALL.iter().flat_map(|first| M::ALL.iter().map(move |second| (first, second)));
        let counter = |(first, second): (&L, &M)| {
            family.get_or_create_owned(&[(L::NAME, first.text()), (M::NAME, second.text())])
        };
        let counters = pairs.map(counter).collect();
        Self { family, counters, of: std::marker::PhantomData }
    }
}

impl<L: Label, M: Label> fmt::Debug for CounterByTwo<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CounterByTwo({}, {})", L::NAME, M::NAME)
    }
}

impl<L: Label, M: Label> Instrument for CounterByTwo<L, M> {
    const KIND: Kind = Kind::Counter;

    fn labels() -> Vec<LabelSet> {
        fn of<L: Label>() -> LabelSet {
            let values = L::ALL.iter().map(|label| label.text()).collect();
            LabelSet { name: L::NAME, values: LabelValues::Listed(values) }
        }
        vec![of::<L>(), of::<M>()]
    }

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.family.clone());
    }
}

/// Declares the metrics of a role: a struct whose fields carry help text, type and name.
///
/// ```ignore
/// runtime::metrics! {
///     /// The metrics of dialplan.
///     pub(super) struct Metrics {
///         /// Dialled numbers that lead somewhere.
///         resolved: Counter = "dialplan_numbers_resolved";
///         /// Dialled numbers that lead nowhere, by reason.
///         refused: CounterBy<Reason> = "dialplan_numbers_refused";
///     }
/// }
/// ```
///
/// Gives `Metrics::register(&ctx.metrics)`, and `Metrics::declared` for the [`crate::RoleSpec`], from which the
/// reference of all metrics is made. Counters get the suffix `_total`; a unit (`_seconds`, `_bytes`) ends the name.
#[macro_export]
macro_rules! metrics {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field_vis:vis $field:ident : $ty:ty = $metric:literal ; )*
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[doc = $doc])+ $field_vis $field: $ty, )*
        }

        impl $name {
            /// Every metric of it, for the reference.
            pub fn declared() -> ::std::vec::Vec<$crate::metrics::Declared> {
                ::std::vec![ $( $crate::metrics::Declared::of::<$ty>($metric, &[$($doc),+]), )* ]
            }

            /// New ones, registered.
            #[allow(dead_code, reason = "what outlives a run of its role is registered by `show`")]
            pub fn register(registry: &$crate::Metrics) -> Self {
                let new = Self { $( $field: ::std::default::Default::default(), )* };
                new.show(registry);
                new
            }

            /// Registers them.
            pub fn show(&self, registry: &$crate::Metrics) {
                $( $crate::metrics::Instrument::show(
                    &self.$field,
                    registry,
                    $metric,
                    &$crate::metrics::help(&[$($doc),+]),
                ); )*
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Format, Refusal};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Colour {
        Red,
        Blue,
    }

    impl Label for Colour {
        const NAME: &'static str = "colour";
        const ALL: &'static [Self] = &[Self::Red, Self::Blue];

        fn text(self) -> &'static str {
            match self {
                Self::Red => "red",
                Self::Blue => "blue",
            }
        }
    }

    #[test]
    fn each_value_is_counted_as_itself_and_shown() {
        let (metrics, by_one) = (Metrics::default(), CounterBy::<Colour>::default());
        let by_two = CounterByTwo::<Colour, Refusal>::default();
        by_one.show(&metrics, "balls", "Balls");
        by_one.clone().inc(Colour::Blue);
        for _ in 0..3 {
            by_two.inc(Colour::Blue, Refusal::Late);
        }
        by_two.inc(Colour::Red, Refusal::Token);
        assert_eq!([Colour::Red, Colour::Blue].map(|colour| by_one.get(colour)), [0, 1]);
        let shown = metrics.encode(Format::OpenMetrics);
        assert!(shown.contains("balls_total{colour=\"blue\"} 1\n"), "{shown}");
        for (colour, reason, count) in [
            (Colour::Blue, Refusal::Late, 3),
            (Colour::Red, Refusal::Token, 1),
            (Colour::Red, Refusal::Late, 0),
            (Colour::Blue, Refusal::Token, 0),
        ] {
            assert_eq!(by_two.get(colour, reason), count, "{colour:?} {reason:?}");
        }
    }

    #[test]
    fn a_gauge_of_which_nothing_is_known_has_no_sample() {
        let (metrics, gauge) = (Metrics::default(), GaugeIfKnown::default());
        gauge.show(&metrics, "bds_last_success_seconds", "When");
        let head = "# HELP bds_last_success_seconds When.\n# TYPE bds_last_success_seconds gauge\n";
        let shown = |value: Option<i64>, sample: &str| {
            gauge.set(value);
            assert_eq!(metrics.encode(Format::Text), format!("{head}{sample}# EOF\n"));
        };
        shown(None, "");
        shown(Some(7), "bds_last_success_seconds 7\n");
        shown(None, "");
    }
}
