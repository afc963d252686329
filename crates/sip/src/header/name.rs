//! Header names with their compact forms (RFC 3261 §7.3.3, §20).

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

macro_rules! names {
    ($($variant:ident = $long:literal $(/ $compact:literal)?;)*) => {
        /// The name of a header. Comparison ignores ASCII case and knows compact forms.
        #[derive(Clone, Debug)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $long, "`")] $variant,)*
            /// Any other name, as it came.
            Other(Cow<'static, str>),
        }

        const KNOWN: &[(HeaderName, &str)] = &[$((HeaderName::$variant, $long),)*];

        impl HeaderName {
            /// The long form.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $long,)*
                    Self::Other(name) => name,
                }
            }

            /// The compact form, if there is one.
            pub const fn compact(&self) -> Option<char> {
                match self {
                    $($(Self::$variant => Some($compact),)?)*
                    _ => None,
                }
            }

            const fn from_compact(letter: u8) -> Option<Self> {
                match letter.to_ascii_lowercase() as char {
                    $($($compact => Some(Self::$variant),)?)*
                    _ => None,
                }
            }

            #[inline]
            pub(crate) const fn index(&self) -> u8 {
                #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
                #[repr(u8)]
                enum Index { $($variant,)* }
                match self {
                    $(Self::$variant => Index::$variant as u8,)*
                    Self::Other(_) => OTHER,
                }
            }
        }
    };
}

/// The index of [`HeaderName::Other`].
pub(crate) const OTHER: u8 = u8::MAX;

names! {
    Accept = "Accept";
    AcceptContact = "Accept-Contact" / 'a';
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    AlertInfo = "Alert-Info";
    Allow = "Allow";
    AllowEvents = "Allow-Events" / 'u';
    AuthenticationInfo = "Authentication-Info";
    Authorization = "Authorization";
    CallId = "Call-ID" / 'i';
    CallInfo = "Call-Info";
    Contact = "Contact" / 'm';
    ContentDisposition = "Content-Disposition";
    ContentEncoding = "Content-Encoding" / 'e';
    ContentLanguage = "Content-Language";
    ContentLength = "Content-Length" / 'l';
    ContentType = "Content-Type" / 'c';
    CSeq = "CSeq";
    Date = "Date";
    Diversion = "Diversion";
    ErrorInfo = "Error-Info";
    Event = "Event" / 'o';
    Expires = "Expires";
    FlowTimer = "Flow-Timer";
    From = "From" / 'f';
    HistoryInfo = "History-Info";
    Identity = "Identity" / 'y';
    InReplyTo = "In-Reply-To";
    MaxForwards = "Max-Forwards";
    MimeVersion = "MIME-Version";
    MinExpires = "Min-Expires";
    MinSe = "Min-SE";
    Organization = "Organization";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    Path = "Path";
    Priority = "Priority";
    Privacy = "Privacy";
    ProxyAuthenticate = "Proxy-Authenticate";
    ProxyAuthenticationInfo = "Proxy-Authentication-Info";
    ProxyAuthorization = "Proxy-Authorization";
    ProxyRequire = "Proxy-Require";
    RAck = "RAck";
    Reason = "Reason";
    RecordRoute = "Record-Route";
    ReferSub = "Refer-Sub";
    ReferTo = "Refer-To" / 'r';
    ReferredBy = "Referred-By" / 'b';
    RejectContact = "Reject-Contact" / 'j';
    Replaces = "Replaces";
    ReplyTo = "Reply-To";
    RequestDisposition = "Request-Disposition" / 'd';
    Require = "Require";
    RetryAfter = "Retry-After";
    Route = "Route";
    RSeq = "RSeq";
    Server = "Server";
    ServiceRoute = "Service-Route";
    SessionExpires = "Session-Expires" / 'x';
    Subject = "Subject" / 's';
    SubscriptionState = "Subscription-State";
    Supported = "Supported" / 'k';
    Timestamp = "Timestamp";
    To = "To" / 't';
    Unsupported = "Unsupported";
    UserAgent = "User-Agent";
    Via = "Via" / 'v';
    Warning = "Warning";
    WwwAuthenticate = "WWW-Authenticate";
}

impl HeaderName {
    /// A name without a variant, for constants.
    pub const fn other(name: &'static str) -> Self {
        Self::Other(Cow::Borrowed(name))
    }

    /// The header named by `name`, long or compact, in any case.
    pub fn from_name(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(Cow::Owned(name.to_owned())))
    }

    /// The variant for `name`, if it is not `Other`.
    pub(crate) fn known(name: &str) -> Option<Self> {
        KNOWN.get(usize::from(index_of(name.as_bytes()))).map(|(known, _)| known.clone())
    }
}

/// The index of the header named by `name`, long or compact; [`OTHER`] if it is not known.
pub(crate) fn index_of(name: &[u8]) -> u8 {
    if let [letter] = name {
        return HeaderName::from_compact(*letter).map_or(OTHER, |known| known.index());
    }
    let Some(bucket) = BUCKETS.get(bucket_of(name)) else { return OTHER };
    let found = bucket.iter().find(|index| {
        // Nearly all names are written as in the RFCs, and comparing bytes takes a fraction of the time of case folding.
        let is_it = |long: &str| long.as_bytes() == name || long.as_bytes().eq_ignore_ascii_case(name);
        KNOWN.get(usize::from(**index)).is_some_and(|(_, long)| is_it(long))
    });
    found.copied().unwrap_or(OTHER)
}

/// A hash of length, first, middle and last letter that ignores ASCII case.
const fn bucket_of(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let (first, middle, last) = (name[0] | 0x20, name[len / 2] | 0x20, name[len - 1] | 0x20);
    (len * 7 + first as usize * 3 + middle as usize * 13 + last as usize * 5) % BUCKET_COUNT
}

const BUCKET_COUNT: usize = 256;
/// The most names that share a hash; with more, the table below does not compile.
const BUCKET_SIZE: usize = 4;

static BUCKETS: [[u8; BUCKET_SIZE]; BUCKET_COUNT] = {
    let mut buckets = [[OTHER; BUCKET_SIZE]; BUCKET_COUNT];
    let mut index = 0;
    while index < KNOWN.len() {
        let bucket = bucket_of(KNOWN[index].1.as_bytes());
        let mut place = 0;
        while buckets[bucket][place] != OTHER {
            place += 1;
        }
        buckets[bucket][place] = index as u8;
        index += 1;
    }
    buckets
};

impl From<&str> for HeaderName {
    fn from(name: &str) -> Self {
        Self::from_name(name)
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
            _ => self.index() == other.index(),
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index().hash(state);
        if let Self::Other(name) = self {
            for byte in name.bytes() {
                byte.to_ascii_lowercase().hash(state);
            }
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_by_its_letter() {
        for (known, long) in KNOWN {
            assert_eq!(&HeaderName::from_name(&long.to_uppercase()), known);
            assert!(!matches!(HeaderName::from_name(&long.to_lowercase()), HeaderName::Other(_)), "{long}");
            if let Some(letter) = known.compact() {
                assert_eq!(&HeaderName::from_name(&letter.to_string()), known);
            }
        }
    }

    #[test]
    fn unknown_names_compare_without_case() {
        assert_eq!(HeaderName::from_name("x-one"), HeaderName::other("X-One"));
        assert_ne!(HeaderName::from_name("x-one"), HeaderName::Via);
        assert_eq!(HeaderName::from_name("q"), HeaderName::other("Q"));
    }
}
