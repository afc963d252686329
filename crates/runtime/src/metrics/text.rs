//! The two text formats of metrics: OpenMetrics 1.0.0, and the more widely supported Prometheus text format 0.0.4.

use std::collections::HashMap;
use std::fmt::Write;

/// A format of the answer to `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text format 0.0.4.
    Text,
}

impl Format {
    /// The format that an `Accept` header requests (RFC 9110 section 12.5.1). A client that names OpenMetrics gets it,
    /// unless it prefers the text format; `*/*` and no header get the text format, as from Prometheus' own libraries.
    pub fn asked_for(accept: &str) -> Self {
        let (mut openmetrics, mut text) = (0.0_f32, 0.0_f32);
        for part in accept.split(',') {
            let mut fields = part.split(';').map(str::trim);
            let media = fields.next().unwrap_or_default().to_ascii_lowercase();
            let weight = fields.find_map(|field| field.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let weight = weight.unwrap_or(0.0);
            match media.as_str() {
                "application/openmetrics-text" => openmetrics = openmetrics.max(weight),
                "text/plain" => text = text.max(weight),
                _ => {}
            }
        }
        if openmetrics > 0.0 && openmetrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type` of an answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Converts OpenMetrics to the text format: there a counter's family has the name of its samples, and units and the end
/// have no lines. `# EOF` stays: it is a comment there, and shows that the output is complete.
pub(super) fn from_openmetrics(openmetrics: &str) -> String {
    let kinds: HashMap<&str, &str> =
        openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let family = |name: &str| match kinds.get(name) {
        Some(&"counter") => format!("{name}_total"),
        Some(&"info") => format!("{name}_info"),
        _ => name.to_owned(),
    };
    let mut text = String::with_capacity(openmetrics.len() + 256);
    for line in openmetrics.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            // OpenMetrics escapes quotes as well; the text format does not.
            let _ = writeln!(text, "# HELP {} {}", family(name), help.replace("\\\"", "\""));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let kind = match kind {
                "info" | "stateset" => "gauge",
                "unknown" => "untyped",
                same => same,
            };
            let _ = writeln!(text, "# TYPE {} {kind}", family(name));
        } else if !line.starts_with("# UNIT ") {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_given_unless_openmetrics_is_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(Format::asked_for(prometheus), Format::OpenMetrics);
        assert_eq!(Format::asked_for("application/openmetrics-text"), Format::OpenMetrics);
        for text in ["", "*/*", "text/plain;version=0.0.4", "text/plain, application/openmetrics-text;q=0.1", "a/b;q=x"]
        {
            assert_eq!(Format::asked_for(text), Format::Text, "{text}");
        }
        assert_eq!(Format::asked_for("application/openmetrics-text;q=0"), Format::Text);
    }

    #[test]
    fn a_counter_has_one_name_in_the_text_format() {
        let metrics = crate::Metrics::default();
        metrics.counter("rq_decisions", "Pairings").inc_by(3);
        metrics.gauge("rq_requests_open", "Requests").set(-2);
        assert_eq!(
            metrics.encode(Format::Text),
            "# HELP rq_decisions_total Pairings.\n# TYPE rq_decisions_total counter\nrq_decisions_total 3\n\
             # HELP rq_requests_open Requests.\n# TYPE rq_requests_open gauge\nrq_requests_open -2\n# EOF\n"
        );
        assert!(metrics.encode(Format::OpenMetrics).contains("# TYPE rq_decisions counter\nrq_decisions_total 3\n"));
    }
}
