//! Why nobody at the place outside has answered a request, as a proxy of ours says it to the node that sent the request.

/// The reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreached {
    /// The name servers do not say where it is.
    NoAddress,
    /// No way leads from here to any of its addresses.
    NoWay,
    /// Nobody takes connections there.
    Refused,
    /// No connection was opened in time.
    Late,
    /// Nobody whom we believe vouches for its certificate, or that is not valid now.
    Untrusted,
    /// Its certificate is for another name.
    OtherName,
    /// It does not accept our certificate, or misses one.
    OurCertificate,
    /// There is no agreement on TLS.
    NoTls,
    /// The connection has closed before an answer.
    Closed,
    /// It was not asked: it has not answered OPTIONS lately.
    Down,
    /// It was asked by datagrams, or on an open connection, and has said nothing.
    Silence,
    /// It was not asked: our proxy has no room for the request.
    Busy,
}

impl Unreached {
    const ALL: [Self; 12] = [
        Self::NoAddress,
        Self::NoWay,
        Self::Refused,
        Self::Late,
        Self::Untrusted,
        Self::OtherName,
        Self::OurCertificate,
        Self::NoTls,
        Self::Closed,
        Self::Down,
        Self::Silence,
        Self::Busy,
    ];

    /// Whether the request may have arrived there all the same, and been executed.
    pub(crate) const fn may_have_arrived(self) -> bool {
        matches!(self, Self::Closed | Self::Silence)
    }

    /// Whether it may be reached from another place, and has not got the request from this one.
    pub const fn may_differ_elsewhere(self) -> bool {
        matches!(self, Self::NoAddress | Self::NoWay | Self::Refused | Self::Late | Self::Down | Self::Busy)
    }

    /// As a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no-address",
            Self::NoWay => "no-way",
            Self::Refused => "refused",
            Self::Late => "late",
            Self::Untrusted => "untrusted",
            Self::OtherName => "other-name",
            Self::OurCertificate => "our-certificate",
            Self::NoTls => "no-tls",
            Self::Closed => "closed",
            Self::Down => "down",
            Self::Silence => "silence",
            Self::Busy => "busy",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    /// In plain words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NoAddress => "the name in `contact` leads to no address",
            Self::NoWay => "no connection to the carrier is possible from here",
            Self::Refused => "nobody takes connections at the carrier's address",
            Self::Late => "no connection to the carrier was opened in time",
            Self::Untrusted => {
                "no authority that we believe vouches for the certificate of the carrier's server, or it is not valid now"
            }
            Self::OtherName => "the certificate of the carrier's server is for another name than that in `contact`",
            Self::OurCertificate => "the carrier's server does not accept the certificate that we show, or misses one",
            Self::NoTls => "the carrier's server agrees on no TLS with us",
            Self::Closed => "the connection to the carrier closed before it answered",
            Self::Down => "the carrier has not answered OPTIONS lately",
            Self::Silence => "the carrier says nothing",
            Self::Busy => "sip-proxy has no time for it",
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NoAddress => "correct the host in `contact`, or the name servers (`sip-proxy.name_servers`)",
            Self::NoWay => {
                "check the address in `contact`, the ways of this network, and whether sip-proxy listens on an address of that kind (IPv4, IPv6)"
            }
            Self::Refused => "correct the address, the port or the transport in `contact`",
            Self::Late => "check address, port and transport in `contact`, and firewalls on the way",
            Self::Untrusted => {
                "set `sip-proxy.server_authorities` to a file with the authority of the carrier's certificate; the log of sip-proxy says what is wrong with that"
            }
            Self::OtherName => {
                "write the host that is in the carrier's certificate into `contact`; the log of sip-proxy names it"
            }
            Self::OurCertificate => {
                "set `sip-proxy.certificates` to a certificate that the carrier accepts, and ask it which ones it does"
            }
            Self::NoTls => "check the port and the transport in `contact`: TLS has port 5061 at most carriers",
            Self::Closed => "check the transport in `contact`, and ask the carrier why it closes the connection",
            Self::Down | Self::Silence => "check address, port and transport in `contact`, and firewalls on the way",
            Self::Busy => {
                "nothing, if it passes: too many requests wait for the names of carriers; else check the name servers (`sip-proxy.name_servers`)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_arrived_is_not_sent_from_elsewhere() {
        assert!(!Unreached::ALL.into_iter().any(|why| why.may_have_arrived() && why.may_differ_elsewhere()));
    }

    #[test]
    fn each_reason_is_read_as_it_was_written() {
        for why in Unreached::ALL {
            assert_eq!(Unreached::parse(why.as_str()), Some(why));
        }
        assert_eq!(Unreached::parse("the moon"), None);
    }
}
