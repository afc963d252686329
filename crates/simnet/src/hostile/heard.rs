//! Messages received by a party, parsed as far as needed for an answer, by a parser of its own.

/// A received message.
#[derive(Clone, Debug)]
pub struct Heard {
    start: String,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Heard {
    /// Parses a message; `None` if it is not one.
    pub fn read(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// A header's first value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A header's values, line by line.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of the request, or of the request that the response answers.
    pub fn method(&self) -> &str {
        let of_request = || self.start.split(' ').next().unwrap_or_default();
        match self.status() {
            Some(_) => self.get("CSeq").and_then(|cseq| cseq.split_whitespace().nth(1)).unwrap_or_default(),
            None => of_request(),
        }
    }

    /// The number of its CSeq.
    pub fn cseq(&self) -> &str {
        self.get("CSeq").and_then(|cseq| cseq.split_whitespace().next()).unwrap_or_default()
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.get("Call-ID").unwrap_or_default()
    }

    /// The tag of From or To.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?;
        let tag = &value[value.find(";tag=")? + ";tag=".len()..];
        Some(tag.split([';', '>', ' ']).next().unwrap_or(tag))
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> Option<&str> {
        self.get("Contact").map(uri_of)
    }

    /// The Record-Route entries, in their order.
    pub fn record_routes(&self) -> Vec<String> {
        self.all("Record-Route").flat_map(|line| line.split(',')).map(|route| route.trim().to_owned()).collect()
    }
}

/// The URI of an address.
fn uri_of(address: &str) -> &str {
    match (address.find('<'), address.find('>')) {
        (Some(from), Some(to)) if from < to => &address[from + 1..to],
        _ => address.split(';').next().unwrap_or(address),
    }
}
