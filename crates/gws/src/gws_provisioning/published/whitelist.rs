//! The list of addresses of the published API, as the tenant's own object has it: `sign_in.addresses`, and whether they alone count.

use std::net::IpAddr;

use contracts::provisioning::SignInRules;
use contracts::provisioning::networks::network;
use serde_json::{Value, json};

use crate::object_number;
use crate::sessions::answers::ApiRefusal;

/// What the numbers of addresses are made of, beside the address.
const NUMBERED_AS: &str = "sign_in_address";
/// The words for whether the list counts.
const ENABLED: &str = "enabled";
const DISABLED: &str = "disabled";

fn wrong(field: &str, rule: &str) -> ApiRefusal {
    ApiRefusal::bad_request(format!("{field}: {rule}"))
}

/// The addresses from which a tenant's people sign in. One of which a change was refused is half changed, and good for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gws_provisioning) struct Whitelist {
    /// As they are written.
    pub addresses: Vec<String>,
    /// Whether they alone count.
    pub is_enabled: bool,
}

impl Whitelist {
    /// That of the rules of a tenant.
    pub fn of(rules: SignInRules) -> Self {
        Self { addresses: rules.addresses, is_enabled: rules.addresses_only }
    }

    /// What is told of it, beside the status.
    pub fn shown(&self) -> Value {
        let shown = |address: &String| json!({"id": number(address), "address": address});
        let addresses: Vec<Value> = self.addresses.iter().map(shown).collect();
        let status = if self.is_enabled { ENABLED } else { DISABLED };
        json!({"status": {"code": 0}, "whitelistStatus": status, "whitelist": {"addresses": addresses}})
    }

    /// With one more.
    ///
    /// # Errors
    /// 400 if it is none, or one too many; 409 if it is there.
    pub fn add(&mut self, address: Option<&str>) -> Result<(), ApiRefusal> {
        let address = read_address("host", address)?;
        if self.addresses.len() >= SignInRules::ADDRESSES_MAX {
            let most = SignInRules::ADDRESSES_MAX;
            return Err(wrong("host", &format!("there are {most} addresses, and more are not taken")));
        }
        self.check_new("host", address)?;
        self.addresses.push(address.to_owned());
        Ok(())
    }

    /// With others in the place of some: `[{id, address}]`.
    ///
    /// # Errors
    /// 400 with what is wrong, 404 if there is no such id, 409 if the address is there.
    pub fn replace(&mut self, changes: &Value) -> Result<(), ApiRefusal> {
        let changes = changes.as_array().filter(|changes| !changes.is_empty());
        for change in changes.ok_or_else(|| wrong("data", "it is no list of addresses with their ids"))? {
            let at = self.place(&change["id"])?;
            let address = read_address("address", change["address"].as_str())?;
            self.addresses.remove(at);
            self.check_new("address", address)?;
            self.addresses.insert(at, address.to_owned());
        }
        Ok(())
    }

    /// Without those with these ids.
    ///
    /// # Errors
    /// 400 if there are none, 404 if one is not there.
    pub fn remove(&mut self, ids: &Value) -> Result<(), ApiRefusal> {
        let ids = ids.as_array().filter(|ids| !ids.is_empty());
        for id in ids.ok_or_else(|| wrong("data", "it is no list of ids"))? {
            let at = self.place(id)?;
            self.addresses.remove(at);
        }
        Ok(())
    }

    /// With that status.
    ///
    /// # Errors
    /// 400 if it is none.
    pub fn set_status(&mut self, status: Option<&str>) -> Result<(), ApiRefusal> {
        self.is_enabled = match status.unwrap_or_default().to_ascii_lowercase().as_str() {
            ENABLED | "enable" => true,
            DISABLED | "disable" => false,
            _ => return Err(wrong("whitelistStatus", &format!("it is {ENABLED} or {DISABLED}"))),
        };
        Ok(())
    }

    /// Refuses a list by which whoever asks from that address could not sign in again. Where that is not known, nobody is refused.
    ///
    /// # Errors
    /// 409.
    pub fn check_own(&self, address: Option<IpAddr>) -> Result<(), ApiRefusal> {
        let Some(address) = address else { return Ok(()) };
        let rules = SignInRules {
            addresses: self.addresses.clone(),
            addresses_only: self.is_enabled,
            ..SignInRules::default()
        };
        if rules.lets_in_from(Some(address)) {
            return Ok(());
        }
        let words = format!("whitelist: you ask from {address}, which is not in it: you could not sign in any more");
        Err(ApiRefusal::conflict(words))
    }

    fn check_new(&self, field: &str, address: &str) -> Result<(), ApiRefusal> {
        let wanted = network(address);
        match self.addresses.iter().find(|known| network(known) == wanted) {
            Some(known) => Err(ApiRefusal::conflict(format!("{field}: {known} is in the list already"))),
            None => Ok(()),
        }
    }

