//! Instances of phones (RFC 5626 §4.1) and the URIs that reach one of them, GRUUs (RFC 5627).
//!
//! Only public GRUUs are made, which show the instance: `sip:7101@example.com;gr=urn:uuid:...`.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::header::NameAddr;
use crate::seal::{Purpose, Seal};
use crate::uri::Uri;
use crate::uri::escape::unescape;

/// The most bytes of an instance. That of a UUID has 45.
pub const INSTANCE_BYTES_MAX: usize = 256;
/// The most bytes of the host in a GRUU: names have no more (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 255;
/// The highest `reg-id` (RFC 5626 §10).
const REG_ID_MAX: u32 = (1 << 31) - 1;
/// See [`Instance::nobody`].
const NOBODY: &str = "urn:trunkline:nobody";

/// What the value of a URI parameter may not contain: all but letters, digits, `mark` and `param-unreserved` (RFC 3261 §25.1).
const NOT_IN_PARAM: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'[')
    .remove(b']')
    .remove(b'/')
    .remove(b':')
    .remove(b'&')
    .remove(b'+')
    .remove(b'$');

/// The name of a phone that stays the same over its restarts and registrations: a URN, as the phone wrote it. Two are equal if they
/// are equivalent (RFC 8141 §3.1, RFC 9562 §4).
#[derive(Clone, Debug)]
pub struct Instance(Box<str>);

impl Instance {
    /// Checks a URN; `None` if it is none, or longer than [`INSTANCE_BYTES_MAX`].
    pub fn parse(text: &str) -> Option<Self> {
        let may_contain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\');
        if text.len() > INSTANCE_BYTES_MAX || !text.bytes().all(may_contain) {
            return None;
        }
        let mut parts = text.splitn(3, ':');
        let is_urn = parts.next()?.eq_ignore_ascii_case("urn");
        let (namespace, specific) = (parts.next()?, parts.next()?);
        (is_urn && !namespace.is_empty() && !specific.is_empty()).then(|| Self(text.into()))
    }

    /// The instance that a Contact names.
    pub fn of(contact: &NameAddr<'_>) -> Option<Self> {
        let value = contact.params().find("+sip.instance")?.unquoted();
        Self::parse(value.strip_prefix('<')?.strip_suffix('>')?).filter(|instance| *instance != Self::nobody())
    }

    /// That of an account of ours, by which its registrar knows us again: the same after each restart and at each replica, as long as the
    /// installation has its key. It tells the registrar nothing else.
    pub fn of_account(seal: &Seal, tenant: &str, domain: &str, user: &str) -> Self {
        // The zero byte occurs in none of them.
        let [first, second] = ["a", "b"].map(|half| [half, tenant, domain, user].join("\0"));
        Self(format!("urn:uuid:{}", seal.uuid(Purpose::Account, [&first, &second])).into())
    }

    /// The one that a GRUU names which cannot be ours: no phone is known by it.
    pub fn nobody() -> Self {
        Self(NOBODY.into())
    }

    /// As the phone wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The public GRUU of the instance for an address of record (RFC 5627 §5.1); `None` if that is no `sip:` address with a user.
    pub fn public_gruu(&self, aor: &Uri<'_>) -> Option<String> {
        let host = aor.host().filter(|host| host.as_str().len() <= HOST_BYTES_MAX)?;
        let (scheme, user) = (aor.scheme(), aor.user()?);
        let port = aor.port().map(|port| format!(":{port}")).unwrap_or_default();
        let gr = utf8_percent_encode(&self.0, &NOT_IN_PARAM);
        aor.is_sip().then(|| format!("{}:{user}@{host}{port};gr={gr}", scheme.as_str()))
    }

    /// Scheme and namespace, which compare without case, and the rest, which does so in UUIDs alone.
    fn parts(&self) -> (&str, &str, bool) {
        let at = self.0.match_indices(':').nth(1).map_or(0, |(at, _)| at);
        let (head, specific) = self.0.split_at(at);
        (head, specific, head.eq_ignore_ascii_case("urn:uuid"))
    }
}

impl PartialEq for Instance {
    fn eq(&self, other: &Self) -> bool {
        let ((head, specific, is_uuid), (their_head, theirs, _)) = (self.parts(), other.parts());
        let is_same = if is_uuid { specific.eq_ignore_ascii_case(theirs) } else { specific == theirs };
        head.eq_ignore_ascii_case(their_head) && is_same
    }
}

impl Eq for Instance {}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The phone and the flow of it that a Contact registers (RFC 5626 §4.2). A `reg-id` without an instance says nothing.
pub fn flow_of(contact: &NameAddr<'_>) -> Option<(Instance, u32)> {
    Instance::of(contact).zip(reg_id(contact))
}

fn reg_id(contact: &NameAddr<'_>) -> Option<u32> {
    let digits = contact.params().get("reg-id")?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok())??;
    (1..=REG_ID_MAX).contains(&number).then_some(number)
}

