//! The trace context of requests (W3C Trace Context).

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use model::CallUuid;

/// The request header that names the enclosing span. Between nodes, SIP carries it as `Trunkline-Trace`.
pub const TRACE_PARENT: &str = "traceparent";
/// The response header that names the span in which the request was executed (W3C Trace Context Level 2).
pub const TRACE_RESPONSE: &str = "traceresponse";

/// A trace and one of its spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: CallUuid,
    /// The span.
    pub span: u64,
    /// Whether the originator of the trace records it.
    pub sampled: bool,
}

/// The text is no trace context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct NoTraceParent;

impl TraceParent {
    /// The context in that header of a request or response.
    pub fn of(headers: &HeaderMap, name: &str) -> Option<Self> {
        headers.get(name)?.to_str().ok()?.parse().ok()
    }

    /// The value of the header.
    pub fn header(&self) -> http::HeaderValue {
        // Hex digits and dashes are always a valid header value.
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

    /// Also accepts later versions that begin like this one.
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
