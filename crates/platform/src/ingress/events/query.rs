//! What a reader asks for: `?dn=7101&dn=7102&agent=1001&queue=sales&call=<ConnID>&event=EventRinging&after=<position>`.

use contracts::{json, v1, wire};
use model::EventName;
use net::http::Problem;

/// The parameters, as they were sent: each may be repeated.
pub(super) type Parameters = Vec<(String, String)>;

/// Reads the parameters. How many of each there may be is tenant's to say.
pub(super) fn read(parameters: Parameters) -> Result<v1::SubscribeRequest, Problem> {
    let mut asked = v1::SubscribeRequest::default();
    for (name, value) in parameters {
        let fault = |rule: &str| Problem::bad_request(format!("query: {name}: {rule}"));
        match name.as_str() {
            "dn" => asked.dns.push(value),
            "agent" => asked.agents.push(value),
            "queue" => asked.queues.push(value),
            "call" => {
                let (id, _) = json::conn_id_with_owner(&value).map_err(|error| fault(&error.to_string()))?;
                asked.calls.push(id.0);
            }
            "event" => {
                let name = EventName::parse(&value).ok_or_else(|| fault("there is no event of that name"))?;
                asked.names.push(wire::event_name_to_wire(name));
            }
            "after" => asked.after = value,
            _ => return Err(fault("there is no such parameter: dn, agent, queue, call, event, after")),
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(query: &[(&str, &str)]) -> Result<v1::SubscribeRequest, String> {
        let parameters = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(parameters).map_err(|problem| problem.detail.unwrap_or_default())
    }

    #[test]
    fn each_parameter_may_be_repeated() {
        let asked = read_all(&[
            ("dn", "7101"),
            ("dn", "7102"),
            ("agent", "1001"),
            ("queue", "sales"),
            ("call", "00000000000000ff@sip-cluster-1.5"),
            ("event", "EventRinging"),
            ("after", "0-7"),
        ]);
        let asked = asked.unwrap();
        assert_eq!(
            (asked.dns.len(), asked.agents.len(), &asked.calls[..], asked.after.as_str()),
            (2, 1, &[255][..], "0-7")
        );
        assert_eq!(asked.names().next(), Some(v1::EventName::EventRinging));
    }

    #[test]
    fn a_wrong_one_is_named() {
        for (name, value) in [("call", "x"), ("event", "Ringing"), ("dns", "7101")] {
            let fault = read_all(&[(name, value)]).unwrap_err();
            assert!(fault.starts_with(&format!("query: {name}: ")), "{fault}");
        }
    }
}
