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
    /// A name of our own, for constants.
    pub const fn other(name: &'static str) -> Self {
        Self::Other(Cow::Borrowed(name))
    }

    /// The header that `name` means, long or compact, in any case.
    pub fn from_name(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(Cow::Owned(name.to_owned())))
    }

    /// The variant for `name`, if it is not `Other`.
    pub(crate) fn known(name: &str) -> Option<Self> {
        if let [letter] = name.as_bytes() {
            return Self::from_compact(*letter);
        }
        KNOWN.iter().find(|(_, long)| long.eq_ignore_ascii_case(name)).map(|(known, _)| known.clone())
    }
}

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