    /// Where the address with that id is.
    fn place(&self, id: &Value) -> Result<usize, ApiRefusal> {
        let asked = id.as_u64().or_else(|| id.as_str()?.trim().parse().ok());
        let asked = asked.ok_or_else(|| wrong("id", "it is no number"))?;
        let mut same = self.addresses.iter().enumerate().filter(|(_, address)| number(address) == asked);
        match (same.next(), same.next()) {
            (Some((at, _)), None) => Ok(at),
            (None, _) => Err(ApiRefusal::not_found(format!("id: there is no address {asked}"))),
            (Some(_), Some(_)) => Err(ApiRefusal::conflict(format!("id: several addresses have the number {asked}"))),
        }
    }
}

/// The number of an address, which stays while others come and go.
fn number(address: &str) -> u64 {
    object_number::of(NUMBERED_AS, address)
}

/// An address or a network as it was sent.
fn read_address<'a>(field: &str, sent: Option<&'a str>) -> Result<&'a str, ApiRefusal> {
    let sent = sent.unwrap_or_default().trim();
    match network(sent) {
        Some(_) => Ok(sent),
        None => Err(wrong(field, &format!("{sent:.64} is no address and no network as 192.0.2.0/24"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addresses: &[&str]) -> Whitelist {
        Whitelist { addresses: addresses.iter().map(|one| (*one).to_owned()).collect(), is_enabled: false }
    }

    fn code(refused: Result<(), ApiRefusal>) -> u16 {
        refused.err().map_or(200, |refusal| refusal.status().as_u16())
    }

    #[test]
    fn addresses_are_added_once_and_told_with_ids_that_stay() {
        let mut whitelist = list(&[]);
        for (sent, due) in [
            ("203.0.113.7", 200),
            (" 192.0.2.0/24 ", 200),
            ("192.0.2.9/24", 409),
            ("203.0.113.7", 409),
            ("centre.example", 400),
            ("192.0.2.0/33", 400),
            ("", 400),
        ] {
            assert_eq!(code(whitelist.add(Some(sent))), due, "{sent}");
        }
        assert_eq!(code(whitelist.add(None)), 400);
        assert_eq!(whitelist.addresses, ["203.0.113.7", "192.0.2.0/24"]);
        let shown = whitelist.shown();
        assert_eq!((&shown["status"]["code"], &shown["whitelistStatus"]), (&json!(0), &json!("disabled")));
        let second = shown["whitelist"]["addresses"][1].clone();
        assert_eq!(second["address"], "192.0.2.0/24");
        whitelist.remove(&json!([number("203.0.113.7").to_string()])).unwrap();
        assert_eq!(whitelist.shown()["whitelist"]["addresses"], json!([second]));
    }

    #[test]
    fn a_list_that_is_full_takes_no_more() {
        let all: Vec<String> = (0..SignInRules::ADDRESSES_MAX).map(|n| format!("192.0.2.{n}")).collect();
        let mut whitelist = Whitelist { addresses: all, is_enabled: false };
        let refused = whitelist.add(Some("203.0.113.7")).unwrap_err();
        assert!(refused.message().starts_with("host: there are 200"), "{}", refused.message());
    }

    #[test]
    fn addresses_are_changed_and_removed_by_their_ids() {
        let mut whitelist = list(&["203.0.113.7", "192.0.2.0/24"]);
        let id = number("203.0.113.7");
        whitelist.replace(&json!([{"id": id.to_string(), "address": "203.0.113.8"}])).unwrap();
        assert_eq!(whitelist.addresses, ["203.0.113.8", "192.0.2.0/24"]);
        for (changes, due) in [
            (json!([{"id": id, "address": "203.0.113.9"}]), 404),
            (json!([{"id": number("203.0.113.8"), "address": "192.0.2.7/24"}]), 409),
            (json!([{"id": number("203.0.113.8"), "address": "nowhere"}]), 400),
            (json!([{"id": "first", "address": "203.0.113.9"}]), 400),
            (json!([]), 400),
            (Value::Null, 400),
        ] {
            assert_eq!(code(whitelist.clone().replace(&changes)), due, "{changes}");
        }
        for (ids, due) in [(json!([id]), 404), (json!(["x"]), 400), (json!([]), 400), (Value::Null, 400)] {
            assert_eq!(code(whitelist.clone().remove(&ids)), due, "{ids}");
        }
        whitelist.remove(&json!([number("192.0.2.0/24")])).unwrap();
        assert_eq!(whitelist.addresses, ["203.0.113.8"]);
    }

    #[test]
    fn nobody_locks_out_whoever_asks() {
        let own = |address: &str| address.parse().ok();
        let mut whitelist = list(&["203.0.113.0/24"]);
        assert_eq!(code(whitelist.check_own(own("198.51.100.1"))), 200, "the list does not count");
        for status in ["Enable", "enabled"] {
            whitelist.set_status(Some(status)).unwrap();
            assert!(whitelist.is_enabled);
        }
        assert_eq!(code(whitelist.check_own(own("203.0.113.9"))), 200);
        assert_eq!(code(whitelist.check_own(own("198.51.100.1"))), 409);
        assert_eq!(code(whitelist.check_own(None)), 200, "it is not known from where it is asked");
        assert_eq!((code(whitelist.set_status(Some("perhaps"))), code(whitelist.set_status(None))), (400, 400));
        whitelist.set_status(Some("disabled")).unwrap();
        assert_eq!(code(whitelist.check_own(own("198.51.100.1"))), 200);
    }
}