/// The one phone that a URI reaches, by its `gr` parameter (RFC 5627 §3.1): [`Instance::nobody`] for a GRUU that we have not made; `None`
/// if it is no GRUU, and reaches every phone of the address of record.
pub fn meant(uri: &Uri<'_>) -> Option<Instance> {
    let gr = uri.params().get("gr")?;
    // An escape takes three bytes.
    let gr = Some(gr).filter(|gr| gr.len() <= 3 * INSTANCE_BYTES_MAX);
    Some(gr.and_then(|gr| Instance::parse(&unescape(gr))).unwrap_or_else(Instance::nobody))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn contact(params: &str) -> String {
        format!("<sip:7101@192.0.2.1>{params}")
    }

    fn instance(params: &str) -> Option<String> {
        let contact = contact(params);
        Instance::of(&NameAddr::parse(&contact).unwrap()).map(|instance| instance.to_string())
    }

    #[test]
    fn a_contact_names_its_instance_as_a_urn_in_brackets_and_quotes() {
        assert_eq!(instance(&format!(";+sip.instance=\"<{UUID}>\"")).as_deref(), Some(UUID));
        assert_eq!(instance(&format!(";+SIP.Instance=\"<{UUID}>\";reg-id=1")).as_deref(), Some(UUID));
        let long = format!("urn:x:{}", "a".repeat(INSTANCE_BYTES_MAX));
        for wrong in
            [UUID, "<>", "<urn:uuid>", "<urn:uuid:>", "<urn::a>", "<uuid:a:b>", "<urn:x:a b>", &format!("<{long}>")]
        {
            assert_eq!(instance(&format!(";+sip.instance=\"{wrong}\"")), None, "{wrong}");
        }
        assert_eq!(instance(";+sip.instance"), None);
    }

    #[test]
    fn a_reg_id_is_a_number_from_1_to_31_bits() {
        let of = |params: &str| reg_id(&NameAddr::parse(&contact(params)).unwrap());
        assert_eq!((of(";reg-id=1"), of(";reg-id=2147483647")), (Some(1), Some(2_147_483_647)));
        for wrong in
            ["", ";reg-id", ";reg-id=0", ";reg-id=2147483648", ";reg-id=99999999999", ";reg-id=+1", ";reg-id=\"1\""]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn instances_compare_as_urns_do() {
        let same = |a: &str, b: &str| Instance::parse(a).unwrap() == Instance::parse(b).unwrap();
        assert!(same(UUID, &UUID.to_uppercase()));
        assert!(same("urn:Example:a", "URN:example:a"));
        assert!(!same("urn:example:a", "urn:example:A"));
        assert!(!same("urn:example:a", "urn:exampl:ea"));
    }

    #[test]
    fn a_gruu_is_the_address_of_record_with_the_instance() {
        let of = |aor: &str| Instance::parse(UUID).unwrap().public_gruu(&Uri::parse(aor).unwrap());
        assert_eq!(of("sip:7101@example.com"), Some(format!("sip:7101@example.com;gr={UUID}")));
        assert_eq!(of("sip:7101@[::1]:5070;user=phone"), Some(format!("sip:7101@[::1]:5070;gr={UUID}")));
        assert_eq!(of("tel:7101"), None);
        assert_eq!(of("sip:example.com"), None);
        assert_eq!(of(&format!("sip:7101@{}", "a".repeat(HOST_BYTES_MAX + 1))), None);
    }

    #[test]
    fn a_uri_reaches_every_phone_or_one_or_none_that_we_know() {
        let of = |uri: &str| meant(&Uri::parse(uri).unwrap());
        assert_eq!(of("sip:7101@example.com"), None);
        assert_eq!(of(&format!("sip:7101@example.com;GR={UUID}")), Instance::parse(UUID));
        // Such as another server makes for phones that hide who they are.
        let nobody = Some(Instance::nobody());
        assert_eq!(of("sip:7101@example.com;gr"), nobody);
        assert_eq!(of("sip:7101@example.com;gr=desk"), nobody);
        assert_eq!(of(&format!("sip:7101@example.com;gr=urn:x:{}", "a".repeat(100_000))), nobody);
    }

    #[test]
    fn an_account_of_ours_has_one_instance_for_ever_and_shares_it_with_no_other() {
        let of = |key: u8, tenant: &str, domain: &str, user: &str| {
            Instance::of_account(&Seal::new(&[key; 32]), tenant, domain, user)
        };
        let ours = of(7, "acme", "carrier.example", "line-1");
        assert_eq!(ours, of(7, "acme", "carrier.example", "line-1"));
        for other in [
            of(8, "acme", "carrier.example", "line-1"),
            of(7, "other", "carrier.example", "line-1"),
            of(7, "acme", "other.example", "line-1"),
            of(7, "acme", "carrier.example", "line-2"),
        ] {
            assert_ne!(ours, other);
        }
        assert!(ours.as_str().starts_with("urn:uuid:") && ours.as_str().len() == 45, "{ours}");
        assert_eq!(Instance::parse(ours.as_str()), Some(ours));
    }

    #[test]
    fn no_phone_registers_as_nobody() {
        assert_eq!(instance(&format!(";+sip.instance=\"<{NOBODY}>\"")), None);
        assert_eq!(instance(&format!(";+sip.instance=\"<{}>\"", NOBODY.replace("urn", "URN"))), None);
        // It is passed on as a text.
        assert_eq!(Instance::parse(Instance::nobody().as_str()), Some(Instance::nobody()));
    }

    proptest! {
        /// Whatever an instance contains: its GRUU is a URI, and leads back to it.
        #[test]
        fn a_gruu_leads_to_its_instance(specific in "[!#-;=?-\\[\\]-~]{1,200}") {
            let instance = Instance::parse(&format!("urn:example:{specific}")).unwrap();
            let gruu = instance.public_gruu(&Uri::parse("sip:7101@example.com").unwrap()).unwrap();
            let uri = Uri::parse(&gruu).unwrap();
            prop_assert_eq!(uri.user(), Some("7101"));
            let Some(reached) = meant(&uri) else { return Err(TestCaseError::fail(gruu)) };
            prop_assert_eq!(reached.as_str(), instance.as_str());
        }
    }
}
