//! A fact, from the stream or from the log.

use contracts::v1;
use serde_json::Value;

/// The compared parts of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Subject, token and number: `call:194d06068f808000:1:2`.
    pub id: String,
    /// Its subject: `call:194d06068f808000`.
    pub subject: String,
    /// The owner's token.
    pub token: u64,
    /// Its number within subject and token.
    pub seq: u64,
    /// Its name in lower case, as `eventqueued`.
    pub name: String,
    /// When it happened, µs since 1970.
    pub at_us: u64,
    /// The call; empty without one.
    pub conn: String,
    /// The caller's number.
    pub ani: String,
    /// The DN that it is for.
    pub dn: String,
    /// The route point or queue that delivered the call.
    pub from: String,
    /// The other party.
    pub other: String,
    /// Where the call went, or who did something with it.
    pub third: String,
    /// The type of the call in lower case, as `consult`.
    pub call_type: String,
    /// The other call, of a consultation the one that it is about.
    pub previous: String,
    /// The DN's role in lower case, as `destination`.
    pub role: String,
    /// The agent.
    pub agent: String,
    /// The state of the call in lower case, as `ok`.
    pub state: String,
}

/// Names have two spellings, `EVENT_DN_BACK_IN_SERVICE` and `EventDNBackInService`: only letters and digits are
/// compared.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A value of an enumeration, whose names on port 8000 begin with that of the enumeration.
fn value(name: &str, of: &str) -> String {
    let name = plain(name);
    name.strip_prefix(of).unwrap_or(&name).to_owned()
}

impl Fact {
    /// From the reporting log; none for a record that is no fact of a subject, as the summary of a call thread, or that
    /// only accompanies a subject's facts, as a correction.
    pub fn of_log(event: &Value) -> Option<Self> {
        if event["correction"] == true {
            return None;
        }
        let data = &event["data"];
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        let (s, us) = (data["time"]["s"].as_u64()?, data["time"]["us"].as_u64()?);
        Some(Self {
            id: event["id"].as_str()?.to_owned(),
            subject: data["subject"].as_str()?.to_owned(),
            token: data["token"].as_u64()?,
            seq: data["seq"].as_u64()?,
            name: plain(event["type"].as_str()?),
            at_us: s.checked_mul(1_000_000)?.checked_add(us)?,
            conn: text("ConnID"),
            ani: text("ANI"),
            dn: text("ThisDN"),
            from: text("ThisQueue"),
            other: text("OtherDN"),
            third: text("ThirdPartyDN"),
            call_type: plain(&text("CallType")),
            previous: text("PreviousConnID"),
            role: plain(&text("ThisDNRole")),
            agent: text("AgentID"),
            state: plain(data["CallState"].as_str().unwrap_or("Ok")),
        })
    }

    /// From port 8000.
    pub fn of_stream(envelope: &v1::Envelope) -> Option<Self> {
        let subject = match envelope.subject.as_ref()?.of.as_ref()? {
            v1::subject::Of::Call(conn) => format!("call:{conn:016x}"),
            v1::subject::Of::Agent(agent) => format!("agent:{agent}"),
            v1::subject::Of::Queue(queue) => format!("queue:{queue}"),
            v1::subject::Of::Dn(dn) => format!("dn:{dn}"),
            v1::subject::Of::Session(session) => format!("session:{session}"),
        };
        let event = envelope.event.as_ref()?;
        let call = event.call.as_ref();
        let state = event.call_state.and_then(|state| v1::CallState::try_from(state).ok()).unwrap_or(v1::CallState::Ok);
        let role = event.this_role.and_then(|role| v1::DnRole::try_from(role).ok());
        let call_type = call.and_then(|call| v1::CallType::try_from(call.call_type).ok());
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(Self {
            id: format!("{subject}:{}:{}", envelope.token, envelope.seq),
            subject,
            token: envelope.token,
            seq: envelope.seq,
            name: plain(v1::EventName::try_from(event.name).ok()?.as_str_name()),
            at_us: envelope.at_us,
            conn: call.map(|call| format!("{:016x}", call.conn_id)).unwrap_or_default(),
            ani: call.map(|call| or_empty(&call.ani)).unwrap_or_default(),
            dn: or_empty(&event.this_dn),
            from: or_empty(&event.this_queue),
            other: or_empty(&event.other_dn),
            third: or_empty(&event.third_party_dn),
            call_type: call_type.map(|of| value(of.as_str_name(), "calltype")).unwrap_or_default(),
            previous: call.and_then(|call| call.previous).map(|conn| format!("{conn:016x}")).unwrap_or_default(),
            role: role.map(|role| value(role.as_str_name(), "dnrole")).unwrap_or_default(),
            agent: or_empty(&event.agent),
            state: value(state.as_str_name(), "callstate"),
        })
    }

    /// The call, if the fact is one of the call itself.
    pub fn own_call(&self) -> Option<&str> {
        self.subject.strip_prefix("call:")
    }

    /// The call that the fact's consultation is about.
    pub fn consults_about(&self) -> Option<&str> {
        (self.call_type == "consult" && !self.previous.is_empty()).then_some(self.previous.as_str())
    }

    /// The queue, if the fact is one of a virtual queue.
    pub fn queue(&self) -> Option<&str> {
        self.subject.strip_prefix("queue:")
    }
}

#[cfg(test)]
mod tests;
