//! CSeq (RFC 3261 §20.16) and RAck (RFC 3262 §7.2).

use std::fmt;

use crate::method::Method;
use crate::parse;
use crate::rule::Rule;

/// A sequence number and the method that it belongs to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CSeq {
    /// Below 2^31.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// The largest number (RFC 3261 §8.1.1.5).
    pub const MAX: u32 = (1 << 31) - 1;

    /// Parses `number method`.
    pub fn parse(value: &str) -> Result<Self, Rule> {
        let (number, method) = value.split_once([' ', '\t']).ok_or(Rule::Token)?;
        let number = parse::number(number, u64::from(Self::MAX))?;
        let method = method.trim_matches([' ', '\t']);
        if !parse::is_token(method) {
            return Err(Rule::Token);
        }
        Ok(Self { number: u32::try_from(number).map_err(|_| Rule::Number)?, method: Method::from_token(method) })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// The response that a PRACK acknowledges.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RAck {
    /// The RSeq of the response.
    pub response: u32,
    /// The CSeq of the response.
    pub cseq: CSeq,
}

impl RAck {
    /// Parses `rseq cseq method`.
    pub fn parse(value: &str) -> Result<Self, Rule> {
        let (response, cseq) = value.split_once([' ', '\t']).ok_or(Rule::Token)?;
        let response = parse::number(response, u64::from(u32::MAX))?;
        let cseq = CSeq::parse(cseq.trim_matches([' ', '\t']))?;
        Ok(Self { response: u32::try_from(response).map_err(|_| Rule::Number)?, cseq })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.response, self.cseq)
    }
}
