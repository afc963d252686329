//! The context of a trace as it travels with requests (W3C Trace Context).

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use model::CallUuid;

/// The header of a request that names the span which it is part of. SIP has it as `Trunkline-Trace`, between nodes.
pub const TRACE_PARENT: &str = "traceparent";
/// The header of an answer that names the span in which the request was carried out (W3C Trace Context Level 2).
pub const TRACE_RESPONSE: &str = "traceresponse";

/// A trace and a span of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: CallUuid,
    /// The span.
    pub span: u64,
    /// Whether whoever began the trace wants to keep it.
    pub sampled: bool,
}

/// A text that is no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct NoTraceParent;

impl TraceParent {
    /// What a request or an answer names in that header.
    pub fn of(headers: &HeaderMap, name: &str) -> Option<Self> {
        headers.get(name)?.to_str().ok()?.parse().ok()
    }

    /// The value of the header.
    pub fn header(&self) -> http::HeaderValue {
        // Hex digits and dashes are always a header's value.
        http::HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| http::HeaderValue::from_static(""))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace.0, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    /// Takes later versions as well, as far as they begin like this one.
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let mut parts = text.trim().split('-');
        let mut next = |digits: usize| {
            let part = parts.next().ok_or(NoTraceParent)?;
            let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if part.len() == digits && is_hex { Ok(part) } else { Err(NoTraceParent) }
        };
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let trace = u128::from_str_radix(trace, 16).map_err(|_| NoTraceParent)?;
        let span = u64::from_str_radix(span, 16).map_err(|_| NoTraceParent)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NoTraceParent)?;
        let is_whole = version != "00" || parts.next().is_none();
        if version == "ff" || trace == 0 || span == 0 || !is_whole {
            return Err(NoTraceParent);
        }
        Ok(Self { trace: CallUuid(trace), span, sampled: flags & 1 == 1 })
    }
}
