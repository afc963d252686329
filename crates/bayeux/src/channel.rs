//! Names of channels, and the patterns that clients subscribe to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::CHANNEL_BYTES_MAX;

/// What is wrong with the name of a channel or a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelFault {
    /// It is too long.
    #[error("it is longer than 200 bytes")]
    TooLong,
    /// It does not begin with a slash.
    #[error("it does not begin with a slash")]
    NoSlash,
    /// Two slashes follow each other, or it ends with one.
    #[error("it has an empty segment")]
    EmptySegment,
    /// A character that is not visible ASCII, or a quotation mark or backslash.
    #[error("it has a character that no channel has")]
    Character,
    /// An asterisk elsewhere than as the last segment of a pattern.
    #[error("it has an asterisk elsewhere than alone at its end")]
    Asterisk,
}

/// The name of a channel, such as `/workspace/v3/voice`: segments of visible ASCII characters without `*`, each after a slash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

/// Which channels a client wants: the name of one, or a name with `/*` at its end (one segment more) or `/**` (one or more).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelPattern(Arc<str>);

impl ChannelName {
    /// Reads a name.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, ChannelFault> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the channel is one of the protocol itself.
    pub fn is_meta(&self) -> bool {
        is_meta(&self.0)
    }
}

impl ChannelPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, ChannelFault> {
        if text.len() > CHANNEL_BYTES_MAX {
            return Err(ChannelFault::TooLong);
        }
        match text.strip_suffix("/**").or_else(|| text.strip_suffix("/*")) {
            Some("") => {}
            Some(above) => check(above)?,
            None => check(text)?,
        }
        Ok(Self(text.into()))
    }

    /// The pattern of every channel.
    pub fn everything() -> Self {
        Self("/**".into())
    }

    /// The pattern of one channel.
    pub fn exactly(channel: &ChannelName) -> Self {
        Self(Arc::clone(&channel.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names channels of the protocol itself.
    pub fn is_meta(&self) -> bool {
        is_meta(&self.0)
    }

    /// Whether a channel is among those that it names.
    pub fn covers(&self, channel: &ChannelName) -> bool {
        let (pattern, name) = (self.as_str(), channel.as_str());
        if let Some(above) = pattern.strip_suffix("**") {
            name.starts_with(above)
        } else if let Some(above) = pattern.strip_suffix('*') {
            name.strip_prefix(above).is_some_and(|rest| !rest.contains('/'))
        } else {
            pattern == name
        }
    }
}

/// A name without wildcards.
fn check(text: &str) -> Result<(), ChannelFault> {
    if text.len() > CHANNEL_BYTES_MAX {
        return Err(ChannelFault::TooLong);
    }
    let segments = text.strip_prefix('/').ok_or(ChannelFault::NoSlash)?;
    if segments.contains('*') {
        return Err(ChannelFault::Asterisk);
    }
    if !segments.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
        return Err(ChannelFault::Character);
    }
    if segments.split('/').any(str::is_empty) {
        return Err(ChannelFault::EmptySegment);
    }
    Ok(())
}

fn is_meta(text: &str) -> bool {
    text.strip_prefix("/meta").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl FromStr for ChannelName {
    type Err = ChannelFault;

    fn from_str(text: &str) -> Result<Self, ChannelFault> {
        Self::parse(text)
    }
}

impl FromStr for ChannelPattern {
    type Err = ChannelFault;

    fn from_str(text: &str) -> Result<Self, ChannelFault> {
        Self::parse(text)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelName({:?})", &*self.0)
    }
}

impl fmt::Debug for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelPattern({:?})", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &str, name: &str) -> bool {
        ChannelPattern::parse(pattern).unwrap().covers(&ChannelName::parse(name).unwrap())
    }

    #[test]
    fn a_pattern_names_one_channel_one_segment_more_or_any_depth() {
        assert!(covers("/a/b", "/a/b") && !covers("/a/b", "/a/b/c") && !covers("/a/b", "/a"));
        assert!(covers("/a/*", "/a/b") && !covers("/a/*", "/a") && !covers("/a/*", "/a/b/c") && !covers("/a/*", "/ab"));
        assert!(
            covers("/a/**", "/a/b") && covers("/a/**", "/a/b/c") && !covers("/a/**", "/a") && !covers("/a/**", "/ab")
        );
        assert!(covers("/*", "/a") && !covers("/*", "/a/b") && covers("/**", "/a/b/c"));
        assert!(ChannelPattern::everything().covers(&ChannelName::parse("/a").unwrap()));
        assert_eq!(ChannelPattern::exactly(&ChannelName::parse("/a").unwrap()), ChannelPattern::parse("/a").unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_rule() {
        let name = |text: &str| ChannelName::parse(text).map(|name| name.as_str().len());
        assert_eq!(name("/voice/v3/dns/71%2301"), Ok(21));
        assert_eq!(name(&format!("/{}", "a".repeat(199))), Ok(200));
        assert_eq!(name(&format!("/{}", "a".repeat(200))), Err(ChannelFault::TooLong));
        assert_eq!(name(""), Err(ChannelFault::NoSlash));
        assert_eq!(name("a/b"), Err(ChannelFault::NoSlash));
        for empty in ["/", "/a/", "//a", "/a//b"] {
            assert_eq!(name(empty), Err(ChannelFault::EmptySegment), "{empty}");
        }
        for strange in ["/a b", "/ä", "/a\n", "/\"", "/a\\b"] {
            assert_eq!(name(strange), Err(ChannelFault::Character), "{strange:?}");
        }
        assert_eq!(name("/a/*"), Err(ChannelFault::Asterisk));
        let pattern = |text: &str| ChannelPattern::parse(text).map(|_| ());
        for wrong in ["/a*", "/a/***", "/*/a", "/**/a", "/*/**", "/a/**/*"] {
            assert_eq!(pattern(wrong), Err(ChannelFault::Asterisk), "{wrong}");
        }
        assert_eq!(pattern("*"), Err(ChannelFault::NoSlash));
        assert_eq!(pattern("//*"), Err(ChannelFault::EmptySegment));
        assert_eq!(pattern(&format!("/{}/**", "a".repeat(198))), Err(ChannelFault::TooLong));
    }

    #[test]
    fn channels_of_the_protocol_are_told_apart() {
        let is_meta = |text: &str| ChannelPattern::parse(text).unwrap().is_meta();
        assert!(is_meta("/meta/connect") && is_meta("/meta/*") && is_meta("/meta"));
        assert!(!is_meta("/metal") && !is_meta("/**"));
        assert!(ChannelName::parse("/meta/x").unwrap().is_meta());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(text in "[/*a-c\" ä]{0,12}", name in "(/[a-c]{1,2}){1,4}") {
            let name = ChannelName::parse(&name).unwrap();
            if let Ok(pattern) = ChannelPattern::parse(&text) {
                // Segment by segment, as the rule is told.
                let (wanted, segments): (Vec<&str>, Vec<&str>) = (text.split('/').collect(), name.as_str().split('/').collect());
                let (last, above) = wanted.split_last().unwrap();
                let begins = segments.starts_with(above);
                let expected = match *last {
                    "**" => begins && segments.len() > above.len(),
                    "*" => begins && segments.len() == above.len() + 1,
                    _ => wanted == segments,
                };
                prop_assert_eq!(pattern.covers(&name), expected);
            }
            if let Ok(read) = ChannelName::parse(&text) {
                prop_assert!(ChannelPattern::parse(&text).unwrap().covers(&read));
            }
        }
    }
}
